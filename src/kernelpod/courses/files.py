"""Opens the files that a courses file names: only below named folders, and through no link.

Who edits a courses file need not be allowed to read every file that the hub can read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kernelpod.courses.tables import BadList
from kernelpod.settings.sections import Settings

if TYPE_CHECKING:
    from kernelpod.courses.load import Courses

# kubelet puts the files of a ConfigMap or Secret into a folder beside, to which it makes this link.
_KUBELET_LINK = "..data"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, a named pipe would block its reader forever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OutsideError(BadList):
    """A file that is in none of the folders that it may be in."""


def folders_of(courses: Courses, settings: Settings) -> tuple[Path, ...]:
    """Return the folders that lists and logos may be in: that of the courses file, and those of the settings."""
    named = (folder for hub in settings.hubs if hub.name == courses.hub.hub for folder in hub.courses_folders)
    return (courses.files[0].parent, *map(Path, named))


@contextlib.contextmanager
def opened(path: Path, below: Sequence[Path]) -> Iterator[int]:
    """Yield the descriptor of a file or a folder. The named folders themselves may be reached by links.

    Raises OSError, OutsideError if it is in none of the folders, or BadList if it is or is behind a symbolic link.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - a link must not be resolved here
    top = next((one for one in below if whole.is_relative_to(os.path.abspath(one))), None)  # noqa: PTH100
    if top is None:
        raise OutsideError(
            "it is in none of the folders for lists: move it to the folder of the courses file, or let an admin "
            "name its folder in hubs[].courses_folders of the settings"
        )
    parts = whole.relative_to(os.path.abspath(top)).parts  # noqa: PTH100
    with contextlib.ExitStack() as stack:

        def kept(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        place = kept(os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        if target := _kubelet_folder(place):
            place = kept(os.open(target, _FOLDER, dir_fd=place))
        for number, part in enumerate(parts, 1):
            try:
                place = kept(os.open(part, _FILE if number == len(parts) else _FOLDER, dir_fd=place))
            except OSError:
                if stat.S_ISLNK(os.stat(part, dir_fd=place, follow_symlinks=False).st_mode):
                    raise BadList("it is, or is behind, a symbolic link; put the file itself there") from None
                raise
        yield place


def _kubelet_folder(folder: int) -> str:
    """Return the name of the folder beside that kubelet has linked; empty in any other folder."""
    try:
        target = os.readlink(_KUBELET_LINK, dir_fd=folder)
    except OSError:
        return ""
    return target if target.startswith("..") and target != ".." and "/" not in target else ""
