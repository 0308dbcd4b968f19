"""Moves roles and services of `hub.config` to the chart's own values, which are merged with the generated ones."""

from __future__ import annotations

from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values

_MOVES: tuple[tuple[Keys, Keys], ...] = (
    (("hub", "config", "JupyterHub", "load_roles"), ("hub", "loadRoles")),
    (("hub", "config", "JupyterHub", "services"), ("hub", "services")),
)


def move_roles(values: Values) -> None:
    """Move the lists of roles and of services, each of which replaced what the chart's values said of them."""
    for old, new in _MOVES:
        if isinstance(values.get(old), list):
            _move(values, old, new)


def _move(values: Values, old: Keys, new: Keys) -> None:
    for key in list(values.section(new)):
        values.drop((*new, key), f"{'.'.join(map(str, old))} replaced all of them")
    given, began = values.pop(old), values.came_from(old)
    for number, one in enumerate(given):
        place: Keys = (*began, number)
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or not name:
            values.made.note(place, "dropped", "it has no name")
        elif name.startswith("kernelpod"):
            values.made.note(place, "dropped", "this name is for what `kernelpod hub values` makes")
        elif values.put((*new, name), inner := _named_by_the_chart(one), place):
            values.made.note(place, "changed", f"it is {'.'.join(map(str, new))}.{name} now")
            _say_where(values, (*new, name), place, inner)
        else:
            values.made.note(place, "dropped", f"there is another one named {name}")


def _named_by_the_chart(one: dict[str, Any]) -> dict[str, Any]:
    """Return a role or a service by keys of the chart, which takes tokens from a Secret, by a key of its own."""
    return {("apiToken" if key == "api_token" else key): value for key, value in one.items() if key != "name"}


def _say_where(values: Values, keys: Keys, place: Keys, inner: dict[str, Any]) -> None:
    if "apiToken" in inner:
        values.put((*keys, "apiToken"), values.pop((*keys, "apiToken")), (*place, "api_token"))
