"""What is wrong in a courses file or in a list of users, at its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kernelpod.errors import SettingsError
from kernelpod.kernelspecs.jsonfile import START, Place


@dataclass(frozen=True, order=True)
class Fault:
    """One fault at one place; the text says what to do."""

    file: Path
    place: Place
    said: str
    level: Literal["error", "warning"] = "error"

    def as_text(self) -> str:
        """Return it as compilers say it: file:line:column, so that editors jump there."""
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.level}: {self.said}"

    def as_dict(self) -> dict[str, str | int]:
        """Return it as JSON has it."""
        line, column = self.place
        return {"file": str(self.file), "line": line, "column": column, "level": self.level, "message": self.said}


class CoursesError(SettingsError):
    """A courses file cannot be used; every fault is named with its place."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(["the courses cannot be used:", *(f"  {fault.as_text()}" for fault in faults)]))
        self.faults = tuple(faults)


def broken(file: Path, said: str, place: Place = START) -> CoursesError:
    """Return the error of a file that has one fault."""
    return CoursesError([Fault(file, place, said)])
