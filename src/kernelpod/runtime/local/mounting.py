"""Opens the folders of a user's mounts, so that these are mounted, whatever links are put in their places."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from kernelpod.errors import StartFailed, home_missing
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.runtime.local.folders import is_plain, open_below


@dataclass(frozen=True)
class Bind:
    """A folder of this machine and its path in the sandbox."""

    source: str | int
    """Path of the gateway's or of an admin's folder, or the descriptor of a user's."""
    target: str
    read_only: bool = False


@contextlib.contextmanager
def opened_mounts(mounts: UserMounts) -> Iterator[tuple[Bind, ...]]:
    """Yield the mounts of a server or kernel as open folders.

    Raises StartFailed (home_missing, home_escapes). Creates nothing.
    """
    with contextlib.ExitStack() as stack:
        opened: dict[str, int] = {}
        for mount in mounts.all():
            descriptor = _open(mount, "home folder" if mount is mounts.home else "folder")
            stack.callback(os.close, descriptor)
            opened[mount.mount_path] = descriptor
        for mount in mounts.all():
            _refuse_link_at(mount.mount_path, opened)
        yield tuple(Bind(opened[mount.mount_path], mount.mount_path, mount.read_only) for mount in mounts.all())


def home_escapes(path: str) -> StartFailed:
    """Return the error for a user's folder that is a link, or is below one."""
    said = f"Your folder {path!r} is a symbolic link, is below one, or is no folder. Ask an admin to replace it."
    return StartFailed("home_escapes", said)


def _refuse_link_at(place: str, opened: dict[str, int]) -> None:
    """Raise StartFailed if the place of a mount inside another one is a link there: bubblewrap would follow it."""
    for outer, descriptor in opened.items():
        if place.startswith(outer + "/") and not is_plain(descriptor, place[len(outer) + 1 :]):
            raise home_escapes(place)


def _open(mount: Mount, what: str) -> int:
    try:
        return open_below(mount.root, mount.sub_path)
    except NotADirectoryError as error:
        raise home_escapes(mount.path) from error
    except FileNotFoundError as error:
        raise home_missing(f"{what} {mount.path!r}") from error
