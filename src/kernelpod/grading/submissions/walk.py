"""Lists a submitted folder without following anything that leads out of it.

The student may change the folder while it is read. Every name is therefore opened relative to its open parent
folder, never by a longer path, and never through a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from kernelpod.errors import KernelpodError

MAX_ENTRIES = 20_000
MAX_PATH_BYTES = 1024
MAX_DEPTH = 32
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a named pipe would block its reader forever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class SubmissionError(KernelpodError):
    """A folder cannot be read or used as a submission."""


@dataclass(frozen=True)
class FolderEntry:
    """One name in the folder. It can be opened only until the next one is requested."""

    path: str
    """Relative to the folder, with "/"; empty for the folder itself."""
    kind: Literal["file", "folder", "other"]
    why: str
    """For "other": why it cannot be part of a submission."""
    status: os.stat_result
    parent: int

    def open(self) -> BinaryIO:
        """Return the open file. Raises OSError, also if it is no longer an ordinary file."""
        descriptor = os.open(self.path.rpartition("/")[2], _FILE, dir_fd=self.parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("no longer an ordinary file")
        return os.fdopen(descriptor, "rb")


def nothing(_path: str) -> bool:
    """Return False: no path is ignored."""
    return False


def entries(folder: Path, ignored: Callable[[str], bool] = nothing) -> Iterator[FolderEntry]:
    """Yield the folder and everything in it, without `ignored` paths and everything below them.

    Raises SubmissionError if it is not a folder, cannot be read, or contains more than MAX_ENTRIES names.
    """
    try:
        top = os.open(folder, _FOLDER)
    except OSError as error:
        raise SubmissionError(f"{shown(str(folder))} is not a readable folder: {error.strerror}") from error
    try:
        yield FolderEntry("", "folder", "", os.fstat(top), top)
        yield from _Walk(ignored).below(top, "", MAX_DEPTH)
    except _TooMany:
        said = f"{shown(str(folder))} holds more than {MAX_ENTRIES} files and folders"
        raise SubmissionError(said) from None
    except OSError as error:
        raise SubmissionError(f"{shown(str(folder))} cannot be read: {error.strerror}") from error
    finally:
        os.close(top)


def read_small(folder: Path, name: str, limit: int) -> bytes | None:
    """Return the content of a folder's ordinary file, or None if there is none or it exceeds `limit` bytes."""
    try:
        top = os.open(folder, _FOLDER)
    except OSError:
        return None
    try:
        with FolderEntry(name, "file", "", os.fstat(top), top).open() as file:
            data = file.read(limit + 1)
    except OSError:
        return None
    finally:
        os.close(top)
    return data if len(data) <= limit else None


def shown(name: str) -> str:
    """Return a name that can be printed, with control characters and invalid text escaped."""
    return name if name.isprintable() else ascii(name)[1:-1]


class _TooMany(Exception):
    pass


class _Walk:
    """One walk, which counts the entries that it finds."""

    def __init__(self, ignored: Callable[[str], bool]) -> None:
        self.ignored = ignored
        self.left = MAX_ENTRIES

    def below(self, folder: int, prefix: str, depth: int) -> Iterator[FolderEntry]:
        with os.scandir(folder) as found:
            names = sorted(one.name for one in islice(found, self.left + 1))
        for name in names:
            self.left -= 1
            if self.left < 0:
                raise _TooMany
            path = prefix + name
            if self.ignored(path):
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from self._folder(FolderEntry(path, "folder", "", status, folder), depth)
            elif not stat.S_ISREG(status.st_mode):
                yield _other(path, _KINDS.get(stat.S_IFMT(status.st_mode), "not a file"), status, folder)
            elif len(os.fsencode(path)) > MAX_PATH_BYTES:
                yield _other(path, "its path is too long", status, folder)
            else:
                yield FolderEntry(path, "file", "", status, folder)

    def _folder(self, entry: FolderEntry, depth: int) -> Iterator[FolderEntry]:
        if depth == 0 or len(os.fsencode(entry.path)) > MAX_PATH_BYTES:
            yield _other(entry.path, "it is nested too deeply", entry.status, entry.parent)
            return
        try:
            opened = os.open(entry.path.rpartition("/")[2], _FOLDER, dir_fd=entry.parent)
        except OSError as error:
            yield _other(entry.path, f"it cannot be opened: {error.strerror}", entry.status, entry.parent)
            return
        try:
            yield entry
            yield from self.below(opened, f"{entry.path}/", depth - 1)
        finally:
            os.close(opened)


def _other(path: str, why: str, status: os.stat_result, parent: int) -> FolderEntry:
    return FolderEntry(path, "other", why, status, parent)
