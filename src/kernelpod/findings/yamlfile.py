"""Reads YAML together with the line and column of each value; limits size, depth and aliases."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ValidationError

from kernelpod.base.files import read_ordinary
from kernelpod.base.goyaml import GoLoader, key_of
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
            made.append(Finding(*self.spot(whole), dotted((*above, "")) + said))
        return made

    def said_as(self, keys: Keys) -> Keys:
        """Return the path at which the file gives a value: a value of a course may come from `defaults`."""
        general = ("defaults", *keys[2:])
        from_defaults = keys[:1] == ("courses",) and len(keys) > 2 and general in self.spots
        return general if from_defaults and self.spots[general] == self.spots.get(keys) else keys


def leaves_of(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield what is in a value: everything that is no mapping or list, and those that are empty."""
    if isinstance(value, (dict, list)) and value:
        for key, inner in inner_of(value):
            yield from leaves_of(inner, (*keys, key))
    else:
        yield keys, value


def inner_of(value: Any) -> Iterable[tuple[str | int, Any]]:
    """Return what is in a mapping or a list, by key or index; nothing for other values."""
    if isinstance(value, list):
        return enumerate(value)
    return ((str(key), inner) for key, inner in value.items()) if isinstance(value, dict) else ()


def dotted(keys: Keys) -> str:
    """Return a path as text."""
    return ".".join(map(str, keys))


def read_tree(path: Path, such_as: str = "hub: and courses:", ordinary: int | Path | None = None) -> YamlTree:
    """Return the content of a file. Raises FindingsError with the line of each finding, and without its content.

    `such_as` names keys that the file may have. `ordinary` is the file's path or
    descriptor, if it must be an ordinary file; a settings file may be a pipe.
    """
    return _one(path, parsed(path, _text(path, ordinary)), such_as)


def read_values(path: Path) -> YamlTree:
    """Return the content of a file of Helm's, as Helm reads it. Raises FindingsError."""
    return _one(path, parsed(path, _text(path, None), GoLoader), "hub: and singleuser:")


def read_documents(path: Path) -> list[YamlTree]:
    """Return the mappings in a file that may have several documents, as Helm reads it. Raises FindingsError."""
    return [tree for tree in read_any(path) if isinstance(tree.data, dict)]


def read_any(path: Path) -> list[YamlTree]:
    """Return the documents in a file, as Helm reads it; `data` may be any value. Raises FindingsError."""
    return parsed(path, _text(path, None), GoLoader)


def parsed(path: Path, text: str, loader_class: Any = _LOADER, above: int = 0) -> list[YamlTree]:
    """Return the documents in a text that begins `above` lines below the beginning of a file; empty ones, too.

    Raises FindingsError. `data` of a document may be any value.
    """
    loader = loader_class(text)
    try:
        _check_depth(path, text)
        trees = []
        while loader.check_node():
            top = loader.get_node()
            spots, findings = _spots(path, top, loader, above)
            if findings:
                raise FindingsError(findings)
            trees.append(YamlTree(loader.construct_document(top), {(): Spot(path, START), **spots}))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = Place(mark.line + 1 + above, mark.column + 1) if mark else START
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise unusable(path, f"this is not YAML: {_QUOTED.sub('...', said)}", place) from None
    except RecursionError:
        raise unusable(path, "this YAML cannot be read: values are nested too deeply") from None
    except ValueError:
        raise unusable(path, "this YAML cannot be read: a number or a date in it is none; quote it") from None
    finally:
        loader.dispose()
    return trees


def _one(path: Path, trees: list[YamlTree], such_as: str) -> YamlTree:
    if len(trees) > 1:
        raise unusable(path, "the file has several documents; keep one")
    if not trees or trees[0].data is None:
        return YamlTree({}, {(): Spot(path, START)})
    if not isinstance(trees[0].data, dict):
        raise unusable(path, f"the file must be a mapping with keys such as {such_as}")
    return trees[0]


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
        raise unusable(
            path, f"the file is larger than {MAX_BYTES} bytes; move lists and files in it to files of their own"
        )
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


def _spots(path: Path, top: yaml.Node, loader: Any, above: int) -> tuple[dict[Keys, Spot], list[Finding]]:
    """Return the place of every value, and findings for repeated keys. Raises FindingsError over the limits."""
    spots: dict[Keys, Spot] = {}
    findings = []
    for number, (keys, node, again) in enumerate(_below(top, (), _names(loader))):
        if number >= MAX_VALUES or len(keys) > MAX_DEPTH:
            said = f"with aliases expanded there are more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise unusable(path, said, _place(node))
        spots[keys] = Spot(path, _place(node, above))
        if again:
            findings.append(Finding(path, _place(node, above), f"{dotted(keys)}: the key occurs twice; keep one"))
    return spots, findings


def _names(loader: Any) -> Callable[[yaml.Node], str]:
    """Return the function that gives a key's name, as the loader reads it."""
    if isinstance(loader, GoLoader):
        return lambda node: "<<" if node.tag.endswith(":merge") else key_of(loader, node)
    return lambda node: str(node.value) if isinstance(node, yaml.ScalarNode) else "?"


def _below(
    node: yaml.Node, keys: Keys, name_of: Callable[[yaml.Node], str]
) -> Iterator[tuple[Keys, yaml.Node, bool]]:
    """Yield every value, then each mapping's keys, so that messages point at the key."""
    yield keys, node, False
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            name = name_of(key)
            yield from _below(value, (*keys, name), name_of)
            yield (*keys, name), key, name in seen and name != "<<"
            seen.add(name)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _below(value, (*keys, number), name_of)


def _place(thing: Any, above: int = 0) -> Place:
    """Return where a node or an event begins."""
    return Place(thing.start_mark.line + 1 + above, thing.start_mark.column + 1)
