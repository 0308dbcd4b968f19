"""Finds what in a hub's configuration file breaks servers or kernels: it replaces what `configure` sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelpod.findings.finding import Finding, FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.hub import servers
from kernelpod.hub.configfile.forms import Form, forms
from kernelpod.hub.needs.judge import Judge, Said, as_tree, effective
from kernelpod.hub.needs.rules import RULES
from kernelpod.hub.needs.traits import OUR_SPAWNERS, Setting, settings_of
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

# `configure` sets these as functions of the spawner, so any text is another value.
_BY_USER = dict.fromkeys(("JUPYTER_GATEWAY_AUTH_TOKEN", "KERNEL_PATH"))

_VALUES = "only names and types are checked here; kernelpod hub check-values says what in values breaks something"


def broken_needs(path: Path, settings: Settings) -> list[Finding]:
    """Return what a file breaks, in any of the forms that `check_traits` takes, if it can be read.

    Of values of Zero to JupyterHub it is said what checks them. `settings` are those of the hubs. A file does not
    say which of several hubs it is for, so of these the one counts that it breaks least.
    """
    try:
        tree = read_tree(path)
    except FindingsError:
        return []
    found: list[Said] = []
    for form in forms(tree.data):
        if form.ours:
            by_hub = [_said(form, settings, hub) for hub in settings.hubs]
            least: list[Said] = min(by_hub, key=len)
            found += least
        elif "nfs" not in tree.data:
            found.append(Said(form.above, _VALUES, "note"))
    return sorted(one.finding(tree) for one in found)


def _said(form: Form, settings: Settings, hub: Hub) -> list[Said]:
    set_by_us = _set(settings, hub)
    environment = {**servers.environment(settings, hub), **_BY_USER}
    ours: dict[str, Any] = as_tree(effective(set_by_us))
    # Variables are joined with ours, and all other values replace ours.
    ours["Spawner"]["environment"] = environment
    yours = [*settings_of(form.sections, form.above, OUR_SPAWNERS)]
    return [one for one in Judge(ours, RULES).settings(set_by_us, yours) if one.level != "note"]


def _set(settings: Settings, hub: Hub) -> list[Setting]:
    spawner = {
        "server_token_scopes": servers.token_scopes(settings, hub),
        "args": servers.arguments(settings),
        "delete_grace_period": servers.grace_period_seconds(settings),
    }
    made = {"Spawner": spawner, "JupyterHub": servers.subdomains(hub)}
    return [
        Setting((), (kind, trait), (-1, 0), value)
        for kind, traits in made.items()
        for trait, value in traits.items()
    ]
