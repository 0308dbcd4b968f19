"""Who is in which course, kept current: files are looked at again whenever somebody is looked up.

Nothing is watched, since NFS tells nobody of changes. What cannot be read keeps its last good version, and is
logged once; what was never read counts as nobody in a course, nobody allowed, and everybody blocked.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kernelpod.base.names import user_slug
from kernelpod.courses.course_access import Membership
from kernelpod.courses.load import Courses, ListUse, load_courses
from kernelpod.courses.model import MODES, HubFile, Lists
from kernelpod.courses.rules import findings_of
from kernelpod.courses.userlists import BadList, Names, normal, read_names
from kernelpod.findings.finding import Finding, FindingsError, Place
from kernelpod.settings.sections import Settings

log = logging.getLogger(__name__)

# A file that changed less than this before it was read may change again without another time stamp.
UNSETTLED_SECONDS = 3.0
TRIES = 3
# A refresh that waits for another one this long goes without: that one may hang in a file system that is away.
WAIT_SECONDS = 2.0

# What changes when a file does: per file name, time stamps, size and inode.
Signature = tuple[tuple[str, int, int, int, int], ...]


@dataclass
class _Kept:
    """The last good version of something that is read from files, and what is wrong now."""

    signature: Signature = ()
    good: Names | None = None
    finding: Finding | None = None


@dataclass(frozen=True)
class _Index:
    """All lists, turned around: what one user is in."""

    admins: frozenset[str] = frozenset()
    block: frozenset[str] | None = frozenset()
    allow: frozenset[str] | None = None
    by_user: dict[str, list[Membership]] = field(default_factory=dict)
    everywhere: tuple[Membership, ...] = ()


class Roster:
    """The current courses of one hub and their users."""

    def __init__(
        self, path: Path, settings: Settings, name: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        """`name` is the hub's by the settings; a file for another hub is not used."""
        self._path, self._settings, self._name, self._clock = path, settings, name, clock
        self._lock = threading.Lock()
        self._courses: Courses | None = None
        self._seen: Signature = ()
        self._file_faults: tuple[Finding, ...] = ()
        self._lists: dict[Path, _Kept] = {}
        self._index = _Index(block=None)

    @property
    def hub(self) -> HubFile | None:
        """The courses file as it was last right; None if it never was."""
        return self._courses.hub if self._courses else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong now, in the courses file and in lists."""
        kept = [known.finding for known in self._lists.values() if known.finding]
        return (*self._file_faults, *sorted(kept))

    def memberships(self, username: str) -> tuple[Membership, ...]:
        """Return what a user is in, by the hub's raw name; empty for who is blocked or not allowed.

        Reads nothing: what counts is the last `refresh`.
        """
        # A blocked user is blocked in every spelling of the name that a list accepts.
        index, names = self._index, {username, normal(username, Lists())}
        if index.block is None or names & index.block or user_slug(username) in MODES:
            return ()
        if self.is_admin(username):
            return index.everywhere
        if index.allow is not None and username not in index.allow:
            return ()
        return tuple(index.by_user.get(username, ()))

    def is_admin(self, username: str) -> bool:
        """Return whether the hub's `admins` name a user; one who is blocked too has no memberships."""
        return username in self._index.admins

    def refresh(self) -> None:
        """Read again what has changed. Raises nothing for bad files.

        May hang while a file system is away: call it in a thread. Others then go on with the last good version.
        """
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            log.warning("courses: another look at the files still hangs; the last good version counts")
            return
        try:
            self._refresh()
        finally:
            self._lock.release()

    def _refresh(self) -> None:
        again = self._refresh_courses()
        if self._courses is None:
            return
        if again:
            paths = {use.path for use in self._courses.lists() if use.path}
            self._lists = {path: self._lists.get(path, _Kept()) for path in paths}
        lists = self._courses.hub.lists
        # Each of them is looked at, whether or not an earlier one has changed.
        changed = [self._refresh_list(path, kept, lists, again=again) for path, kept in self._lists.items()]
        if again or any(changed):
            self._index = _index(self._courses, self._lists)

    def _refresh_courses(self) -> bool:
        files = self._courses.files if self._courses else (self._path,)
        now = _signatures(files)
        if now is not None and now == self._seen:
            return False
        try:
            courses = load_courses(self._path)
            if findings := findings_of(courses, self._settings):
                raise FindingsError(findings)
            if self._name not in ("", courses.hub.hub):
                raise FindingsError(
                    [courses.finding(("hub",), f"this is read as the file of the hub {self._name!r}")]
                )
        except FindingsError as error:
            self._say(error.findings)
            # A file below may be what is wrong: looked at again each time until it is right.
            self._seen = ()
            return False
        # What was there before it was read: a change meanwhile is seen the next time.
        same = now is not None and courses.files == files and self._settled(now)
        self._seen = now if same and now else ()
        self._file_faults, self._courses = (), courses
        return True

    def _say(self, findings: tuple[Finding, ...]) -> None:
        if findings != self._file_faults:
            meaning = "the last good version counts" if self._courses else "nobody is in any course"
            log.warning("courses: %s; %s", "; ".join(finding.as_text() for finding in findings), meaning)
        self._file_faults = findings

    def _refresh_list(self, path: Path, kept: _Kept, lists: Lists, *, again: bool) -> bool:
        """Return whether the users of a list may have changed."""
        try:
            now = _signature(path)
            if now == kept.signature and not again:
                return False
            read, last = read_list(path, lists)
        except (OSError, BadList) as error:
            finding = list_finding(path, error)
            if kept.finding != finding:
                meaning = "nobody is in it" if kept.good is None else "the last good version counts"
                log.warning("list of users: %s; %s", finding.as_text(), meaning)
            kept.finding, kept.signature = finding, ()
            return False
        kept.signature = last if self._settled(last) else ()
        same = kept.good == read and kept.finding is None
        kept.good, kept.finding = read, None
        return not same

    def _settled(self, signature: Signature) -> bool:
        return all(self._clock() - changed / 1e9 > UNSETTLED_SECONDS for _, changed, *_ in signature)


