"""Finding: one problem in a file, with its place, level, text and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kernelpod.errors import SettingsError

Level = Literal["error", "warning", "note"]


class Place(NamedTuple):
    """A line and column in a file; both count from 1."""

    line: int = 1
    column: int = 1


START = Place()


@dataclass(frozen=True, order=True)
class Finding:
    """One problem at one place in a file."""

    file: Path
    place: Place
    text: str
    """What is wrong. It also says what to do if `remedy` is empty."""
    level: Level = "error"
    code: str = ""
    """Stable code of this kind of finding; empty if the checker has no codes."""
    remedy: str = ""

    def as_text(self) -> str:
        """Return the finding as `file:line:column: ...`, like compilers, so that editors can jump there."""
        line, column = self.place
        kind = f"{self.level} {self.code}".rstrip()
        remedy = f" -- {self.remedy}" if self.remedy else ""
        return f"{self.file}:{line}:{column}: {kind}: {self.text}{remedy}"


class FindingsError(SettingsError):
    """A file that cannot be used; the message has one line for each finding."""

    def __init__(self, findings: Sequence[Finding], what: str = "the file") -> None:
        lines = [f"{what} cannot be used:", *(f"  {finding.as_text()}" for finding in findings)]
        super().__init__("\n".join(lines))
        self.findings = tuple(findings)


def unusable(file: Path, text: str, place: Place = START) -> FindingsError:
    """Return the error for a file with one finding."""
    return FindingsError([Finding(file, place, text)])
