"""Formats findings as text, JSON, GitHub annotations and SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from kernelpod import __version__
from kernelpod.findings.finding import Finding

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(findings: Sequence[Finding]) -> str:
    """Return one line for each finding, like compilers."""
    return "".join(f"{finding.as_text()}\n" for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Return a JSON list of objects with file, line, column, level, code, message and remedy."""
    return json.dumps([_about(finding) for finding in findings], indent=2, ensure_ascii=False) + "\n"


def github(findings: Sequence[Finding]) -> str:
    """Return GitHub workflow commands, which show each finding at its line."""
    lines = []
    for finding in findings:
        line, column = finding.place
        place = f"file={_escaped(str(finding.file), ':,')},line={line},col={column},title={finding.code}"
        said = _escaped(f"{finding.text} {finding.remedy}".rstrip())
        lines.append(f"::{finding.level} {place}::{said}\n")
    return "".join(lines)


def sarif(findings: Sequence[Finding]) -> str:
    """Return SARIF 2.1.0, the format of code scanning."""
    remedies = {finding.code: finding.remedy for finding in findings}
    rules = [{"id": code, "help": {"text": remedy}} for code, remedy in sorted(remedies.items())]
    results = []
    for finding in findings:
        line, column = finding.place
        place: dict[str, Any] = {
            "artifactLocation": {"uri": finding.file.as_posix()},
            "region": {"startLine": line, "startColumn": column},
        }
        results.append(
            {
                "ruleId": finding.code,
                "level": finding.level,
                "message": {"text": finding.text},
                "locations": [{"physicalLocation": place}],
            }
        )
    driver = {"name": "kernelpod", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"version": "2.1.0", "$schema": SARIF_SCHEMA, "runs": [run]}, indent=2) + "\n"


def _about(finding: Finding) -> dict[str, Any]:
    line, column = finding.place
    where = {"file": str(finding.file), "line": line, "column": column}
    return {
        **where,
        "level": finding.level,
        "code": finding.code,
        "message": finding.text,
        "remedy": finding.remedy,
    }


def _escaped(words: str, also: str = "") -> str:
    """Return text with the characters escaped that would end a workflow command or one of its properties."""
    for character in f"%\r\n{also}":
        words = words.replace(character, f"%{ord(character):02X}")
    return words


FORMS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": text,
    "json": as_json,
    "github": github,
    "sarif": sarif,
}