def list_finding(path: Path, error: OSError | BadList) -> Finding:
    """Return what is wrong with a list of users."""
    if isinstance(error, BadList):
        return Finding(Path(error.file or path), Place(error.line), str(error))
    return Finding(path, Place(), f"the list cannot be read: {error.strerror or error}")


def read_list(path: Path, lists: Lists) -> tuple[Names, Signature]:
    """Return the users of a file, or of all CSV files in a folder, and the state of the files as they were read.

    Raises OSError or BadList.
    """
    files = _csv_files(path)
    names: set[str] = set()
    remarks: list[tuple[int, str]] = []
    signatures: list[Signature] = []
    for file in files:
        raw, signature = _stable(file, lists.max_bytes)
        try:
            read = read_names(raw, lists)
        except BadList as error:
            error.file = str(file)
            raise
        names |= read.names
        remarks += [(line, f"{file.name}: {said}" if file != path else said) for line, said in read.remarks]
        signatures.append(signature)
    return Names(frozenset(names), tuple(remarks)), tuple(one for many in signatures for one in many)


def _csv_files(path: Path) -> list[Path]:
    if not stat.S_ISDIR(path.stat().st_mode):
        return [path]
    if files := sorted(path.glob("*.csv")):
        return files
    raise BadList("the folder holds no .csv file")


def _stable(path: Path, most: int) -> tuple[bytes, Signature]:
    """Return a file that was the same before and after it was read."""
    for _ in range(TRIES):
        before = _signature(path)
        with path.open("rb") as opened:
            raw = opened.read(most + 1)
            read = _of(path, os.fstat(opened.fileno()))
        if before == (read,) == _signature(path):
            return raw, before
    raise BadList("the file changes while it is read; put it there under another name, then rename it")


def _signatures(paths: Iterable[Path]) -> Signature | None:
    try:
        return tuple(one for path in paths for one in _signature(path))
    except (OSError, BadList):
        return None


def _signature(path: Path) -> Signature:
    """Return the state of a file, or of all in a folder. Raises OSError, and BadList for what is neither."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        return tuple(one for file in _csv_files(path) for one in _signature(file))
    if not stat.S_ISREG(found.st_mode):
        raise BadList("this is neither a file nor a folder")
    return (_of(path, found),)


def _of(path: Path, found: os.stat_result) -> tuple[str, int, int, int, int]:
    return str(path), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _index(courses: Courses, known: dict[Path, _Kept]) -> _Index:
    """Return all lists turned around, so that looking somebody up costs nothing."""
    admins: set[str] = set()
    block: frozenset[str] | None = frozenset()
    allow: frozenset[str] | None = None
    roles: dict[tuple[str, str, str], Membership] = {}
    everywhere: dict[tuple[str, str], Membership] = {}
    for use in courses.lists():
        names = _names(use, courses.hub.lists, known)
        if use.role == "allow":
            allow = names or frozenset()
        elif use.role == "block":
            block = names
        elif not use.course:
            admins |= names or frozenset()
        else:
            everywhere[use.course, use.semester] = Membership(use.course, use.semester, "admin")
            for name in names or ():
                # The highest role comes first.
                roles.setdefault((name, use.course, use.semester), Membership(use.course, use.semester, use.role))
    by_user: dict[str, list[Membership]] = {}
    for (name, _, _), membership in _in_order(roles, everywhere):
        by_user.setdefault(name, []).append(membership)
    return _Index(frozenset(admins), block, allow, by_user, tuple(everywhere.values()))


def _in_order(
    roles: dict[tuple[str, str, str], Membership], everywhere: dict[tuple[str, str], Membership]
) -> Iterator[tuple[tuple[str, str, str], Membership]]:
    """Yield memberships in the order of the file."""
    order = {key: number for number, key in enumerate(everywhere)}
    yield from sorted(roles.items(), key=lambda item: order[item[0][1], item[0][2]])


def _names(use: ListUse, lists: Lists, known: dict[Path, _Kept]) -> frozenset[str] | None:
    """Return the users of a list; None for a file that was never good."""
    if use.path is None:
        return frozenset(normal(name, lists) for name in use.users.names)
    kept = known.get(use.path)
    return kept.good.names if kept and kept.good else None
