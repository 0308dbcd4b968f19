"""Copies a folder that another user may be changing, without following links, hanging, or exceeding limits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kernelpod.grading.submissions.walk import FolderEntry, SubmissionError, entries, nothing

_PIECE = 2**20


@dataclass(frozen=True)
class Rules:
    """Which files are copied, up to which size, and the modes of the copies."""

    file_bytes: int
    """Maximum size of one file."""
    all_bytes: int
    """Maximum size of all files together."""
    ignored: Callable[[str], bool] = nothing
    """Paths that are left out without a report, with everything below them."""
    included: Callable[[str], bool] = lambda _name: True
    """Names of files that are copied."""
    file_mode: int = 0o644
    folder_mode: int = 0o755


@dataclass
class Copied:
    """The result of a copy."""

    left_out: dict[str, str] = field(default_factory=dict)
    """Why something was not copied, by its path."""
    changed_ns: int = 0
    """The latest change of anything copied, in nanoseconds, as the file system records it (ctime)."""
    bytes: int = 0
    full: bool = False
    """Whether files were left out because of `all_bytes`."""


def copy_folder(source: Path, dest: Path, rules: Rules) -> Copied:
    """Copy a folder to one that does not exist yet. Return what was left out, and the time of the last change.

    Raises SubmissionError if the folder cannot be read, OSError if the copy cannot be written. No copy is left.
    """
    done = Copied()
    dest.mkdir()
    try:
        for entry in entries(source, rules.ignored):
            done.changed_ns = max(done.changed_ns, entry.status.st_ctime_ns)
            if entry.kind == "folder":
                (dest / entry.path).mkdir(exist_ok=not entry.path)
                (dest / entry.path).chmod(rules.folder_mode)
            elif entry.kind == "other":
                done.left_out[entry.path] = entry.why
            elif rules.included(entry.path.rpartition("/")[2]):
                _file(entry, dest / entry.path, rules, done)
    except (SubmissionError, OSError):
        shutil.rmtree(dest, ignore_errors=True)
        raise
    return done


def last_change(folder: Path, ignored: Callable[[str], bool] = nothing) -> int:
    """Return when anything in a folder last changed, in nanoseconds, as the file system records it (ctime)."""
    return max(entry.status.st_ctime_ns for entry in entries(folder, ignored))


def _file(entry: FolderEntry, dest: Path, rules: Rules, done: Copied) -> None:
    try:
        source = entry.open()
    except OSError as error:
        done.left_out[entry.path] = f"it cannot be opened: {error.strerror or error}"
        return
    most = min(rules.file_bytes, rules.all_bytes - done.bytes)
    with source:
        descriptor = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            size = _stream(source, target, most)
            os.fchmod(target.fileno(), rules.file_mode)
        # The time is taken after reading, so that the content is not newer.
        done.changed_ns = max(done.changed_ns, os.fstat(source.fileno()).st_ctime_ns)
    if size is not None and size <= most:
        done.bytes += size
        return
    dest.unlink()
    if size is None:
        done.left_out[entry.path] = "it cannot be read"
    elif most == rules.file_bytes:
        done.left_out[entry.path] = f"it is larger than {rules.file_bytes} bytes"
    else:
        done.full = True
        done.left_out[entry.path] = f"the folder is larger than {rules.all_bytes} bytes"


def _stream(source: BinaryIO, target: BinaryIO, most: int) -> int | None:
    """Return the number of bytes, or None if they cannot be read. Copying stops soon after `most` bytes."""
    size = os.fstat(source.fileno()).st_size
    if size > most:
        return size
    size = 0
    while size <= most:
        try:
            piece = source.read(_PIECE)
        except OSError:
            return None
        if not piece:
            break
        target.write(piece)
        size += len(piece)
    return size
