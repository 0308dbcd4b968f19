"""Resolves which settings of traits are effective, and judges them by rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from kernelpod.findings.finding import Finding, Level
from kernelpod.findings.yamlfile import Keys, YamlTree
from kernelpod.hub.needs.rule import Rule
from kernelpod.hub.needs.traits import Setting, overridden, spelled

PROFILES = ("Spawner", "profile_list")


class Said(NamedTuple):
    """What is said of one of the admin's values."""

    keys: Keys
    text: str
    level: Level

    def finding(self, tree: YamlTree) -> Finding:
        """Return the finding at the value's place in a file."""
        return Finding(*tree.spot(self.keys), f"{dotted(self.keys)}: {self.text}", self.level)


@dataclass(frozen=True)
class Judge:
    """Judges an admin's values."""

    ours: Mapping[str, Any]
    """Our values: traits below `Spawner`, `JupyterHub` and `Authenticator`, others by their own paths."""
    rules: Sequence[Rule]

    def settings(self, ours: Iterable[Setting], yours: Sequence[Setting]) -> Iterator[Said]:
        """Yield what is said of traits: of those that have the last word, and of those that profiles override.

        A mapping at a place where we have one is merged with it; any other value replaces ours as a whole.
        """
        before = effective(ours)
        last = effective([*before.values(), *yours])
        for one in yours:
            winner = last[one.path]
            if one.order < winner.order:
                text = f"this has no effect, because {dotted(winner.keys)} takes precedence; set it there"
                yield Said(one.keys, text, "warning")
            elif one.path == PROFILES:
                for keys, path, value in overridden(one.value, one.keys):
                    mine = last[path].value if path in last else at(self.ours, path)
                    yield from self.judged(keys, path, value, joined=isinstance(mine, dict | None))
            else:
                ours_here = before.get(one.path)
                joined = ours_here is None or ours_here.keys == one.keys
                yield from self.judged(one.keys, one.path, one.value, joined=joined)

    def judged(self, keys: Keys, path: Keys, value: Any, *, joined: bool) -> Iterator[Said]:
        """Yield what is said of a value. If `joined`, mappings are merged with ours key by key."""
        path, alike = spelled(path, value)
        mine = at(self.ours, path)
        descends = joined and isinstance(value, dict) and isinstance(mine, dict)
        said = None if descends else self._said(path, mine, alike)
        if said:
            yield Said(keys, *said)
        if isinstance(value, dict) and (said is None or said[1] == "note"):
            for key, inner in value.items():
                below = self.judged((*keys, key), (*path, key), inner, joined=joined)
                yield from (one for one in below if descends or one.level != "note")

    def _said(self, path: Keys, mine: Any, value: Any) -> tuple[str, Level] | None:
        if value is not None and value == mine:
            return None
        name = dotted(path)
        for rule in self.rules:
            if fnmatchcase(name, rule.path):
                ours = at(self.ours, tuple(rule.beside.split("."))) if rule.beside else mine
                if bad := rule.bad(ours, value):
                    return (rule.said if bad is True else f"{bad}: {rule.said}"), rule.level
        if isinstance(mine, dict) and mine and not isinstance(value, (dict, list)):
            # The whole section is replaced by null or by another value, so all values in it are lost.
            return "the section is removed, with all generated values in it", "error"
        return ("replaces the generated value", "note") if mine is not None else None


def effective(settings: Iterable[Setting]) -> dict[Keys, Setting]:
    """Return by trait the setting that has the last word."""
    made: dict[Keys, Setting] = {}
    for one in settings:
        if one.path not in made or one.order >= made[one.path].order:
            made[one.path] = one
    return made


def as_tree(settings: Mapping[Keys, Setting]) -> dict[str, dict[str, Any]]:
    """Return values by what is configured and by trait."""
    made: dict[str, dict[str, Any]] = {}
    for (kind, trait), one in settings.items():
        made.setdefault(str(kind), {})[str(trait)] = spelled(one.path, one.value)[1]
    return made


def at(values: Any, path: Keys) -> Any:
    """Return the value at a path, or None."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def dotted(keys: Keys) -> str:
    """Return a path as it is shown."""
    return ".".join(map(str, keys))
