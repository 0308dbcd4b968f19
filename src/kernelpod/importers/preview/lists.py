"""Shows what a user has in courses of a `config.yaml` and its lists, and in the courses that are made of them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelpod.base.files import read_ordinary
from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.courses.course_access import CourseAccess, Membership
from kernelpod.courses.model import HubFile, Lists
from kernelpod.courses.roster import Roster
from kernelpod.importers.preview.pods import Names, at, by_name, items, source_of
from kernelpod.importers.preview.roles import blocking, courses_of, is_by_role
from kernelpod.importers.preview.rows import CPU, MEMORY, Row, Seen, amount, rows_of, shown, with_rights
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import entitlements
from kernelpod.start.identity import Identity, Owner

# Where the image of the old hub had the home.
_HOME = "/home/jovyan"
_BLOCK = ("users/blocklist", "users/blacklist", "blocklist", "blacklist")
_CELLS = re.compile(r"[,;\t\r\n]+")
_OF_CODE = "(in the old hub's code)"
_NOT_SAID = "(not in config.yaml)"
_IMAGE, _KERNELSPECS, _NETWORK = "image", "kernelspecs", "network of kernels"


@dataclass
class Member:
    """A course that a user is in."""

    course: str
    """Its hub and its name."""
    role: str
    seen: Seen
    exam: str = ""
    """The course and the semester of an exam, whose hub the old file does not name."""

    @property
    def key(self) -> str:
        """What is the same of old and new names, which have fewer characters."""
        return re.sub(r"[^a-z0-9]+", "-", (self.exam or self.course).lower())


def courses_preview(made: Imported, folder: Path, user: str) -> list[Row]:
    """Return what a user sees of each of their courses; `folder` has the new files. Raises ImportingError."""
    root = made.tree.spot(()).file.parent
    return member_rows(made, _before(made.tree.data, root, user), after_of(made, folder, user), user)


def member_rows(made: Imported, old: Iterator[Member], new: Iterator[Member], user: str) -> list[Row]:
    """Return the rows of courses that a user was in and is in. Raises ImportingError if there are none."""
    config, before, after = made.tree.spot(()).file, _by_key(old), _by_key(new)
    if not before and not after:
        raise ImportingError(
            f"{config}: --preview shows what a user has in their courses, and {user!r} is in no list of one: name "
            "another user"
        )
    return [row for key in {**before, **after} for row in _rows(before.get(key), after.get(key))]


def _by_key(members: Iterator[Member]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    for member in members:  # of several semesters the first is what a server starts with
        found.setdefault(member.key, member)
    return found


def _rows(before: Member | None, after: Member | None) -> Iterator[Row]:
    course = before.course if before else after.course if after else ""
    roles = before.role if before else "-", after.role if after else "-"
    if after and after.course != course:
        roles = roles[0], f"{roles[1]} of {after.course}"
    yield Row(course, *roles)
    old, new = (member.seen if member else Seen(_HOME, {}) for member in (before, after))
    if old.mounts or new.mounts:
        yield from (row._replace(what=f"  {row.what}") for row in rows_of(old, new))


def _before(data: Any, root: Path, user: str) -> Iterator[Member]:
    """Yield the courses whose lists name the user, and whether a block list kept them out."""
    servers = at(data, "server")
    for hub, part in servers.items() if isinstance(servers, dict) else ():
        mode = str(at(part, "mode")).lower()
        if is_by_role(part):
            yield from _of_roles(str(hub), part, mode, root, user)
        listed = at(part, "course_list")
        for course in dict.fromkeys(map(str, listed if isinstance(listed, list) else [listed])):
            if "/" not in course and names_user(root / "nbgrader" / mode / f"{course}.csv", user):
                blocked = _blocked(root, mode, course, user)
                seen = Seen(_HOME, {}) if blocked else _seen(part, _home(mode, course, user))
                yield Member(f"{hub} {course}", "blocked" if blocked else "in its list", seen)


def names_user(path: Path, user: str) -> bool:
    """Return whether a cell of a list is the user's name."""
    try:
        raw, _ = read_ordinary(path, Lists().max_bytes)
    except OSError:
        return False
    cells = _CELLS.split(raw.decode("utf-8-sig", "replace"))
    return user.casefold() in {cell.strip().strip('"').casefold() for cell in cells}


def _blocked(root: Path, mode: str, course: str, user: str) -> bool:
    courses = {path.stem for path in root.glob("nbgrader/*/*.csv")}
    lists = [path for place in _BLOCK for path in (root / place).glob("*.csv")]
    here = (path for path in lists if path.stem not in courses or (mode == "exam" and path.stem == course))
    return any(names_user(path, user) for path in here)


