"""Faults of kernelspecs in the forms that people, scripts and code hosts read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernelpod import __version__
from kernelpod.kernelspecs.faults import KINDS, Fault

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(faults: list[Fault], folder: Path) -> str:
    """Return a line a fault, as compilers write them."""
    return "".join(f"{folder / fault.as_text()}\n" for fault in faults)


def as_json(faults: list[Fault]) -> str:
    """Return a JSON list."""
    return json.dumps([_about(fault) for fault in faults], indent=2, ensure_ascii=False) + "\n"


def github(faults: list[Fault], folder: Path) -> str:
    """Return workflow commands: GitHub shows each fault at its line."""
    lines = []
    for fault in faults:
        line, column = fault.place
        place = f"file={_escaped(str(folder / fault.file), ':,')},line={line},col={column},title={fault.code}"
        said = _escaped(f"{fault.kind.meaning} {fault.said} {fault.kind.remedy}")
        lines.append(f"::{fault.kind.level} {place}::{said}\n")
    return "".join(lines)


def sarif(faults: list[Fault], folder: Path) -> str:
    """Return SARIF 2.1.0, the form of code scanning."""
    rules = [
        {"id": code, "shortDescription": {"text": kind.meaning}, "help": {"text": kind.remedy}}
        for code, kind in KINDS.items()
    ]
    results = []
    for fault in faults:
        line, column = fault.place
        place: dict[str, Any] = {
            "artifactLocation": {"uri": (folder / fault.file).as_posix()},
            "region": {"startLine": line, "startColumn": column},
        }
        results.append(
            {
                "ruleId": fault.code,
                "level": fault.kind.level,
                "message": {"text": f"{fault.kind.meaning} {fault.said}".strip()},
                "locations": [{"physicalLocation": place}],
            }
        )
    driver = {"name": "kernelpod specs lint", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"version": "2.1.0", "$schema": SARIF_SCHEMA, "runs": [run]}, indent=2) + "\n"


def _about(fault: Fault) -> dict[str, Any]:
    line, column = fault.place
    where = {"file": fault.file, "line": line, "column": column}
    kind = fault.kind
    return {
        **where,
        "code": fault.code,
        "level": kind.level,
        "meaning": kind.meaning,
        "said": fault.said,
        "remedy": kind.remedy,
    }


def _escaped(words: str, also: str = "") -> str:
    """Return words without what ends a workflow command, or one of its properties."""
    for character in f"%\r\n{also}":
        words = words.replace(character, f"%{ord(character):02X}")
    return words


FORMS: dict[str, Callable[[list[Fault], Path], str]] = {
    "text": text,
    "json": lambda faults, _: as_json(faults),
    "github": github,
    "sarif": sarif,
}
