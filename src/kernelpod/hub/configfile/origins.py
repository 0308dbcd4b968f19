"""Finds the hubs of a configuration whose users' servers share the hub's origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernelpod.findings.finding import Finding, FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.hub.configfile.forms import forms, section
from kernelpod.settings.origins import has_several_users, shared_origin
from kernelpod.settings.sections import Settings


def shared_origins(path: Path, settings: Settings) -> list[Finding]:
    """Return a warning for each hub of a file in any of the forms that `check_traits` takes, if it can be read.

    `settings` are those of the hubs, which may say `subdomain_host` instead of the file.
    """
    try:
        tree = read_tree(path)
    except FindingsError:
        return []
    by_settings = all(hub.subdomain_host for hub in settings.hubs)
    return [shared_origin(*tree.spot(keys), remedy) for keys, remedy in _shared(tree.data, by_settings)]


def _shared(data: dict[str, Any], by_settings: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield keys and remedy of each hub whose servers share its origin."""
    for form in forms(data):
        hub, keys = form.deployed, form.above
        names = {str(name) for key in ("users", "admin_users") for name in hub.get(key) or ()}
        if section(form.sections, "JupyterHub").get("subdomain_host"):
            continue
        if not (hub.get("courses") or has_several_users(names, form.sections)):
            continue
        if "nfs" in data:
            if hub.get("install") != "none" and not hub.get("subdomains"):
                where = ".".join(keys[:-1])
                yield keys[:-1], f"set {where}.subdomains: true and {where}.url (docs/https.md)"
        elif not by_settings:
            yield keys, "set hubs[].subdomain_host in the settings, and name them with --settings (docs/https.md)"
