"""The one place that says which folders a user sees, and where.

Policy calls it for kernels, the spawner's configuration for servers: both get the same answer.
"""

from __future__ import annotations

import posixpath
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from kernelpod.base.names import user_slug
from kernelpod.errors import Denied
from kernelpod.homes.volumes import Homes, SharedMount, Volume


class Mount(BaseModel):
    """A folder of the storage at a place in server and kernel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: str
    """Absolute path on the storage, for a home KERNEL_PATH; `mount_path` for what has no paths."""
    sub_path: str
    """`path` relative to where the volume begins; empty for all of it."""
    mount_path: str
    read_only: bool = False
    volume: Volume


class UserMounts(BaseModel):
    """A user's home and the mounts beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Mount
    shared: tuple[Mount, ...] = ()

    def all(self) -> tuple[Mount, ...]:
        """Return the home first, then the rest in the order of the settings."""
        return (self.home, *self.shared)


class StorageSettings(Protocol):
    """The sections of the settings that decide about mounts."""

    @property
    def homes(self) -> Homes:
        """Where homes are."""

    @property
    def mounts(self) -> tuple[SharedMount, ...]:
        """Folders beside the home."""


def mounts_for(
    settings: StorageSettings,
    hub: str,
    username: str,
    groups: tuple[str, ...],
    only: tuple[str, ...] | None = None,
) -> UserMounts:
    """Return home and shared mounts of a proven user; a pure function of its arguments.

    `only` names the shared mounts that a kernelspec uses; None: all of them.
    Every path is absolute and plain (no "..", no "//"), below its root, and no two user names share a
    home: the slug holds no "/" and is collision-free.
    """
    values = {"hub": hub, "username": user_slug(username)}
    shared = tuple(
        _shared(mount, values, groups)
        for mount in settings.mounts
        if _is_for(mount, username, groups) and (only is None or mount.name in only)
    )
    return UserMounts(home=_home(settings.homes, values), shared=shared)


def _home(homes: Homes, values: dict[str, str]) -> Mount:
    """Return a user's home: a folder below the root, or the whole of the user's own volume."""
    sub_path = homes.path_template.format_map(values)
    volume = homes.volume.of(values)
    # What is in an own claim has no path before it is bound; the claim's name tells it apart.
    place = volume.claim if volume.kind != "none" and homes.volume.own else sub_path
    return Mount(
        name="home",
        path=posixpath.join(homes.root, place),
        sub_path="" if homes.volume.own else sub_path,
        mount_path=homes.mount_path,
        volume=volume,
    )


def _is_for(mount: SharedMount, username: str, groups: tuple[str, ...]) -> bool:
    everybody = not (mount.users or mount.groups)
    return everybody or username in mount.users or not set(mount.groups).isdisjoint(groups)


def _shared(mount: SharedMount, values: dict[str, str], groups: tuple[str, ...]) -> Mount:
    sub_path = mount.path_template.format_map(values) if mount.path_template else ""
    root = mount.root or mount.mount_path
    return Mount(
        name=mount.name,
        path=posixpath.join(root, sub_path) if sub_path else root,
        sub_path=sub_path,
        mount_path=mount.mount_path,
        read_only=mount.read_only and set(mount.writers).isdisjoint(groups),
        volume=mount.volume,
    )


def check_kernel_path(claimed: str | None, home: Mount) -> None:
    """Accept a KERNEL_PATH that is absent or exactly the user's home.

    The comparison is of text: a path with "..", "//" or a symbolic link in it is another text.
    Raises Denied (foreign_home) with both paths.
    """
    if claimed is not None and claimed != home.path:
        raise Denied(
            "foreign_home",
            f"KERNEL_PATH is {claimed[:200]!r}, but your home is {home.path!r}. "
            "Leave KERNEL_PATH unset, or set it to your home.",
        )


def working_dir(wished: str | None, mounts: UserMounts) -> tuple[str, str]:
    """Return the kernel's working directory and, where it is not the wished one, the reason.

    `wished` is a path in the server: below a mount it is the same place in the kernel; outside every
    mount the home is used. Nothing is looked up and nothing is created.
    """
    home = mounts.home.mount_path
    if not wished:
        return home, ""
    path = "/" + posixpath.normpath(posixpath.join(home, wished)).lstrip("/")
    for mount in mounts.all():
        for seen, place in ((mount.mount_path, mount.mount_path), (mount.path, mount.mount_path)):
            if path == seen or path.startswith(seen + "/"):
                return place + path[len(seen) :], ""
    return home, f"The folder {wished[:200]!r} is in none of your mounts; the kernel started in {home!r}."
