"""Finds a chart's values in a file: at its top, in a larger chart's values, or in a manifest of the chart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelpod.base.chartkeys import SECTIONS, nested
from kernelpod.base.goyaml import GoLoader
from kernelpod.findings.finding import START, unusable
from kernelpod.findings.yamlfile import Keys, Spot, YamlTree, leaves_of, parsed, read_documents

# Where manifests of Argo CD have an Application's spec, by kind.
_ARGO: dict[str, Keys] = {"Application": ("spec",), "ApplicationSet": ("spec", "template", "spec")}
# Where manifests have values: by kind, the paths of a mapping or of a text of YAML; `*` is any key or index.
_MANIFESTS: dict[str, tuple[Keys, ...]] = {
    "HelmRelease": (("spec", "values"),),
    "HelmChart": (("spec", "valuesContent"), ("spec", "values")),
    "HelmChartConfig": (("spec", "valuesContent"),),
    **{
        kind: tuple(
            (*spec, *source, "helm", key)
            for source in (("source",), ("sources", "*"))
            for key in ("valuesObject", "values")
        )
        for kind, spec in _ARGO.items()
    },
    "ConfigMap": (("data", "*"),),
    "Secret": (("stringData", "*"),),
    "Kustomization": (("helmCharts", "*", "valuesInline"),),
}
# Keys below which these manifests give the chart values that are not read here.
MORE_VALUES = frozenset(
    (
        *("parameters", "fileParameters", "valueFiles", "valuesFrom", "set", "valuesSecrets"),
        *("valuesFile", "additionalValuesFiles"),
    )
)
# Where these manifests name the chart's version; `*` is the key or index that it is in the path of the values.
_VERSIONS: dict[str, tuple[Keys, ...]] = {
    "HelmRelease": (("spec", "chart", "spec", "version"), ("spec", "chart", "version")),
    "HelmChart": (("spec", "version"),),
    **{
        kind: ((*spec, "source", "targetRevision"), (*spec, "sources", "*", "targetRevision"))
        for kind, spec in _ARGO.items()
    },
    "Kustomization": (("helmCharts", "*", "version"),),
}
# Where these manifests name the chart.
_CHARTS: dict[str, tuple[Keys, ...]] = {
    "HelmRelease": (("spec", "chart", "spec", "chart"), ("spec", "chart", "name")),
    "HelmChart": (("spec", "chart"),),
    **{kind: ((*spec, "source", "chart"), (*spec, "sources", "*", "chart")) for kind, spec in _ARGO.items()},
    "Kustomization": (("helmCharts", "*", "name"),),
}
# The keys of manifests that hold values, or what holds them.
HOLDERS = frozenset(("valuesObject", "values", "valuesContent", "valuesInline", "helm", "sources", "source"))
_GENERATED = "generators fill in {{...}} here: import an Application of those that `argocd appset generate` prints"


@dataclass(frozen=True)
class Nest:
    """The hub's values in one document."""

    document: YamlTree
    keys: Keys
    """Where in the document they are; for a text of YAML, the keys of the text and then those in it."""
    tree: YamlTree
    """The values by themselves."""
    version: str = ""
    """The chart's version; empty if the document does not name it."""


def hubs_in(values: Any) -> Iterator[Keys]:
    """Yield the paths of mappings that are a hub's values, else the mapping if it has a section of the chart."""
    sure = list(nested(values))
    if not sure and isinstance(values, dict) and values.keys() & {*SECTIONS, "auth", "https"}:
        sure = [()]
    yield from sure


@dataclass(frozen=True)
class Chart:
    """A chart whose values are looked for."""

    name: str
    such_as: str
    """Sections of it, as an example."""
    found: Callable[[Any], Iterator[Keys]]
    """Yields the paths of its values in a mapping."""
    published: str
    """The name by which manifests know it."""


HUB = Chart("hub", "hub or singleuser", hubs_in, "jupyterhub")


def nests_in(file: Path, chart: Chart = HUB) -> list[Nest]:
    """Return where a file has values of the chart. Raises FindingsError if it is not YAML."""
    return [nest for document in read_documents(file) for nest in nests_of(document, chart)]


