"""Finds the hubs of a configuration whose users' servers share the hub's origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernelpod.findings.finding import Finding, FindingsError
from kernelpod.findings.yamlfile import read_tree
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
    hub = _section(data, "hub")
    if "nfs" in data:  # a file of `kernelpod deploy`, as in `check_traits`
        more = _section(data, "more_hubs")
        hubs: dict[tuple[str, ...], dict[str, Any]] = {("hub",): hub}
        hubs |= {("more_hubs", str(name)): _section(more, name) for name in more}
        for keys, one in hubs.items():
            names = {str(name) for key in ("users", "admin_users") for name in one.get(key) or ()}
            config = _section(one, "config")
            several = one.get("courses") or has_several_users(names, config)
            if several and one.get("install") != "none" and not one.get("subdomains") and not _has_hosts(config):
                where = ".".join(keys)
                yield keys, f"set {where}.subdomains: true and {where}.url (docs/https.md)"
        return
    in_values = isinstance(hub.get("config"), dict)
    config = hub["config"] if in_values else data
    if has_several_users((), config) and not by_settings and not _has_hosts(config):
        keys = ("hub", "config") if in_values else ()
        yield keys, "set hubs[].subdomain_host in the settings, and name them with --settings (docs/https.md)"


def _has_hosts(config: dict[str, Any]) -> bool:
    return bool(_section(config, "JupyterHub").get("subdomain_host"))


def _section(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
