"""One thing that is wrong in a file: where, how bad, what, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kernelpod.errors import SettingsError

Level = Literal["error", "warning"]


class Place(NamedTuple):
    """Where something begins; both count from 1."""

    line: int = 1
    column: int = 1


START = Place()


@dataclass(frozen=True, order=True)
class Finding:
    """One finding at one place of a file."""

    file: Path
    place: Place
    text: str
    """What is wrong; without a remedy, also what to do."""
    level: Level = "error"
    code: str = ""
    """A stable word for this kind of finding, where the checker has such words."""
    remedy: str = ""

    def as_text(self) -> str:
        """Return it as compilers do, `file:line:column: ...`, so that editors jump there."""
        line, column = self.place
        kind = f"{self.level} {self.code}".rstrip()
        remedy = f" -- {self.remedy}" if self.remedy else ""
        return f"{self.file}:{line}:{column}: {kind}: {self.text}{remedy}"


class FindingsError(SettingsError):
    """A file cannot be used; the message has one line for each finding."""

    def __init__(self, findings: Sequence[Finding], what: str = "the file") -> None:
        lines = [f"{what} cannot be used:", *(f"  {finding.as_text()}" for finding in findings)]
        super().__init__("\n".join(lines))
        self.findings = tuple(findings)


def unusable(file: Path, text: str, place: Place = START) -> FindingsError:
    """Return the error of a file with one finding."""
    return FindingsError([Finding(file, place, text)])
