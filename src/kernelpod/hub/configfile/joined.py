"""Joins what a hub's configuration file gives with what `configure` has set, where both are needed.

A list of roles in the file would otherwise replace Kernelpod's own, and a variable for servers all of theirs: then
no kernel starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from traitlets.config import LazyConfigValue

Join = Callable[[Any, Any], Any]


def joined(c: Any, section: str, trait: str, value: Any) -> Any:
    """Return the value to set: the file's, joined with that in the configuration `c` if it must not be lost."""
    if trait == "environment":
        # A spawner's own section takes precedence over that of all spawners.
        return {**_there(c, "Spawner", trait, {}), **_there(c, section, trait, {}), **value}
    if section != "JupyterHub" or trait not in _JOINS:
        return value
    empty, join = _JOINS[trait]
    return join(_there(c, section, trait, empty), value)


def _there(c: Any, section: str, trait: str, empty: Any) -> Any:
    found = c[section].get(trait, empty)
    return found.get_value(empty) if isinstance(found, LazyConfigValue) else found


def _by_name(ours: list[dict[str, Any]], given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return both lists. Of an entry with the same name, lists are joined, and other values are the given ones."""
    made = {entry.get("name"): dict(entry) for entry in ours}
    for entry in given:
        known = made.setdefault(entry.get("name"), {})
        for key, value in entry.items():
            both = isinstance(value, list) and isinstance(known.get(key), list)
            known[key] = list(dict.fromkeys([*known[key], *value])) if both else value
    return list(made.values())


# The empty value of each trait, since `configure` may have changed what is not set, and how two values become one.
_JOINS: dict[str, tuple[Any, Join]] = {
    "services": ([], _by_name),
    "load_roles": ([], _by_name),
    "custom_scopes": ({}, lambda ours, given: {**ours, **given}),
    "extra_user_scopes": (set(), lambda ours, given: {*ours, *given}),
}
