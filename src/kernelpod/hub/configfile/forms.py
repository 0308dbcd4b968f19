"""Finds the sections of each hub in its own file, in values of Zero to JupyterHub, and in a file of `deploy`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelpod.base.chartkeys import SECTIONS, nested
from kernelpod.findings.finding import Finding
from kernelpod.findings.yamlfile import YamlTree


@dataclass(frozen=True)
class Form:
    """The sections of one hub."""

    sections: dict[str, Any]
    above: tuple[str, ...] = ()
    """Keys of the mapping that contains the sections."""
    ours: bool = True
    """Whether a hub of this project reads them. That of Zero to JupyterHub does not support `from_file`."""
    deployed: dict[str, Any] = field(default_factory=dict)
    """The hub's keys in a file of `deploy`."""


def forms(data: dict[str, Any]) -> Iterator[Form]:
    """Yield the sections of each hub of a file.

    Values of Zero to JupyterHub have them in `hub.config`, a file of `deploy` in `config` of each hub.
    """
    if "nfs" in data:  # every file of `kernelpod deploy` has this key, values of Zero to JupyterHub do not
        more = section(data, "more_hubs")
        hubs: dict[tuple[str, ...], dict[str, Any]] = {("hub",): section(data, "hub")}
        hubs |= {("more_hubs", str(name)): one for name, one in more.items() if isinstance(one, dict)}
        yield from (_deployed(keys, one) for keys, one in hubs.items())
    elif data.keys() & SECTIONS:
        yield Form(section(section(data, "hub"), "config"), ("hub", "config"), ours=False)
    else:
        yield Form(data)


def misplaced(tree: YamlTree) -> list[Finding]:
    """Return a finding for each place below which a file has the values of the chart."""
    said = "the chart's values are nested here; write what is below it into a file of its own, and check that"
    paths = () if "nfs" in tree.data else nested(tree.data)
    return [Finding(*tree.spot(path), f"{'.'.join(path)}: {said}") for path in paths if path]


def section(data: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a mapping in another one; an empty one if it is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _deployed(keys: tuple[str, ...], hub: dict[str, Any]) -> Form:
    """Return the sections of one hub in a file of `deploy`, including the authenticator that it names."""
    sections = section(hub, "config")
    own = sections.get("JupyterHub", {})
    if isinstance(own, dict):
        chosen = {"authenticator_class": hub.get("authenticator", "dummy")}
        sections = {**sections, "JupyterHub": {**chosen, **own}}
    return Form(sections, (*keys, "config"), ours=hub.get("install") != "z2jh", deployed=hub)
