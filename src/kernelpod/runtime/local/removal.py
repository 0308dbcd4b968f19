"""Removes a folder that a user could write in, however deep it is and whatever links are in it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = 10_000


def remove(folder: Path) -> None:
    """Remove a folder with everything in it. Raises OSError if something cannot be removed.

    Folders are moved up until none is below another, so neither the stack nor the number of open files grows with
    their depth.
    """
    with _opened(str(folder), None) as top:
        while entries := _some(top):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _dissolve(entry.name, top)
                else:
                    os.unlink(entry.name, dir_fd=top)
    folder.rmdir()


def _dissolve(name: str, top: int) -> None:
    """Remove the folder `name` of `top`; the folders in it become folders of `top`."""
    with _opened(name, top) as folder:
        while entries := _some(folder):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    with _opened(entry.name, folder):  # makes it movable
                        pass
                    # A name that nobody can have guessed and taken.
                    os.rename(entry.name, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
                else:
                    os.unlink(entry.name, dir_fd=folder)
    os.rmdir(name, dir_fd=top)


def _some(folder: int) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as found:
        return list(islice(found, _AT_ONCE))


@contextlib.contextmanager
def _opened(name: str, above: int | None) -> Iterator[int]:
    """Yield a descriptor of a folder, which may have forbidden its owner to read or change it."""
    place = os.open(name, _PLACE, dir_fd=above)
    try:
        if os.getuid() != 0:
            Path(f"/proc/self/fd/{place}").chmod(0o700)
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    try:
        yield folder
    finally:
        os.close(folder)
