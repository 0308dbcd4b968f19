"""Reads small files that admins name: keys, tokens, lists of codes."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read_ordinary(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Return at most so many bytes of an ordinary file, and its status. Raises OSError.

    A named pipe, which would block its reader for ever, is refused as anything else that is no ordinary file.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "this is not an ordinary file")
        return file.read(most), status
