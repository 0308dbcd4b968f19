"""Reads several files of values, and single values, in Helm's order: a later one wins."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kernelpod.base.goyaml import set_value
from kernelpod.findings.finding import START, FindingsError
from kernelpod.findings.secrets import shown
from kernelpod.findings.yamlfile import (
    MAX_BYTES,
    Keys,
    Spot,
    YamlTree,
    dotted,
    inner_of,
    leaves_of,
    read_any,
)
from kernelpod.importers.helm.nests import HOLDERS, HUB, MORE_VALUES, Chart, Nest, ignored, nests_of
from kernelpod.importers.report import ImportingError, Note

_SET = Path("--set")
_TEMPLATE = "\nthe file looks like a template: render it first, or import what `helm get values` prints"
# A key of --set: a dot in it has a backslash.
_KEY = re.compile(r"(?:[^.\\=]|\\.)+")


class Other(NamedTuple):
    """A value that is not in the hub's values as they count."""

    spot: Spot
    key: str
    by: Spot | None
    """Where a later file sets it; None if it is around the hub's values."""
    more: bool = False
    """Whether it is where a manifest gives the chart more values, or names files and objects that do."""
    empty: bool = False
    """Whether it could be values, and is null or empty."""


@dataclass
class HelmValues:
    """The hub's values as Helm gives them to the chart."""

    tree: YamlTree
    version: str = ""
    """The chart's version, if a manifest names it."""
    others: list[Other] = field(default_factory=list)


def helm_values(
    files: Sequence[Path], settings: Sequence[str] = (), at: str = "", chart: Chart = HUB
) -> HelmValues:
    """Return the values of files and of `KEY=VALUE` settings, as if all were given to Helm in this order.

    `at` is the dotted path of the chart's values in the files; without it they are searched. Keys of settings
    begin at the chart's values. Raises ImportingError if a file has no values of the chart, or several of them.
    """
    made = HelmValues(YamlTree({}, {(): Spot(files[0], START)}))
    nests = [_nest(file, at, chart) for file in files]
    if all(nest is None for nest in nests):
        raise _no_section(files[0], at, chart)
    for nest, beside in filter(None, nests):
        made.version = nest.version or made.version
        made.others += _around(nest)
        for tree in beside:
            made.others += [Other(tree.spot(keys), shown(keys), None) for keys, _ in leaves_of(tree.data)]
        _lay(made, nest.tree)
    for setting in settings:
        _lay(made, _set(setting))
    return made


def others_of(given: HelmValues, what: str) -> list[Note]:
    """Return the fates of values that do not count, or are around those of `what`."""
    around = f"it is not {what}'s; it stays with the chart around it"
    more = f"it gives {what} more values, which are not read: give them with --set, or their file after this one"
    made = []
    for other in given.others:
        if other.empty:
            made.append(Note(other.spot, other.key, "dropped", "it is empty: it gives no values"))
        elif other.by is None:
            made.append(Note(other.spot, other.key, "left", more if other.more else around))
        else:
            file, place = other.by
            why = "takes precedence" if file == other.spot.file else "sets it again"
            made.append(Note(other.spot, other.key, "dropped", f"{file}:{place.line} {why}"))
    return made


def _nest(file: Path, at: str, chart: Chart) -> tuple[Nest, list[YamlTree]] | None:
    """Return where a file has the hub's values, and its other documents; None if it says nothing at all."""
    try:
        read = read_any(file)
        documents = [document for document in read if isinstance(document.data, dict)]
        nests = [nest for document in documents for nest in nests_of(document, chart)]
    except FindingsError as error:
        said = "\n".join(finding.as_text() for finding in error.findings)
        raise ImportingError(said + (_TEMPLATE if _is_template(file) else "")) from error
    if at:
        nests = [nest for nest in nests if dotted(nest.keys) == at]
    if len(nests) > 1:
        places = ", ".join(dotted(nest.keys) or "the top" for nest in nests)
        raise ImportingError(
            f"{file}: there are values of several {chart.name}s, at {places}; choose one with --at"
        )
    if not any(document.data is not None and document.data != {} for document in read):
        return None
    if not nests:
        raise _no_section(file, at, chart)
    return nests[0], [document for document in documents if document is not nests[0].document]


def _no_section(file: Path, at: str, chart: Chart) -> ImportingError:
    where = f" at {at}" if at else f", such as {chart.such_as}"
    return ImportingError(f"{file}: the file has no section of the chart{where}")


def _is_template(file: Path) -> bool:
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return b"{{" in opened.read(MAX_BYTES)
    return False


def _around(nest: Nest) -> Iterator[Other]:
    inside = nest.keys
    manifest = inside[:1] in (("spec",), ("helmCharts",))
    passed_over = ignored(nest.document)
    for keys, value in leaves_of(nest.document.data):
        if keys[: len(inside)] != inside[: len(keys)]:
            if manifest and value in (None, "", {}, []) and keys[-1] in HOLDERS | MORE_VALUES:
                yield Other(nest.document.spot(keys), shown(keys), None, empty=True)
                continue
            more = manifest and not MORE_VALUES.isdisjoint(keys)
            instead = [
                passed_over[above] for length in range(len(keys) + 1) if (above := keys[:length]) in passed_over
            ]
            by = nest.document.spot(instead[0]) if instead else None
            yield Other(nest.document.spot(keys), shown(keys), by, more)


def _lay(made: HelmValues, top: YamlTree) -> None:
    """Lay values over those of earlier files: mappings are merged, everything else is replaced, also by null."""
    base, spots = made.tree, dict[Keys, Spot]()

    def copied(tree: YamlTree, value: Any, keys: Keys) -> Any:
        spots[keys] = tree.spot(keys)
        for key, inner in inner_of(value):
            copied(tree, inner, (*keys, key))
        return value

    def over(old: Any, new: Any, keys: Keys) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            made.others.extend(
                Other(base.spot(one), shown(one), top.spot(keys)) for one, _ in leaves_of(old, keys)
            )
            return copied(top, new, keys)
        if keys and not (old and new):  # an empty mapping says nothing beside another one
            empty, other = (base, top) if not old else (top, base)
            made.others.append(Other(empty.spot(keys), shown(keys), other.spot(keys)))
        spots[keys] = base.spot(keys)
        whole = {}
        for key in {**old, **new}:
            one = (*keys, key)
            if key in old and key in new:
                whole[key] = over(old[key], new[key], one)
            else:
                whole[key] = copied(*((base, old[key]) if key in old else (top, new[key])), one)
        return whole

    made.tree = YamlTree(over(base.data, top.data, ()), spots)


def _set(setting: str) -> YamlTree:
    path, found, value = setting.partition("=")
    keys = tuple(re.sub(r"\\(.)", r"\1", key) for key in _KEY.findall(path))
    if not found or not keys or "\\=" in setting or any(mark in setting for mark in "[]{},"):
        named = f" {path!r}" if found else ""
        raise ImportingError(f"--set{named}: write KEY=VALUE with one value; put lists into a file")
    data: Any = set_value(value)
    for key in reversed(keys):
        data = {key: data}
    return YamlTree(data, {(): Spot(_SET, START)})
