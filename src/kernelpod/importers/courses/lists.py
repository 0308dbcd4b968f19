"""Lists of users of the old layout: found in either of their folders, copied, and their headers made one."""

from __future__ import annotations

import re
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kernelpod.courses.model import Lists
from kernelpod.courses.userlists import BadList, read_names, titles_of, with_title
from kernelpod.findings.finding import START, Place, unusable
from kernelpod.findings.yamlfile import Spot
from kernelpod.importers.report import Imported

# The old hub looked into the second place for what lay in the first.
ALLOW = ("users/allowlist", "users/whitelist", "allowlist", "whitelist")
BLOCK = ("users/blocklist", "users/blacklist", "blocklist", "blacklist")
USERNAME = Lists().column
# A first line that is no such title is somebody's name, who would be lost.
_TITLE = re.compile(r"user|uid|login|account|name|\bid\b", re.IGNORECASE)


@dataclass
class _Copy:
    source: Path
    raw: bytes
    line: int
    title: str
    alone: bool
    """Whether it is the only column."""


@dataclass
class OldLists:
    """The lists that are taken over, by their new paths."""

    made: Imported
    root: Path
    _copies: dict[str, _Copy] = field(default_factory=dict)

    def course(self, mode: str, course: str) -> Path:
        """Return where the old hub looked for the users of a course."""
        return self.root / "nbgrader" / mode / f"{course}.csv"

    def folder(self, places: tuple[str, ...]) -> list[Path]:
        """Return the files of a kind of list, wherever they lie."""
        return [path for place in places for path in _csv(self.root / place)]

    def known_courses(self) -> set[str]:
        """Return the courses that have a list, of any mode."""
        return {path.stem for path in self.course_files()}

    def course_files(self) -> list[Path]:
        """Return the lists of all courses."""
        return sorted(path for mode in ("teaching", "exam") for path in _csv(self.root / "nbgrader" / mode))

    def copy(self, source: Path, target: str) -> str:
        """Take over a list; return its path, which differs from `target` where that is another list's.

        Raises FindingsError for what is no list.
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
        """Return whether a file is taken over."""
        return any(copy.source == source for copy in self._copies.values())

    def names(self, path: str) -> frozenset[str]:
        """Return the users of a list that was taken over."""
        copy = self._copies[path]
        return read_names(copy.raw, Lists(column=copy.title)).names

    def finish(self) -> str:
        """Add the copies to the new files; return the title that the column of names has in all of them."""
        titles = Counter(copy.title.casefold() for copy in self._copies.values())
        title = next(iter(self._copies.values())).title if len(titles) == 1 else USERNAME
        for path, copy in self._copies.items():
            spot = Spot(copy.source, Place(copy.line))
            if copy.title.casefold() == title.casefold():
                self.made.files[path] = copy.raw
                said = f"copied to {path}" + (f"; lists.column is {title!r}" if title != USERNAME else "")
                self.made.note_file(spot, "kept", said)
            elif copy.alone:
                self.made.files[path] = with_title(copy.raw, title)
                said = f"copied to {path}; its column {copy.title!r} is {title!r} there, as in other lists"
                self.made.note_file(spot, "changed", said)
            else:
                said = f"the lists do not agree on a column, and this one has several; call it {title!r} here"
                raise unusable(copy.source, said, spot.place)
        return title

    def _read(self, source: Path) -> _Copy:
        raw = _raw(source, self.root)
        try:
            line, titles = titles_of(raw)
            title = next((one for one in titles if one.casefold() == USERNAME.casefold()), "")
            if not title and len(titles) == 1 and _TITLE.search(titles[0]):
                title = titles[0]
            if not title:
                seen = ", ".join(titles)[:80]
                said = f"the first line must name the column of user names; it says {seen!r}: write {USERNAME!r}"
                raise unusable(source, said, Place(line))
            read_names(raw, Lists(column=title))
        except BadList as error:
            raise unusable(source, str(error), Place(error.line)) from error
        return _Copy(source, raw, line, title, len(titles) == 1)


def _csv(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv")) if folder.is_dir() else []


def _raw(source: Path, root: Path) -> bytes:
    """Return a list's bytes. Raises FindingsError for what lies elsewhere, is no file, or is too large."""
    most = Lists().max_bytes
    try:
        real = source.resolve(strict=True)
        if not real.is_relative_to(root.resolve()):
            raise unusable(source, "this link leads out of the folder that is imported; put the list itself there")
        if not stat.S_ISREG(real.stat().st_mode):
            raise unusable(source, "this is no file; put a CSV file there", START)
        with real.open("rb") as opened:
            raw = opened.read(most + 1)
    except (OSError, RuntimeError) as error:
        raise unusable(source, f"the list cannot be read: {getattr(error, 'strerror', error)}") from error
    if len(raw) > most:
        raise unusable(source, f"the list is larger than {most} bytes")
    return raw
