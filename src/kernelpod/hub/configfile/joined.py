"""Joins what a hub's configuration file gives with what `configure` has set, where both are needed.

A list of roles in the file would otherwise replace Kernelpod's own, and a variable for servers all of theirs: then
no kernel starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from traitlets.config import LazyConfigValue

Join = Callable[[Any, Any], Any]
# Spawners that are made from others, of which a file may give variables as well.
_MADE_FROM = {"PodSpawner": ("KubeSpawner",), "SandboxSpawner": ("LocalProcessSpawner",)}
# Keys of a role or a service whose lists are sets of texts. Others, such as a command, have an order.
SETS = ("scopes", "users", "groups", "services", "oauth_client_allowed_scopes")


def rank(section: str) -> int:
    """Return when a section is set: those that others are joined with come first."""
    return 0 if section == "Spawner" else 1 if section not in _MADE_FROM else 2


def joined(c: Any, section: str, trait: str, value: Any) -> Any:
    """Return the value to set: the file's, joined with that in the configuration `c` if it must not be lost."""
    if trait == "environment":
        # The section of a spawner's class takes precedence over those of the classes it is made from.
        above = [_there(c, one, trait, {}) for one in ("Spawner", *_MADE_FROM.get(section, ()), section)]
        return {name: text for there in (*above, value) for name, text in there.items()}
    if section != "JupyterHub" or trait not in _JOINS:
        return value
    empty, join = _JOINS[trait]
    return join(_there(c, section, trait, empty), value)


def wrong(trait: str, value: Any) -> str:
    """Return what is wrong with a value that is joined; empty if nothing is. JupyterHub itself checks less."""
    listed = _listed(value)
    if trait == "extra_user_scopes" and not _texts(listed):
        return "expected a list of texts, such as [read:hub]"
    if trait not in ("services", "load_roles"):
        return ""
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            return "each entry is a mapping with a name, such as {name: readers, scopes: [list:users]}"
        for key in (key for key in SETS if key in entry):
            if not _texts(entry[key]):
                return f"{entry['name']}: {key}: expected a list of texts; put a number in quotes"
    return ""


def _listed(value: Any) -> Any:
    """Return a text as a list of one, as JupyterHub takes it."""
    return [value] if isinstance(value, str) else value


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _there(c: Any, section: str, trait: str, empty: Any) -> Any:
    found = c[section].get(trait, empty)
    return found.get_value(empty) if isinstance(found, LazyConfigValue) else found


def _by_name(ours: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return both lists. Of an entry with the same name, SETS are joined, and other values are the given ones."""
    made = {entry["name"]: dict(entry) for entry in ours}
    for entry in given:
        known = made.setdefault(entry["name"], {})
        for key, value in entry.items():
            known[key] = list(dict.fromkeys([*known.get(key, ()), *value])) if key in SETS else value
    return list(made.values())


# The empty value of each trait, since `configure` may have changed what is not set, and how two values become one.
_JOINS: dict[str, tuple[Any, Join]] = {
    "services": ([], _by_name),
    "load_roles": ([], _by_name),
    "tornado_settings": ({}, lambda ours, given: {**ours, **given}),
    "custom_scopes": ({}, lambda ours, given: {**ours, **given}),
    "extra_user_scopes": (set(), lambda ours, given: {*ours, *_listed(given)}),
}
