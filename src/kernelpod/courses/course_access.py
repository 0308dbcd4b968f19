"""Computes what a course gives a user: mounts, home and ids. Pure functions, used for servers and kernels."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kernelpod.base.names import home_slug, user_slug
from kernelpod.courses.load import Role
from kernelpod.courses.model import Course, Exchange, ExtraVolume, Folder, HubFile, Storage
from kernelpod.courses.model import Role as RoleKeys
from kernelpod.homes.mounts import Mount, UserMounts, mounts_for
from kernelpod.homes.volumes import COURSE_MOUNTS, COURSE_VOLUMES
from kernelpod.settings.sections import Settings

# The folders of an exchange, and whether students may write to them.
EXCHANGE_FOLDERS = {"inbound": True, "outbound": False, "feedback": False}


@dataclass(frozen=True, order=True)
class Membership:
    """A user's role in a course of a semester."""

    course: str
    semester: str
    role: Role


@dataclass(frozen=True)
class CourseAccess:
    """A user's membership in a course, with the current courses file."""

    hub: HubFile
    membership: Membership

    @property
    def course(self) -> Course:
        """The course."""
        return self.hub.courses[self.membership.course]


def chosen(memberships: tuple[Membership, ...], options: Mapping[str, Any]) -> Membership | None:
    """Return the membership that the user chose when they started their server, or their first without a choice.

    Returns None if the chosen course is not one of `memberships`. `options` are the hub's `user_options`, which
    the user can set to anything.
    """
    # As for KubeSpawner, an empty text means that nothing was chosen.
    course, semester = options.get("profile") or None, options.get("semester") or None
    fitting = (
        one
        for one in memberships
        if (course is None or one.course == course) and (semester is None or one.semester == semester)
    )
    return next(fitting, None)


def course_mounts(
    hub: HubFile,
    settings: Settings,
    username: str,
    groups: tuple[str, ...],
    membership: Membership,
    only: tuple[str, ...] | None = None,
) -> UserMounts:
    """Return a user's home and mounts in a course: first those of the settings, then those of the course.

    `only` names the mounts of the settings that a kernelspec uses; None means all of them. Every path is absolute,
    normalized and below its root. No two users share a home or a personal folder of an exchange, because slugs of
    user names contain no "/" and never collide.
    """
    course, values = hub.courses[membership.course], _values(hub, membership, username)
    plain = mounts_for(settings, hub.hub, username, groups, only)
    home = plain.home
    if template := hub.home_template:
        sub_path = template.format_map({**values, "username": home_slug(username, settings.homes.slug)})
        home = home.model_copy(
            update={"sub_path": sub_path, "path": posixpath.join(settings.homes.root, sub_path)}
        )
    own = (_as_allowed(one, settings, hub.hub) for one in _of_course(course, hub.storage, membership.role, values))
    return UserMounts(home=home, shared=(*plain.shared, *own))


def _as_allowed(mount: Mount, settings: Settings, hub: str) -> Mount:
    """Return a mount with the NFS server as the settings spell it, and not as the courses file does."""
    if mount.volume.kind != "nfs":
        return mount
    found = (one.nfs_folder(mount.volume.server, mount.path) for one in settings.hubs if one.name == hub)
    if entry := next(filter(None, found), None):
        volume = mount.volume.model_copy(update={"server": entry.server})
        return mount.model_copy(update={"volume": volume})
    return mount


def exchange_folders(hub: HubFile, membership: Membership, username: str) -> tuple[str, ...]:
    """Return the folders of the exchange that a user's server creates, below the storage's root, parents first.

    They are `inbound`, `outbound` and `feedback`, and for students their personal folders in these.
    """
    exchange = hub.courses[membership.course].exchange
    if exchange is None:
        return ()
    values = _values(hub, membership, username)
    whole = [f"{exchange.path}/{name}" for name in EXCHANGE_FOLDERS]
    own = [f"{exchange.path}/{name}/{{username}}" for name in exchange.personalised]
    return tuple(path.format_map(values) for path in (*whole, *(own if membership.role == "student" else ())))


