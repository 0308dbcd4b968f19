"""Reads YAML together with the line and column of each value; limits size, depth and aliases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError

from kernelpod.base.files import read_ordinary
from kernelpod.findings.finding import START, Finding, FindingsError, Place, unusable
from kernelpod.findings.sentences import located

MAX_BYTES = 2 * 1024 * 1024
# Number of values after all aliases are expanded.
MAX_VALUES = 200_000
MAX_DEPTH = 20
# What messages of the YAML parser quote: names of tags, aliases and anchors, which may be a secret without quotes.
_QUOTED = re.compile(r"""(['"]).{2,}\1""")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# The path of a value: keys of mappings and indexes of lists.
Keys = tuple[str | int, ...]


class Spot(NamedTuple):
    """A place in a file."""

    file: Path
    place: Place


@dataclass(frozen=True)
class YamlTree:
    """The content of one or more files; `spots` has the place of each value by its path."""

    data: dict[str, Any]
    spots: dict[Keys, Spot]

    def spot(self, keys: Keys) -> Spot:
        """Return where a value begins; if it does not exist, where the closest parent begins."""
        known = (self.spots.get(keys[:length]) for length in range(len(keys), -1, -1))
        return next(spot for spot in known if spot)

    def findings(self, error: ValidationError, model: type[BaseModel], above: Keys = ()) -> list[Finding]:
        """Return a finding for each mistake in what is at `above`, at its place."""
        made = []
        for keys, said in located(error, model):
            whole = (*above, *keys)
            made.append(Finding(*self.spot(whole), _shown((*above, "")) + said))
        return made

    def said_as(self, keys: Keys) -> Keys:
        """Return the path at which the file gives a value: a value of a course may come from `defaults`."""
        general = ("defaults", *keys[2:])
        from_defaults = keys[:1] == ("courses",) and len(keys) > 2 and general in self.spots
        return general if from_defaults and self.spots[general] == self.spots.get(keys) else keys


def read_tree(path: Path, such_as: str = "hub: and courses:", ordinary: int | Path | None = None) -> YamlTree:
    """Return the content of a file. Raises FindingsError with the line of each finding, and without its content.

    `such_as` names keys that the file may have. `ordinary` is the file's path or
    descriptor, if it must be an ordinary file; a settings file may be a pipe.
    """
    text = _text(path, ordinary)
    loader = _LOADER(text)
    try:
        _check_depth(path, text)
        top = loader.get_single_node()
        spots, findings = _spots(path, top)
        if findings:
            raise FindingsError(findings)
        data = loader.construct_document(top) if top else {}
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(mark.line + 1, mark.column + 1) if mark else START
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise unusable(path, f"this is not YAML: {_QUOTED.sub('...', said)}", place) from None
    except RecursionError:
        raise unusable(path, "this YAML cannot be read: values are nested too deeply") from None
    except ValueError:
        raise unusable(path, "this YAML cannot be read: a number or a date in it is none; quote it") from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise unusable(path, f"the file must be a mapping with keys such as {such_as}")
    return YamlTree(data, {(): Spot(path, START), **spots})


def _text(path: Path, ordinary: int | Path | None) -> str:
    try:
        if ordinary is None:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        else:
            raw, _ = read_ordinary(ordinary, MAX_BYTES + 1)
    except OSError as error:
        raise unusable(path, f"the file cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise unusable(path, f"the file is larger than {MAX_BYTES} bytes; move users to separate lists")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise unusable(
            path, f"the file cannot be read: byte {error.start} is not UTF-8; save it as UTF-8", Place(line)
        ) from error


def _check_depth(path: Path, text: str) -> None:
    """Raise FindingsError for deeply nested YAML: composing it recurses in C and could crash the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise unusable(path, f"values are nested more than {MAX_DEPTH} levels deep", _place(event))


def _spots(path: Path, top: yaml.Node | None) -> tuple[dict[Keys, Spot], list[Finding]]:
    """Return the place of every value, and findings for repeated keys. Raises FindingsError over the limits."""
    spots: dict[Keys, Spot] = {}
    findings = []
    for number, (keys, node, again) in enumerate(_below(top, ()) if top else ()):
        if number >= MAX_VALUES or len(keys) > MAX_DEPTH:
            said = f"with aliases expanded there are more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise unusable(path, said, _place(node))
        spots[keys] = Spot(path, _place(node))
        if again:
            findings.append(Finding(path, _place(node), f"{_shown(keys)}: the key occurs twice; keep one"))
    return spots, findings


def _below(node: yaml.Node, keys: Keys) -> Iterator[tuple[Keys, yaml.Node, bool]]:
    """Yield every value, then each mapping's keys, so that messages point at the key."""
    yield keys, node, False
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            yield from _below(value, (*keys, name))
            yield (*keys, name), key, name in seen and name != "<<"
            seen.add(name)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _below(value, (*keys, number))


def _place(thing: Any) -> Place:
    """Return where a node or an event begins."""
    return Place(thing.start_mark.line + 1, thing.start_mark.column + 1)


def _shown(keys: Keys) -> str:
    return ".".join(map(str, keys))
