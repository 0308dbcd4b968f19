"""Opens and makes folders that users may change meanwhile, without following a link.

Every name is opened relative to its open parent folder, never by a longer path: a user who puts a link there gains
nothing, whenever they do it.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

_PLACE = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_below(root: str, sub_path: str) -> int:
    """Return a descriptor of the folder `sub_path` below `root`, with which it can be mounted.

    `root` is an admin's and may contain links. Raises NotADirectoryError if a part of `sub_path` is one or a file.
    """
    opened = os.open(root, _PLACE)
    for name in PurePosixPath(sub_path).parts:
        above = opened
        try:
            opened = os.open(name, _PLACE | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
    return opened


def is_plain(folder: int, inner: str) -> bool:
    """Return whether no part of the path `inner` in an open folder is a link or a file; parts may be missing."""
    try:
        os.close(open_below(f"/proc/self/fd/{folder}", inner))
    except NotADirectoryError:
        return False
    except FileNotFoundError:
        return True
    return True


def make_below(root: str, sub_path: str, mode: int, ids: tuple[int, int]) -> None:
    """Make the folder `sub_path` below `root` if it is missing, with its parents; root gives it to `ids`.

    Raises NotADirectoryError if a part of `sub_path` is a link or a file.
    """
    Path(root).mkdir(parents=True, exist_ok=True)
    above = os.open(root, _PLACE)
    try:
        *parents, last = PurePosixPath(sub_path).parts
        for name in parents:
            _make(name, 0o755, above)
            below = os.open(name, _PLACE | os.O_NOFOLLOW, dir_fd=above)
            os.close(above)
            above = below
        if _make(last, mode, above):
            made = os.open(last, _FOLDER, dir_fd=above)
            try:
                # What somebody has put in its place meanwhile stays theirs.
                if os.getuid() == 0 == os.fstat(made).st_uid:
                    os.fchown(made, *ids)
            finally:
                os.close(made)
        else:
            os.close(os.open(last, _PLACE | os.O_NOFOLLOW, dir_fd=above))
    finally:
        os.close(above)


def _make(name: str, mode: int, above: int) -> bool:
    """Return whether the folder was made; False if the name is taken."""
    try:
        os.mkdir(name, mode, dir_fd=above)
    except FileExistsError:
        return False
    return True
