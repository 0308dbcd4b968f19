"""Detects the layout of an old configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_documents
from kernelpod.importers.helm.nests import nests_in
from kernelpod.importers.report import ImportingError

Layout = Literal["courses-config", "z2jh-values"]
CONFIG = "config.yaml"
KERNEL_JSON = "kernel.json"


def config_of(source: Path) -> Path:
    """Return the file to import. Raises ImportingError if it does not exist."""
    file = source / CONFIG if source.is_dir() else source
    if source.name == KERNEL_JSON or (not file.exists() and (source / KERNEL_JSON).is_file()):
        raise ImportingError(
            f"{source}: this is a kernelspec; take it over with `kernelpod specs import {source}`"
        )
    if not file.is_file():
        raise ImportingError(f"{file}: there is no such file; give a {CONFIG}, its folder, or a file of values")
    return file


def guessed(file: Path) -> Layout:
    """Return the layout of a file by its keys. Raises ImportingError if they match no layout or both."""
    try:
        documents = read_documents(file)
        courses, values = any("server" in one.data for one in documents), bool(nests_in(file))
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error
    if courses == values:
        raise ImportingError(f"{file}: its keys do not show which layout it has; set it with --from")
    return "courses-config" if courses else "z2jh-values"