def exchange_environment(hub: HubFile, membership: Membership, username: str) -> dict[str, str]:
    """Return environment variables that describe the course's exchange to nbgrader in a server; empty without one.

    Users can change them in their servers, so they are only hints. Rules are checked again when graders collect.
    """
    exchange = hub.courses[membership.course].exchange
    if exchange is None:
        return {}
    return {
        "KERNELPOD_EXCHANGE": exchange.mount_path.format_map(_values(hub, membership, username)),
        "KERNELPOD_EXCHANGE_PERSONALISED": " ".join(exchange.personalised),
        "KERNELPOD_EXCHANGE_CLOSES_AT": exchange.closes_at,
    }


def role_of(hub: HubFile, membership: Membership) -> RoleKeys:
    """Return the course's settings for the role of a membership. Values that are None do not differ by role."""
    role: RoleKeys = getattr(hub.courses[membership.course].roles, membership.role)
    return role


def course_kernelspecs(hub: HubFile, membership: Membership) -> frozenset[str]:
    """Return the addresses of the kernelspecs of a membership; empty means all for the user's groups."""
    own = role_of(hub, membership).kernelspecs
    return frozenset(hub.courses[membership.course].kernelspecs if own is None else own)


def _values(hub: HubFile, membership: Membership, username: str) -> dict[str, str]:
    return {
        "mode": hub.mode,
        "semester": membership.semester,
        "course": membership.course,
        "username": user_slug(username),
    }


def _of_course(course: Course, storage: Storage, role: Role, values: dict[str, str]) -> Iterator[Mount]:
    named = [
        (f"{COURSE_MOUNTS}folder", course.folder),
        *((f"{COURSE_MOUNTS}mount-{key}", one) for key, one in course.mounts.items()),
    ]
    for name, folder in named:
        if folder and (access := getattr(folder.access, role)) != "none":
            yield _mount(name, folder, storage, values, read_only=access == "ro")
    for key, extra in course.volumes.items():
        if (access := getattr(extra.access, role)) != "none":
            yield _volume(f"{COURSE_VOLUMES}{key}", extra, values, read_only=access == "ro")
    if course.exchange:
        yield from _exchange(course.exchange, storage, role, values)


def _exchange(exchange: Exchange, storage: Storage, role: Role, values: dict[str, str]) -> Iterator[Mount]:
    """Yield the mounts of an exchange.

    Graders get the whole exchange. Students get its three folders; of a personalised one they get only their own
    part.
    """
    if role != "student":
        whole = Folder(path=exchange.path, mount_path=exchange.mount_path)
        yield _mount(f"{COURSE_MOUNTS}exchange", whole, storage, values, read_only=False)
        return
    for name, writable in EXCHANGE_FOLDERS.items():
        own = "/{username}" if name in exchange.personalised else ""
        part = Folder(path=f"{exchange.path}/{name}{own}", mount_path=f"{exchange.mount_path}/{name}")
        yield _mount(f"{COURSE_MOUNTS}{name}", part, storage, values, read_only=not writable)


def _volume(name: str, extra: ExtraVolume, values: dict[str, str], *, read_only: bool) -> Mount:
    mount_path = extra.mount_path.format_map(values)
    return Mount(
        name=name,
        path=extra.root or mount_path,
        sub_path="",
        mount_path=mount_path,
        read_only=read_only,
        volume=extra.volume,
    )


def _mount(name: str, folder: Folder, storage: Storage, values: dict[str, str], *, read_only: bool) -> Mount:
    sub_path = folder.path.format_map(values)
    return Mount(
        name=name,
        path=posixpath.join(storage.root, sub_path),
        sub_path=sub_path,
        mount_path=folder.mount_path.format_map(values),
        read_only=read_only,
        volume=storage.volume,
    )
