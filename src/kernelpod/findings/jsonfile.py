"""Reads JSON together with the line and column of each value, for findings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from kernelpod.findings.finding import START, Place

Path = tuple[str | int, ...]


class BadJson(ValueError):
    """Text that is not JSON, with the place of the error."""

    def __init__(self, said: str, place: Place) -> None:
        super().__init__(said)
        self.place = place


@dataclass(frozen=True)
class JsonFile:
    """The content of a file, and the place of each value."""

    data: Any
    places: Mapping[Path, Place]
    repeated: tuple[Path, ...] = field(default=())
    """Keys that occur twice in an object; JSON readers keep the last one."""

    def place(self, path: Path) -> Place:
        """Return where the value at `path` begins; if it does not exist, where the closest parent begins."""
        for length in range(len(path), -1, -1):
            if found := self.places.get(path[:length]):
                return found
        return START


def read_json(text: str) -> JsonFile:
    """Return the content of the text. Raises BadJson with the place of the error."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadJson(error.msg, Place(error.lineno, error.colno)) from error
    except RecursionError as error:
        raise BadJson("nested too deeply", START) from error
    places: dict[Path, Place] = {}
    repeated = []
    for path, place, again in _nodes(text):
        places[path] = place
        if again:
            repeated.append(path)
    return JsonFile(data, places, tuple(repeated))


def _nodes(text: str) -> Iterator[tuple[Path, Place, bool]]:
    """Yield the path and place of every value and key, and whether it is a repeated key.

    The places come from a YAML parser, because JSON without tabs is YAML. If it fails, there are no places.
    """
    try:
        top = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        if top is not None:
            yield from _below(top, ())
    except (yaml.YAMLError, RecursionError):
        return


def _below(node: yaml.Node, path: Path) -> Iterator[tuple[Path, Place, bool]]:
    yield path, _place(node), False
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = _text(key.value)
            yield from _below(value, (*path, name))
            yield (*path, name), _place(key), name in seen
            seen.add(name)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _below(value, (*path, number))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _text(value: Any) -> str:
    """Return a key as in JSON: YAML does not join the surrogates of an escaped character beyond U+FFFF."""
    return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
