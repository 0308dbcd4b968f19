"""Pipes to and from processes that are being started."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from io import FileIO

READ_TIMEOUT_SECONDS = 20


@contextlib.contextmanager
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Yield the ends of a pipe: what is written to the second one can be read from the first."""
    reader, writer = os.pipe()
    with FileIO(reader, "r") as first, FileIO(writer, "w") as second:
        yield first, second


def read(file: FileIO) -> bytes:
    """Return the next bytes of a pipe; none if it is closed, or if there are none in time."""
    # Not select(), which knows no descriptors from 1024 on.
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    return file.read(4096) or b"" if waiting.poll(READ_TIMEOUT_SECONDS * 1000) else b""
