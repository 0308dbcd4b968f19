"""The state folder of the local runtime: whose it is, which folders in it are kernels', how they are removed."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from pathlib import Path

from kernelpod.errors import StartFailed
from kernelpod.runtime.local.removal import remove

log = logging.getLogger(__name__)

# `<kernel id without "-">-<incarnation>`, see `LocalRuntime.start`.
_OF_A_KERNEL = re.compile(r"[0-9a-f]{32}-[0-9a-f]{6}")


def make_state_dir(folder: Path) -> None:
    """Make the state folder if it is missing. Raises StartFailed if it is somebody else's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
        said = f"{folder} belongs to another user, is a link or is no folder; change runtime.local.state_dir"
        raise StartFailed("kernel_start_failed", said)
    folder.chmod(0o711)


def kernel_folders(folder: Path) -> list[Path]:
    """Return the folders of kernels in the state folder. Others are left alone."""
    return sorted(path for path in folder.iterdir() if _OF_A_KERNEL.fullmatch(path.name))


def try_remove(*folders: Path) -> None:
    """Remove folders of kernels that have ended. What cannot be removed is left for the next gateway."""
    for folder in folders:
        try:
            remove(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.error("%s could not be removed: %s", folder, error)


def write_private(path: Path, text: str) -> None:
    """Write a file atomically that only this user can read."""
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
