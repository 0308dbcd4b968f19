"""Checks a courses file: its form and rules, and the lists, kernelspecs, images and folders that it names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from pathlib import Path
from typing import Literal

from kernelpod.base.names import user_slug
from kernelpod.courses.files import folders_of
from kernelpod.courses.load import ROLES, Courses, ListUse, load_courses
from kernelpod.courses.logo import read_logo
from kernelpod.courses.model import MODES, Lists
from kernelpod.courses.roster import list_finding, read_list
from kernelpod.courses.rules import findings_of
from kernelpod.courses.tables import BadList
from kernelpod.courses.userlists import normal, odd
from kernelpod.findings.finding import Finding, FindingsError, Place
from kernelpod.findings.yamlfile import Keys, Spot
from kernelpod.kernelspecs.registries.images import Answer
from kernelpod.settings.hubs import Hub
from kernelpod.settings.origins import shared_origin
from kernelpod.settings.sections import Settings


def check_courses(
    path: Path,
    settings: Settings,
    specs: Collection[str] | None = None,
    ask: Callable[[list[str]], list[Answer]] | None = None,
) -> list[Finding]:
    """Return the findings in a courses file and in the lists that it names, sorted by file and line.

    `specs` are the addresses of the existing kernelspecs, and `ask` finds out which images exist. If one of them
    is None, kernelspecs or images are not checked.
    """
    try:
        courses = load_courses(path)
    except FindingsError as error:
        return list(error.findings)
    found = {
        *findings_of(courses, settings),
        *_lists(courses, settings),
        *_specs(courses, specs),
        *(_images(courses, ask) if ask else ()),
        *_folders(courses),
        *_storage(courses, settings),
        *_homes_in_homes(courses, settings),
        *([logo] if isinstance(logo := read_logo(courses, settings), Finding) else ()),
    }
    return sorted(found)


def shared_origins(path: Path, settings: Settings) -> list[Finding]:
    """Return a warning if the settings give the servers of the file's users no hosts of their own."""
    try:
        courses = load_courses(path)
    except FindingsError:
        return []
    uses = [use for use in courses.lists() if use.role != "block"]
    several = any(use.path for use in uses) or len({name for use in uses for name in use.users.names}) > 1
    hubs = [hub for hub in settings.hubs if hub.name == courses.hub.hub and hub.subdomain_host is None]
    remedy = "set hubs[].subdomain_host in the settings (hub.subdomains in the file of `kernelpod deploy`)"
    return [shared_origin(*courses.tree.spot(("hub",)), remedy) for _ in hubs if several]


def _lists(courses: Courses, settings: Settings) -> Iterator[Finding]:
    read: dict[Path, dict[str, Spot] | None] = {}
    blocked: dict[str, Spot] = {}
    others: set[str] = set()
    below = folders_of(courses, settings)
    for use in courses.lists():
        names = yield from _in_place(courses, use)
        if use.path is not None:
            if use.path not in read:
                read[use.path] = yield from _one_list(courses, use, use.path, below)
            names = read[use.path] or {}
        for name in sorted(names):
            if user_slug(name) in MODES:
                said = f"the user {name!r} is left out: a mode has this name, and its folder would be their home"
                yield courses.finding(use.keys, said, "warning")
        if use.role == "block":
            blocked = names
        else:
            # As the roster compares names with the list of blocked users.
            others |= {spelling for name in names for spelling in (name, normal(name, Lists()))}
    # A list that cannot be read may name the blocked users.
    if None not in read.values():
        for name in blocked.keys() - others:
            said = f"this blocks nobody: no course and no other list of this hub names {name!r}; check the name"
            yield Finding(*blocked[name], said, "warning")


def _in_place(courses: Courses, use: ListUse) -> Generator[Finding, None, dict[str, Spot]]:
    """Yield the findings in a list that is in the courses file itself; return the places of its users."""
    spots: dict[str, Spot] = {}
    for number, name in enumerate(use.users.names):
        keys = (*use.keys, number)
        if why := odd(name):
            said = f"the user name {why}; write each user as an entry of their own, as the hub spells the name"
            yield courses.finding(keys, said, "warning")
        spots.setdefault(normal(name, courses.hub.lists), courses.tree.spot(keys))
    return spots


def _one_list(
    courses: Courses, use: ListUse, path: Path, below: Sequence[Path]
) -> Generator[Finding, None, dict[str, Spot] | None]:
    """Yield the findings in a list; return the places of its users, or None if it cannot be used."""
    try:
        read, _ = read_list(path, courses.hub.lists, below)
    except (FileNotFoundError, NotADirectoryError):
        yield courses.finding(use.keys, f"there is no file {path}{_beside(path)}")
        return None
    except (OSError, BadList) as error:
        yield list_finding(path, error)
        return None
    for file, names in read.items():
        for line, said in names.remarks:
            yield Finding(file, Place(line), said, "warning")
    spots = {name: Spot(file, Place(line)) for file, names in read.items() for name, line in names.names.items()}
    if not spots:
        yield Finding(path, Place(), "the list is empty: it names no user", "warning")
    return spots


