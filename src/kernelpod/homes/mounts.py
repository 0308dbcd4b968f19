"""Computes the mounts of a user: which folders they get, and at which paths.

Policy calls it for kernels and the spawners call it for servers, so both get the same mounts.
"""

from __future__ import annotations

import posixpath
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from kernelpod.base.names import home_slug, user_slug
from kernelpod.errors import Denied
from kernelpod.homes.volumes import Homes, SharedMount, Volume


class Mount(BaseModel):
    """A folder on the storage, mounted at a path in servers and kernels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    path: str
    """Absolute path on the storage; for a home, the value of KERNEL_PATH. Volumes without paths, such as Secrets,
    have their `mount_path` here."""
    sub_path: str
    """`path` relative to the root of the volume; empty for the whole volume."""
    mount_path: str
    read_only: bool = False
    volume: Volume

    @property
    def is_whole_volume(self) -> bool:
        """Whether the whole volume is mounted; a home that is one is its user's own claim, or an empty folder."""
        return not self.sub_path

    @property
    def root(self) -> str:
        """The folder that `sub_path` is relative to. Users cannot write in it, and it may contain links."""
        return self.path.removesuffix(self.sub_path) if self.sub_path else self.path


class UserMounts(BaseModel):
    """A user's home and their other mounts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Mount
    shared: tuple[Mount, ...] = ()

    def all(self) -> tuple[Mount, ...]:
        """Return all mounts: first the home, then the others in the order of the settings."""
        return (self.home, *self.shared)

    def with_home_claim(self, claim: str) -> UserMounts:
        """Return the mounts with another claim of the user's own as the home."""
        volume = self.home.volume.model_copy(update={"claim": claim})
        return self.model_copy(update={"home": self.home.model_copy(update={"volume": volume})})


class StorageSettings(Protocol):
    """The sections of the settings that mounts are computed from."""

    @property
    def homes(self) -> Homes:
        """Where homes are."""

    @property
    def mounts(self) -> tuple[SharedMount, ...]:
        """Folders mounted in addition to the home."""


def mounts_for(
    settings: StorageSettings,
    hub: str,
    username: str,
    groups: tuple[str, ...],
    only: tuple[str, ...] | None = None,
    *,
    service: bool = False,
) -> UserMounts:
    """Return the home and the shared mounts of an authenticated user. A pure function of its arguments.

    `only` names the shared mounts that a kernelspec uses; None means all of them. With `service`, they are those
    of a hub's service of this name, which needs `homes.service_path_template`.
    Every path is absolute, normalized (no ".." or "//") and below its root. No two user names share a home,
    because slugs contain no "/" and never collide.
    """
    values = {"hub": hub, "username": home_slug(username, settings.homes.slug)}
    shared = tuple(
        _shared(mount, values, groups)
        for mount in settings.mounts
        if mount.includes(hub, None if service else username, groups) and (only is None or mount.name in only)
    )
    volume = settings.homes.volume.of({"hub": hub, "username": user_slug(username)})
    return UserMounts(home=_home(settings.homes, volume, values, service=service), shared=shared)


def _home(homes: Homes, volume: Volume, values: dict[str, str], *, service: bool) -> Mount:
    """Return a home: a folder below the root, or the whole of the user's own volume."""
    template = homes.service_path_template if service else homes.path_template
    if template is None:
        raise ValueError("services have no homes")
    sub_path = template.format_map(values)
    # The folder behind a user's own claim is unknown until the claim is bound, so its name stands for the path.
    below_root = volume.claim if volume.kind != "none" and homes.volume.own else sub_path
    return Mount(
        name="home",
        path=posixpath.join(homes.root, below_root),
        sub_path="" if homes.volume.own else sub_path,
        mount_path=homes.mount_path,
        volume=volume,
    )


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
    """Raise Denied (foreign_home), naming both paths, if KERNEL_PATH is set and is not the user's home.

    Paths are compared as text, so one with "..", "//" or a symbolic link never matches.
    """
    if claimed is not None and claimed != home.path:
        raise Denied(
            "foreign_home",
            f"KERNEL_PATH is {claimed[:200]!r}, but your home is {home.path!r}. "
            "Leave KERNEL_PATH unset, or set it to your home.",
        )


def working_dir(wished: str | None, mounts: UserMounts) -> tuple[str, str]:
    """Return the kernel's working directory, and a note for the user if it is not the requested one.

    `wished` is the requested path, as the server sees it. A path below a mount is the same folder in the kernel.
    For a path outside all mounts the home is used. The file system is not accessed.
    """
    home = mounts.home.mount_path
    if not wished:
        return home, ""
    path = "/" + posixpath.normpath(posixpath.join(home, wished)).lstrip("/")
    for mount in mounts.all():
        for above in (mount.mount_path, mount.path):
            if path == above or path.startswith(above + "/"):
                return mount.mount_path + path[len(above) :], ""
    return home, f"The folder {wished[:200]!r} is in none of your mounts; the kernel started in {home!r}."
