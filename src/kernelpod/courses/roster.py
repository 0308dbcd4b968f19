"""Roster: the current courses and users of a hub, read again when the files have changed.

The files are compared at each lookup and not watched, because NFS does not notify of changes. If a file cannot be
read, its last valid version is used and the problem is logged once. A file that has never been valid fails closed:
no one is in the course, no one is allowed, and everyone is blocked.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kernelpod.base.files import read_ordinary
from kernelpod.base.names import user_slug
from kernelpod.courses.course_access import Membership
from kernelpod.courses.files import folders_of, opened
from kernelpod.courses.load import Courses, ListUse, load_courses
from kernelpod.courses.model import MODES, HubFile, Lists
from kernelpod.courses.rules import findings_of
from kernelpod.courses.tables import BadList
from kernelpod.courses.userlists import Names, normal, read_names
from kernelpod.findings.finding import Finding, FindingsError, Place
from kernelpod.settings.sections import Settings

log = logging.getLogger(__name__)

# A file that changed less than this before it was read may change again and keep its time stamp.
UNSETTLED_SECONDS = 3.0
TRIES = 3
# How long a refresh waits for another one, which may hang because a file system does not answer.
WAIT_SECONDS = 2.0

# The state of files, used to detect changes: name, modification time, change time, size and inode of each file.
Signature = tuple[tuple[str, int, int, int, int], ...]


@dataclass
class _Kept:
    """The last valid version of a list of users, and its current finding."""

    signature: Signature = ()
    good: frozenset[str] | None = None
    finding: Finding | None = None


@dataclass(frozen=True)
class _Index:
    """All lists, indexed by user."""

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
        """`name` is the hub's name in the settings; a file for another hub is not used."""
        self._path, self._settings, self._name, self._clock = path, settings, name, clock
        self._lock = threading.Lock()
        self._courses: Courses | None = None
        self._seen: Signature = ()
        self._file_faults: tuple[Finding, ...] = ()
        self._lists: dict[Path, _Kept] = {}
        self._index = _Index(block=None)

    @property
    def hub(self) -> HubFile | None:
        """The last valid version of the courses file; None if it has never been valid."""
        return self._courses.hub if self._courses else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The current findings in the courses file and in the lists."""
        kept = [known.finding for known in self._lists.values() if known.finding]
        return (*self._file_faults, *sorted(kept))

    def memberships(self, username: str) -> tuple[Membership, ...]:
        """Return the memberships of a user, by their name in the hub; empty if they are blocked or not allowed.

        Reads no files: the state of the last `refresh` is used.
        """
        # The list of blocked users matches the name in any spelling that lists accept.
        index, names = self._index, {username, normal(username, Lists())}
        if index.block is None or names & index.block or user_slug(username) in MODES:
            return ()
        if self.is_admin(username):
            return index.everywhere
        if index.allow is not None and username not in index.allow:
            return ()
        return tuple(index.by_user.get(username, ()))

    def usernames(self) -> frozenset[str]:
        """Return all users who are in a course, or admins, and neither blocked nor left out of `allow`."""
        named = {*self._index.by_user, *self._index.admins}
        return frozenset(name for name in named if self.memberships(name))

    def is_admin(self, username: str) -> bool:
        """Return whether the hub's `admins` name a user. If they are also blocked, they have no memberships."""
        return username in self._index.admins

    def refresh(self) -> None:
        """Read files that have changed. Raises nothing for files that cannot be used.

        Call it in a thread, because it may hang while a file system does not answer. Meanwhile, the other methods
        use the last valid version.
        """
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            log.warning("courses: an earlier check of the files still hangs; the last valid version is used")
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
        # A list and not a generator, so that every file is checked even if an earlier one has changed.
        below = folders_of(self._courses, self._settings)
        changed = [self._refresh_list(path, kept, lists, below, again=again) for path, kept in self._lists.items()]
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
            # The mistake may be in a file that this one extends, so read all again until they are valid.
            self._seen = ()
            return False
        # The signature from before the files were read, so that a change since then is found the next time.
        same = now is not None and courses.files == files and self._settled(now)
        self._seen = now if same and now else ()
        self._file_faults, self._courses = (), courses
        return True

    def _say(self, findings: tuple[Finding, ...]) -> None:
        if findings != self._file_faults:
            meaning = "the last valid version is used" if self._courses else "no one is in any course"
            log.warning("courses: %s; %s", "; ".join(finding.as_text() for finding in findings), meaning)
        self._file_faults = findings

    def _refresh_list(self, path: Path, kept: _Kept, lists: Lists, below: Sequence[Path], *, again: bool) -> bool:
        """Return whether the users of a list may have changed."""
        try:
            now = _signature_of_list(path, below)
            if now == kept.signature and not again:
                return False
            files, last = read_list(path, lists, below)
        except (OSError, BadList) as error:
            finding = list_finding(path, error)
            if kept.finding != finding:
                meaning = "it counts as empty" if kept.good is None else "the last valid version is used"
                log.warning("list of users: %s; %s", finding.as_text(), meaning)
            kept.finding, kept.signature = finding, ()
            return False
        kept.signature = last if self._settled(last) else ()
        read = frozenset(name for names in files.values() for name in names.names)
        same = kept.good == read and kept.finding is None
        kept.good, kept.finding = read, None
        return not same

    def _settled(self, signature: Signature) -> bool:
        return all(self._clock() - changed / 1e9 > UNSETTLED_SECONDS for _, changed, *_ in signature)