def _beside(path: Path) -> str:
    """Return a hint for a path that does not exist: similar files or folders that do."""
    folder = path.parent
    try:
        if folder.is_dir():
            return f"; the folder holds {', '.join(sorted(one.name for one in folder.iterdir())[:8]) or 'nothing'}"
        there = next(parent for parent in folder.parents if parent.is_dir())
        others = [one / path.name for one in sorted(there.iterdir()) if (one / path.name).exists()]
    except OSError:
        others = []
    return f": there is no folder {folder}" + (f", but {others[0]}" if others else "")


def _storage(courses: Courses, settings: Settings) -> Iterator[Finding]:
    """Yield warnings about limits of the kind of volume that the homes use."""
    volume = settings.homes.volume
    if volume.kind == "none":
        said = "files are lost when a server or kernel ends, and neither sees the other's"
        yield courses.finding(("hub",), f"homes.volume.kind is none: {said}", "warning")
    elif volume.kind == "dynamic":
        said = f"kernels find only homes that are folders of {volume.server} below {settings.homes.root}"
        other = "with another storage class kernels must share the hub's namespace (kind: pvc)"
        yield courses.finding(("hub",), f"homes.volume.kind is dynamic: {said}; {other}", "warning")


def _homes_in_homes(courses: Courses, settings: Settings) -> Iterator[Finding]:
    """Yield a finding if homes are inside the homes of another hub, or are these.

    The owner of a folder can replace the folders in it, so users of that hub could replace these homes.
    """
    if courses.hub.hub not in {hub.name for hub in settings.hubs}:
        return
    own = settings.homes.path_template.replace("{hub}", courses.hub.hub)
    mine = courses.hub.home_template or own
    for hub in settings.hubs:
        other = _home_template(hub, settings)
        if hub.name != courses.hub.hub and other == mine and not settings.homes.shared_homes:
            said = f"homes are those of the hub {hub.name!r} ({other}); equal names may be different people"
            remedy = (
                f"begin with a name such as _{courses.hub.hub}, or set homes.shared_homes: true in the settings"
            )
            yield courses.finding(("home",), f"{said}; {remedy}")
        if hub.name != courses.hub.hub and other and mine.startswith(f"{other}/"):
            said = f"homes are inside homes of the hub {hub.name!r} ({other}), whose users could replace them"
            yield courses.finding(("home",), f"{said}; begin with a name such as _{courses.hub.hub}")


def _home_template(hub: Hub, settings: Settings) -> str | None:
    """Return the path template of a hub's homes; None if its courses file cannot be used."""
    own = settings.homes.path_template.replace("{hub}", hub.name)
    try:
        return (load_courses(hub.courses).hub.home_template or own) if hub.courses else own
    except FindingsError:
        return None


def _specs(courses: Courses, specs: Collection[str] | None) -> Iterator[Finding]:
    if specs is None:
        return
    for name, course in courses.hub.offered_courses().items():
        named: list[tuple[Keys, tuple[str, ...]]] = [(("kernelspecs",), course.kernelspecs)]
        named += [
            (("roles", role, "kernelspecs"), getattr(course.roles, role).kernelspecs or ()) for role in ROLES
        ]
        for keys, addresses in named:
            for number, address in enumerate(addresses):
                if address not in specs:
                    said = f"there is no kernelspec {address!r}; there are {', '.join(sorted(specs)[:10])}"
                    yield courses.finding(("courses", name, *keys, number), said)


def _images(courses: Courses, ask: Callable[[list[str]], list[Answer]]) -> Iterator[Finding]:
    """Yield a finding for each image of servers that does not exist, where it is named first."""
    named: dict[str, Keys] = {}
    for name, course in courses.hub.offered_courses().items():
        if course.image:
            named.setdefault(course.image, ("courses", name, "image"))
        for title, image in course.images.items():
            named.setdefault(image, ("courses", name, "images", title))
    for answer in ask(list(named)):
        if answer.state != "found":
            level: Literal["error", "warning"] = "error" if answer.state == "missing" else "warning"
            said = "does not exist" if answer.state == "missing" else "could not be checked"
            why = f": {answer.reason}" if answer.reason else ""
            yield courses.finding(named[answer.image], f"the image {answer.image} {said}{why}", level)


def _folders(courses: Courses) -> Iterator[Finding]:
    """Yield a warning for each missing folder of a course, if the storage is mounted on this machine."""
    hub = courses.hub
    if not Path(hub.storage.root).is_dir():
        return
    for name, course in hub.offered_courses().items():
        parts = {"folder": course.folder, "exchange": course.exchange}
        for semester in hub.semesters(course):
            words = {"mode": hub.mode, "semester": semester, "course": name}
            for key, part in parts.items():
                if part and "{username}" not in part.path:
                    path = Path(hub.storage.root, part.path.format_map(words))
                    if not path.is_dir():
                        yield courses.finding(
                            ("courses", name, key, "path"), f"there is no folder {path}", "warning"
                        )