def nests_of(document: YamlTree, chart: Chart = HUB) -> Iterator[Nest]:
    """Yield where a document has values of the chart."""
    kind = "Kustomization" if "helmCharts" in document.data else str(document.data.get("kind"))
    if kind not in _MANIFESTS or ("apiVersion" not in document.data and kind != "Kustomization"):
        yield from _below(chart, document, document, ())
        return
    passed_over, found = ignored(document), False
    for keys, value in _given(document, kind, passed_over):
        if kind == "ApplicationSet" and "{{" in str(value):
            file, place = document.spot(keys)
            raise unusable(file, _GENERATED, place)
        for nest in _below(
            chart, document, _tree(document, keys, value), keys, _version(document.data, kind, keys)
        ):
            found = True
            yield nest
    if not found:
        yield from _without_values(chart, document, kind, passed_over)


def _given(document: YamlTree, kind: str, passed_over: dict[Keys, Keys]) -> Iterator[tuple[Keys, Any]]:
    """Yield where a manifest has values, and what is there."""
    for path in _MANIFESTS[kind]:
        for keys, value in _at(document.data, path):
            if not any(keys[:length] in passed_over for length in range(len(keys) + 1)):
                yield keys, value


def _without_values(chart: Chart, document: YamlTree, kind: str, passed_over: dict[Keys, Keys]) -> Iterator[Nest]:
    """Yield empty values for a manifest that deploys the chart as it is: it gives none, or null, or empty ones."""
    for path in _CHARTS.get(kind, ()):
        for keys, name in _at(document.data, path):
            root = keys[:-1] if "*" in path or kind in _ARGO else path[:1]
            if root in passed_over or str(name).rpartition("/")[2] != chart.published:
                continue
            beside = [(at, value) for at, value in _given(document, kind, passed_over) if at[: len(root)] == root]
            more = (
                value
                for at, value in leaves_of(rooted(document, root).data)
                if not MORE_VALUES.isdisjoint(map(str, at))
            )
            if not any(_tree(document, *one).data for one in beside) and not any(more):
                place = beside[0][0] if beside else root
                empty = YamlTree({}, {(): document.spot(place)})
                yield Nest(document, place, empty, _version(document.data, kind, keys))


def ignored(document: YamlTree) -> dict[Keys, Keys]:
    """Return the paths in an Application that Argo CD does not read, each with the path that takes precedence."""
    found: dict[Keys, Keys] = {}
    spec = _ARGO.get(str(document.data.get("kind")))
    if spec is None:
        return found
    source, sources = (*spec, "source"), (*spec, "sources")
    if any(value for _, value in _at(document.data, sources)):
        found[source] = sources
    for above in (source, (*sources, "*")):
        for keys, value in _at(document.data, (*above, "helm", "valuesObject")):
            text: Keys = (*keys[:-1], "values")
            if value is not None:
                found[text] = keys
    return found


def _version(data: Any, kind: str, inside: Keys) -> str:
    """Return the version of the chart whose values are at a path; empty if the document does not name it."""
    for path in _VERSIONS.get(kind, ()):
        *above, last = (inside[place] if key == "*" else key for place, key in enumerate(path))
        for keys, beside in _at(data, tuple(above)):
            # Of an Application each source is by itself; without a chart its revision is one of Git.
            other = kind in _ARGO and inside[: len(keys)] != keys
            if other or not isinstance(beside, dict) or last not in beside:
                continue
            if kind not in _ARGO or "chart" in beside:
                return str(beside[last])
    return ""


def _below(chart: Chart, document: YamlTree, tree: YamlTree, above: Keys, version: str = "") -> Iterator[Nest]:
    """Yield the values in a mapping that are the chart's."""
    for keys in chart.found(tree.data):
        # Below a key of them the values are those of a larger chart, and so is the version.
        yield Nest(document, (*above, *keys), rooted(tree, keys), "" if keys else version)


def _at(value: Any, path: Keys, keys: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Yield the values at a path; `*` in it is any key or index."""
    if not path:
        yield keys, value
        return
    inner = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
    for key in inner if path[0] == "*" else {path[0]} & inner.keys():
        yield from _at(inner[key], path[1:], (*keys, key))


def _tree(document: YamlTree, keys: Keys, value: Any) -> YamlTree:
    """Return what is at a place: a mapping, or the YAML in a text."""
    if not isinstance(value, str):
        return rooted(document, keys)
    file, place = document.spot(keys)
    trees = parsed(file, value, GoLoader, above=place.line)
    return trees[0] if len(trees) == 1 else YamlTree({}, {(): Spot(file, START)})


def rooted(tree: YamlTree, keys: Keys) -> YamlTree:
    """Return a part of a tree as a tree of its own."""
    data: Any = tree.data
    for key in keys:
        data = data[key]
    length = len(keys)
    spots = {path[length:]: spot for path, spot in tree.spots.items() if path[:length] == keys}
    return YamlTree(data, {(): tree.spot(keys), **spots})
