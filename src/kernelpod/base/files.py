"""Reads and replaces small files that admins name: keys, tokens, lists of codes."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def read_ordinary(file: Path | int, most: int) -> tuple[bytes, os.stat_result]:
    """Return at most so many bytes of an ordinary file, and its status before. Raises OSError.

    The file is a path, or a descriptor, which stays open. A named pipe, which would block its reader for ever, is
    refused as anything else that is no ordinary file.
    """
    given = isinstance(file, int)
    descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", closefd=not given) as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "this is not an ordinary file")
        return opened.read(most), status


def replace_file(path: Path, text: str) -> None:
    """Replace the content of a file atomically; its owner and mode stay. Raises OSError, then nothing changes."""
    status = path.stat()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, stat.S_IMODE(status.st_mode))
            file.write(text)
            file.flush()
            os.fsync(handle)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