def list_finding(path: Path, error: OSError | BadList) -> Finding:
    """Return the finding for a list of users that cannot be used."""
    if isinstance(error, BadList):
        return Finding(Path(error.file or path), Place(error.line), str(error))
    return Finding(path, Place(), f"the list cannot be read: {error.strerror or error}")


def read_list(path: Path, lists: Lists, below: Sequence[Path]) -> tuple[dict[Path, Names], Signature]:
    """Return the users in a file, or in each CSV file of a folder, and the files' signature when they were read.

    `below` are the folders that lists may be in. Raises OSError or BadList.
    """
    read: dict[Path, Names] = {}
    signatures: list[Signature] = []
    for file in _csv_files(path, below):
        raw, signature = _stable(file, lists.max_bytes, below)
        try:
            read[file] = read_names(raw, lists)
        except BadList as error:
            error.file = str(file)
            raise
        signatures.append(signature)
    return read, tuple(one for many in signatures for one in many)


def _csv_files(path: Path, below: Sequence[Path]) -> list[Path]:
    with opened(path, below) as found:
        mode = os.fstat(found).st_mode
        if stat.S_ISREG(mode):
            return [path]
        if not stat.S_ISDIR(mode):
            raise BadList("this is neither a file nor a folder")
        if files := sorted(path / name for name in os.listdir(found) if name.endswith(".csv")):  # noqa: PTH208
            return files
    raise BadList("the folder contains no .csv file")


def _stable(path: Path, most: int, below: Sequence[Path]) -> tuple[bytes, Signature]:
    """Return the content of a file that did not change while it was read. Raises OSError or BadList."""
    for _ in range(TRIES):
        before = _signature_of_list(path, below)
        with opened(path, below) as found:
            raw, _ = read_ordinary(found, most + 1)
            read = _of(path, os.fstat(found))
        if before == (read,) == _signature_of_list(path, below):
            return raw, before
    raise BadList("the file changes while it is read; write it under another name, then rename it")


def _signature_of_list(path: Path, below: Sequence[Path]) -> Signature:
    """Return the signature of a file, or of all CSV files in a folder. Raises OSError or BadList."""
    made = []
    for file in _csv_files(path, below):
        with opened(file, below) as found:
            made.append(_of(file, os.fstat(found)))
    return tuple(made)


def _signatures(paths: Iterable[Path]) -> Signature | None:
    try:
        return tuple(_of(path, path.stat()) for path in paths)
    except OSError:
        return None


def _of(path: Path, found: os.stat_result) -> tuple[str, int, int, int, int]:
    return str(path), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _index(courses: Courses, known: dict[Path, _Kept]) -> _Index:
    """Return the index of all lists by user, so that lookups are fast."""
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
                # The highest role comes first and is kept.
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
    """Return the users in a list; None for a file that has never been valid."""
    if use.path is None:
        return frozenset(normal(name, lists) for name in use.users.names)
    kept = known.get(use.path)
    return kept.good if kept else None
