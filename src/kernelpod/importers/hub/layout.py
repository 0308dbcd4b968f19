"""Detects the layout of an old configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kernelpod.base.chartkeys import nested
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import YamlTree, read_documents
from kernelpod.importers.gateway.values import GATEWAY_CHART
from kernelpod.importers.helm.nests import Nest, nests_in
from kernelpod.importers.plain.hubs import TLJH_SECTIONS
from kernelpod.importers.report import ImportingError

Layout = Literal["courses-config", "eg-values", "exams-config", "jupyterhub-config", "tljh-config", "z2jh-values"]
CONFIG = "config.yaml"
# The name that a hub of exams gives its file.
EXAMS_CONFIG = "config-exam.yaml"
KERNEL_JSON = "kernel.json"


def config_of(source: Path, layout: Layout | None = None) -> Path:
    """Return the file to import. Raises ImportingError if it does not exist.

    In a folder that is `config.yaml`, or that of a hub of exams if there is no other, or if this is the layout.
    """
    file = source / CONFIG if source.is_dir() else source
    if (layout == "exams-config" or not file.exists()) and (exams := source / EXAMS_CONFIG).is_file():
        file = exams
    if source.name == KERNEL_JSON or (not file.exists() and (source / KERNEL_JSON).is_file()):
        raise ImportingError(
            f"{source}: this is a kernelspec; take it over with `kernelpod specs import {source}`"
        )
    if not file.is_file():
        raise ImportingError(f"{file}: there is no such file; give a {CONFIG}, its folder, or a file of values")
    return file


def guessed(file: Path) -> Layout:
    """Return the layout of a file by its keys. Raises ImportingError if they match no layout or several."""
    if file.suffix == ".py":
        return "jupyterhub-config"
    try:
        documents = read_documents(file)
        found: list[Layout] = []
        if any("server" in one.data for one in documents):
            found.append("courses-config")
        if any(map(_is_of_exams, documents)):
            found.append("exams-config")
        hubs = nests_in(file)
        if nests_in(file, GATEWAY_CHART) and not any(map(_is_sure, hubs)):
            found.append("eg-values")
        elif hubs and not _is_tljh(documents):
            found.append("z2jh-values")
        elif _is_tljh(documents):
            found.append("tljh-config")
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error
    if len(found) != 1:
        said = next(
            filter(None, map(_instead, documents)), "its keys do not show which layout it has; set it with --from"
        )
        raise ImportingError(f"{file}: {said}")
    return found[0]


def _instead(document: YamlTree) -> str:
    """Return what to import in place of a file that is known to hold no layout; empty if it is not known."""
    data = document.data
    if data.get("kind") == "Secret" and "data" in data:
        return "its values are in base64; decode them, and import the decoded file"
    if {"apiVersion", "name"} <= data.keys() and data.keys() & {"version", "dependencies"}:
        return "this is a chart; import the values that Helm is given, such as `helm get values` prints"
    if "course_config_dir" in data:
        return (
            "this is the newer e2x course hub (its file names course_config_dir), which no layout has; write a "
            "courses file (docs/courses.md), whose lists of users can be the old ones"
        )
    if {"argv", "display_name"} <= data.keys():
        return "this is a kernelspec; use `kernelpod specs import`"
    return ""


def _is_of_exams(document: YamlTree) -> bool:
    nbgrader = document.data.get("nbgrader")
    return isinstance(nbgrader, dict) and "active_student_courses" in nbgrader


def _is_sure(nest: Nest) -> bool:
    """Return whether values have keys that only a hub has. Charts share sections such as `global`."""
    return next(nested(nest.tree.data), None) is not None


def _is_tljh(documents: list[YamlTree]) -> bool:
    keys = {key for one in documents for key in one.data}
    return bool(keys) and keys <= TLJH_SECTIONS.keys() and keys not in ({"https"}, {"auth"})
