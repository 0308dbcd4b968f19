"""Finds keys of an admin's values that the chart does not have, and names of roles and services that clash."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from kernelpod.base.chartkeys import KEYS, SECTIONS, SINCE, nested
from kernelpod.base.merging import merged
from kernelpod.findings.finding import Level
from kernelpod.findings.yamlfile import Keys
from kernelpod.hub.needs.judge import Said, at, dotted
from kernelpod.z2jh.versions import number_of

# Classes whose sections are looked for in misspelt ones.
_CLASSES = ("JupyterHub", "Authenticator", "Spawner", "KubeSpawner", "PodSpawner")
_ERROR: Level = "error"
_WARNING: Level = "warning"
# The chart's own role and service.
_CULLER = "jupyterhub-idle-culler"
_NAMED = {
    ("hub", "loadRoles"): ("role", "the hub does not start with two roles of one name"),
    ("hub", "services"): ("service", "the hub would keep one of them only"),
}


def strays(values: dict[str, Any], chart_version: str, spawners: Mapping[str, int]) -> Iterator[Said]:
    """Yield what is said of sections and keys that the chart, or its hub, does not know."""
    number = number_of(chart_version)
    known = {one for one in SECTIONS if SINCE.get(one, number) <= number}
    for key, value in values.items():
        if key in known:
            yield from _strange_keys(str(key), value)
            continue
        inner = list(nested({key: value}))
        for path in inner:
            said = (
                "the chart's values are nested here, as for a chart that contains it; write what is below "
                f"{dotted(path)} into a file of its own, and check that"
            )
            yield Said(path, said, "error")
        if not inner:
            yield Said((key,), _unknown("the chart", "section", str(key), known), "error")
    yield from _strange_classes(at(values, ("hub", "config")), spawners)


def twice(ours: dict[str, Any], yours: dict[str, Any]) -> Iterator[Said]:
    """Yield what is said of roles and services that have the name of another one, or another name than ours."""
    culls = at(merged(ours, yours), ("cull", "enabled"))
    for place, (what, why) in _NAMED.items():
        known, given = _section(ours, place), _section(yours, place)
        names = _names(merged(known, given)) | ({"": _CULLER} if culls else {})
        for key in names.keys() & given.keys():
            name = names[key]
            same = [one for one in names if one != key and names[one] == name]
            if key in known and name != key:
                said = f"servers and gateway need this {what} by the name {key}; remove name"
            elif key not in known and same:
                other = dotted((*place, same[0])) if same[0] else "one of the chart's own"
                said = f"{other} is a {what} named {name}, too, and {why}; change yours"
            else:
                continue
            named = ("name",) if "name" in given[key] else ()
            yield Said((*place, key, *named), said, "error")


def _section(values: dict[str, Any], place: Keys) -> dict[str, Any]:
    found = at(values, place)
    return found if isinstance(found, dict) else {}


def _names(given: dict[str, Any]) -> dict[str, str]:
    return {key: str(one.get("name", key)) for key, one in given.items() if isinstance(one, dict)}


def _strange_keys(section: str, value: Any) -> Iterator[Said]:
    for key in value if section in KEYS and isinstance(value, dict) else ():
        if key not in KEYS[section]:
            yield Said((section, key), _unknown(section, "key", str(key), KEYS[section]), "error")


def _strange_classes(config: Any, spawners: Mapping[str, int]) -> Iterator[Said]:
    for name, traits in config.items() if isinstance(config, dict) else ():
        if not isinstance(traits, dict | None):
            said, level = f"a section is a mapping of traits: {name}: {{trait: value}}", _ERROR
        elif near := _misspelt(str(name)):
            said, level = f"no class has this name; did you mean {near}?", _ERROR
        elif str(name).endswith("Spawner") and name not in spawners:
            said, level = "this has no effect: the hub's spawner is another class; write KubeSpawner", _WARNING
        else:
            continue
        yield Said(("hub", "config", name), said, level)


def _misspelt(section: str) -> str:
    """Return the class that a name is taken for, or an empty text."""
    by_lower = {one.lower(): one for one in _CLASSES}
    cutoff = 1 if section.endswith("Authenticator") else 0.85
    near = [by_lower[one] for one in difflib.get_close_matches(section.lower(), by_lower, n=1, cutoff=cutoff)]
    return near[0] if near and section not in near else ""


def _unknown(where: str, what: str, key: str, known: Collection[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(key.lower(), by_lower, n=1)
    return f"{where} has no such {what}; " + (f"did you mean {by_lower[near[0]]}?" if near else "remove it")