def _of_roles(hub: str, part: Any, mode: str, root: Path, user: str) -> Iterator[Member]:
    """Yield the courses of an older hub, in which a grader is no student."""
    blocked = any(names_user(path, user) for path in (*blocking(part, root), *_of_no_course(root)))
    found: dict[str, Member] = {}
    for one in courses_of(part, mode, root):
        if not any(names_user(path, user) for path in one.lists):
            continue
        config = one.config if isinstance(one.config, dict) else {}
        instead = {key: config[key] for key in ("image", "resources") if config.get(key)}
        if one.role == "grader" and "resources" not in instead and at(part, "grader_resources"):
            instead["resources"] = at(part, "grader_resources")
        home = one.home(mode, Names("", user).path("{username}"))
        seen = Seen(_HOME, {}) if blocked else _seen({**part, **instead}, home, reads=one.role == "student")
        found[one.id] = Member(f"{hub} {one.id}", "blocked" if blocked else one.role, seen)
    yield from found.values()


def _of_no_course(root: Path) -> Iterator[Path]:
    courses = {path.stem for path in root.glob("nbgrader/*/*.csv")}
    return (path for place in _BLOCK for path in (root / place).glob("*.csv") if path.stem not in courses)


def _home(mode: str, course: str, user: str) -> str:
    name = Names("", user).path("{username}")
    return f"{course}-{name}" if mode == "exam" else posixpath.join(mode, name)


def _seen(part: Any, home: str, *, reads: bool = False) -> Seen:
    mounts = {_HOME: f"{home} in the old homes"}
    if at(part, "extra_mounts", "enabled") is not False:
        volumes = by_name(at(part, "extra_mounts", "volumes"))
        for mount in items(at(part, "extra_mounts", "volume_mounts")):
            source = source_of(volumes.get(str(mount.get("name")), {}))
            whole = posixpath.join(source, str(mount.get("subPath") or "").strip("/")).rstrip("/")
            mounts.setdefault(
                str(mount.get("mountPath")).rstrip("/"), with_rights(whole, reads or mount.get("readOnly"))
            )
    return Seen("", mounts, facts_of(part), _NOT_SAID)


def facts_of(part: Any) -> dict[str, str]:
    """Return the image and the amounts of an old hub or course, and what its code decided."""
    resources = at(part, "resources")
    memory, cpu = (
        amount(*(at(resources, f"{what}_{which}") for which in ("guarantee", "limit"))) for what in ("mem", "cpu")
    )
    image = at(part, "image")
    if isinstance(image, dict):
        image = ":".join(str(image[key]) for key in ("name", "tag") if image.get(key))
    facts = {_IMAGE: str(image or _OF_CODE), MEMORY: memory, CPU: cpu}
    return {**facts, _KERNELSPECS: "(of the image)", _NETWORK: _OF_CODE}


def after_of(made: Imported, folder: Path, user: str, *, by_semester: bool = False) -> Iterator[Member]:
    """Yield the courses that the user is in by the new files. A file with errors lets nobody in."""
    settings = load(folder / "settings.yaml")
    for name in made.courses:
        roster = Roster(folder / name, settings)
        roster.refresh()
        if hub := roster.hub:
            for member in roster.memberships(user):
                seen = _given(settings, hub, member, user)
                exam = f"{member.course} {hub.semester}" if by_semester else ""
                yield Member(f"{hub.hub} {member.course}", member.role, seen, exam)


def _given(settings: Settings, hub: HubFile, member: Membership, user: str) -> Seen:
    identity = Identity(Owner(hub=hub.hub, kind="user", name=user), ())
    has = entitlements(settings, identity, CourseAccess(hub, member))
    course = hub.courses[member.course]
    size = getattr(course.roles, member.role).resources or course.resources
    mounts = {mount.mount_path: shown(mount) for mount in has.mounts.all()}
    facts = {
        _IMAGE: str(course.image),
        MEMORY: amount(format_bytes(size.guarantee.memory), format_bytes(size.limit.memory)),
        CPU: amount(format_millicores(size.guarantee.cpu), format_millicores(size.limit.cpu)),
        _KERNELSPECS: ", ".join(sorted(has.kernelspecs)) or "(all that their groups may use)",
        _NETWORK: course.network or "(of the kernelspec)",
    }
    return Seen(has.mounts.home.mount_path, mounts, facts)
