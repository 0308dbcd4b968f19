"""Imports lists of users of the old layout: finds and copies them, and gives all the same column title."""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList, titles_of, with_title
from kernelpod.courses.userlists import read_names
from kernelpod.findings.finding import START, Place, unusable
from kernelpod.findings.yamlfile import Spot
from kernelpod.importers.report import Imported

# The old hub also used the other names of these folders.
ALLOW = ("users/allowlist", "users/whitelist", "allowlist", "whitelist")
BLOCK = ("users/blocklist", "users/blacklist", "blocklist", "blacklist")
USERNAME = Lists().column
# Another first line is probably a user's name, which would be lost if it were taken as a title.
_TITLE = re.compile(r"user|uid|login|account|name|\bid\b", re.IGNORECASE)


@dataclass
class _Copy:
    source: Path
    raw: bytes
    line: int
    title: str
    """The title of the column of user names."""


@dataclass
class OldLists:
    """The imported lists, by their new paths."""

    made: Imported
    root: Path
    _copies: dict[str, _Copy] = field(default_factory=dict)

    def course(self, mode: str, course: str) -> Path:
        """Return the path of a course's list in the old hub."""
        return self.root / "nbgrader" / mode / f"{course}.csv"

    def folder(self, places: tuple[str, ...]) -> list[Path]:
        """Return the files of one kind of list, from all folders that may contain it."""
        return [path for place in places for path in _csv(self.root / place)]

    def known_courses(self) -> set[str]:
        """Return the courses that have a list in any mode."""
        return {path.stem for path in self.course_files()}

    def course_files(self) -> list[Path]:
        """Return the lists of all courses."""
        return sorted(path for mode in ("teaching", "exam") for path in _csv(self.root / "nbgrader" / mode))

    def copy(self, source: Path, target: str) -> str:
        """Import a list and return its path, which differs from `target` if another list has that path.

        Raises FindingsError if the file is not a valid list.
        """
        number = 1
        path = target
        while path in self._copies and self._copies[path].source != source:
            number += 1
            path = f"{target.removesuffix('.csv')}-{number}.csv"
        if path not in self._copies:
            self._copies[path] = self._read(source)
        return path

    def took(self, source: Path) -> bool:
        """Return whether a file is imported."""
        return any(copy.source == source for copy in self._copies.values())

    def names(self, path: str) -> frozenset[str]:
        """Return the users of an imported list."""
        copy = self._copies[path]
        return frozenset(read_names(copy.raw, Lists(column=copy.title)).names)

    def finish(self) -> str:
        """Add the copies to the new files; return the title of the column of user names in all of them."""
        titles = Counter(copy.title.casefold() for copy in self._copies.values())
        title = next(iter(self._copies.values())).title if len(titles) == 1 else USERNAME
        for path, copy in self._copies.items():
            spot = Spot(copy.source, Place(copy.line))
            if copy.title.casefold() == title.casefold():
                self.made.files[path] = copy.raw
                said = f"copied to {path}" + (f"; lists.column is {title!r}" if title != USERNAME else "")
                self.made.note_file(spot, "kept", said)
            else:
                self.made.files[path] = with_title(copy.raw, copy.title, title)
                said = f"copied to {path}; the column {copy.title!r} is renamed to {title!r}, as in other lists"
                self.made.note_file(spot, "changed", said)
        return title

    def _read(self, source: Path) -> _Copy:
        raw = _raw(source, self.root)
        try:
            line, _, titles = found.row if (found := titles_of(raw, USERNAME)) else (1, 1, (USERNAME,))
            title = _title(titles)
            if not title:
                seen = ", ".join(titles)[:80]
                said = f"the first line must name the column of user names {USERNAME!r}; it is {seen!r}"
                raise unusable(source, said, Place(line))
            read_names(raw, Lists(column=title))
        except BadList as error:
            raise unusable(source, str(error), Place(error.line)) from error
        return _Copy(source, raw, line, title)


def _title(titles: Iterable[str]) -> str:
    """Return the title of the column of user names; empty if there is none."""
    named = [title for title in titles if title]
    if usual := [title for title in named if title.casefold() == USERNAME.casefold()]:
        return usual[0]
    return named[0] if len(named) == 1 and _TITLE.search(named[0]) else ""


def _csv(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv")) if folder.is_dir() else []


def _raw(source: Path, root: Path) -> bytes:
    """Return a list's bytes. Raises FindingsError if it is outside `root`, not a regular file, or too large."""
    most = Lists().max_bytes
    try:
        real = source.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise unusable(source, "this link leads out of the imported folder; replace it with the list")
        if not stat.S_ISREG(real.stat().st_mode):
            raise unusable(source, "this is not a regular file; replace it with a CSV file", START)
        with real.open("rb") as opened:
            raw = opened.read(most + 1)
    except (OSError, RuntimeError) as error:
        raise unusable(source, f"the list cannot be read: {getattr(error, 'strerror', error)}") from error
    if len(raw) > most:
        raise unusable(source, f"the list is larger than {most} bytes")
    return raw
