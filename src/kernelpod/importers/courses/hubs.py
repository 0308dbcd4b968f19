"""Converts a `config.yaml` with `server.<hub>`, and its lists, to one courses file for each hub."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kernelpod.findings.finding import START, FindingsError, unusable
from kernelpod.findings.yamlfile import Keys, Spot, read_tree
from kernelpod.importers.courses.folders import exchange_of, mounts_of
from kernelpod.importers.courses.lists import ALLOW, BLOCK, USERNAME, OldLists
from kernelpod.importers.courses.parts import (
    TITLE,
    commands_of,
    fits,
    hub_name,
    image_of,
    legal_id,
    profiles_of,
    resources_of,
)
from kernelpod.importers.courses.rolefiles import is_by_role, with_course_files
from kernelpod.importers.courses.roles import HOMES, courses_by_role
from kernelpod.importers.report import Imported, ImportingError, Part

_MODES = ("teaching", "exam")


def imported_courses(config: Path, image: str = "", kernelspecs: Sequence[str] = ()) -> Imported:
    """Return courses files, lists and settings for a `config.yaml` and the folders beside it.

    `image` is for hubs whose image has no fixed tag. `kernelspecs` are those of exams. Raises ImportingError.
    """
    try:
        return _imported(config, image, kernelspecs)
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error


def _imported(config: Path, image: str, kernelspecs: Sequence[str]) -> Imported:
    made = Imported(with_course_files(read_tree(config), config.parent))
    top = Part(made, (), made.tree.data)
    servers = top.section("server")
    top.drop("unknown key")
    if not servers:
        raise unusable(config, "there is no server.<hub>: the file does not have the layout courses-config")
    lists = OldLists(made, config.parent)
    hubs = {}
    for name, part in servers.sections():
        legal = hub_name(name)
        if legal in hubs or legal == "settings":
            raise unusable(
                config, f"two hubs or files would have the name {legal!r}", made.tree.spot(part.keys).place
            )
        if legal != name:
            part.note("", "changed", f"its name is {legal} now: at most 30 lower-case letters, digits and '-'")
        hubs[legal] = _hub(part, legal, lists, image, kernelspecs)
    _allowed(made, lists)
    _left(made, lists)
    write_hubs(made, hubs, lists)
    return made


def write_hubs(made: Imported, hubs: dict[str, dict[str, Any]], lists: OldLists) -> None:
    """Add the lists, the courses files of hubs by their names, and the settings."""
    column = lists.finish()
    titled = {} if column == USERNAME else {"lists": {"column": column}}
    for legal, hub in hubs.items():
        made.write_yaml(f"{legal}.yaml", {**hub, **titled})
        made.courses.append(f"{legal}.yaml")
    settings: dict[str, Any] = {"hubs": [_settings(legal, hub) for legal, hub in hubs.items()]}
    if len(hubs) > 1:  # as in the base that they come from, whose homes lie below one root
        settings["homes"] = {"shared_homes": True}
    made.write_yaml("settings.yaml", settings)


def _settings(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a hub, which allow its courses to mount their storage."""
    storage = hub.get("storage", {})
    volume = storage.get("volume", {})
    made: dict[str, Any] = {"name": name}
    if claim := volume.get("claim"):
        made["courses_may_mount"] = [f"pvc/{claim}"]
    if server := volume.get("server"):
        made["courses_nfs"] = [{"server": server, "root": storage["root"]}]
    return made


def _hub(part: Part, name: str, lists: OldLists, image: str, kernelspecs: Sequence[str]) -> dict[str, Any]:
    """Return one courses file, still without the column of user names."""
    mode = _mode(part)
    hub: dict[str, Any] = {"hub": name, "mode": mode}
    if semester := _semester(part):
        hub["semester"] = semester
    roles = courses_by_role(part, name, mode, lists, image) if is_by_role(part) else None
    if home := _home(part, mode, by_role=roles is not None):
        hub["home"] = home
    storage, mounts = mounts_of(part, mode, by_role=roles is not None)
    if storage:
        hub["storage"] = storage
    else:
        part.note("", "added", "storage: the claim `courses`, because the source has no usable volume")
    courses, students = (roles.courses, "") if roles else _courses(part, mode, lists)
    if block := _blocked(lists, name, mode, list(courses)):
        hub["block"] = block
    defaults: dict[str, Any] = {"image": image_of(part, image)}
    defaults["resources"] = resources_of(resources := part.section("resources"))
    resources.drop("only CPU and memory are imported")
    if mode == "exam":
        defaults |= {"network": "none", "kernelspecs": list(kernelspecs)}
        part.note("", "added", "network: none, because an exam must allow explicitly what its kernels can reach")
    exchange = {} if roles else exchange_of(part, mode)
    defaults |= {"exchange": exchange, "mounts": mounts, **profiles_of(part)}
    defaults |= {"after_start": commands_of(part), "students": students}
    if roles:
        defaults["after_start"] += roles.commands
        defaults["roles"] = {"grader": roles.graders} if roles.graders else {}
        hub |= roles.lists
    hub["defaults"] = {key: value for key, value in defaults.items() if value}
    hub["courses"] = courses
    part.drop("unknown key")
    return hub


def _mode(part: Part) -> str:
    mode = part.text("mode").lower()
    if mode not in _MODES:
        place = part.made.tree.spot(part.below("mode"))
        raise unusable(place.file, f"{'.'.join(map(str, part.keys))}.mode: write teaching or exam", place.place)
    part.note("mode", "kept")
    return mode


def _home(part: Part, mode: str, *, by_role: bool) -> str:
    """Return the path of homes; empty for the usual one of exams."""
    if by_role and mode == "teaching":
        part.note(
            "", "added", "home: that of students as before, if homes.root of the settings is the old `homes`"
        )
        return HOMES
    if mode == "teaching":
        part.note("", "added", "home: as before, if homes.root of the settings is the old folder `homes`")
        return "{mode}/{username}"
    former = "exam/students/<course>/<user>" if by_role else "<course>-<user>"
    why = f"homes are exam/<semester>/<course>/<user> below homes.root, not {former}: move old ones"
    part.note("", "changed", why)
    return ""


def _semester(part: Part) -> str:
    given = part.text("semester_id")
    if not given:
        return ""
    made = legal_id(given.lower())
    if made == given:
        part.note("semester_id", "kept")
    else:
        part.note("semester_id", "changed", f"it is {made!r} now, because folders have this name")
    return made


def _courses(part: Part, mode: str, lists: OldLists) -> tuple[dict[str, Any], str]:
    """Return the courses, and the path of the lists of their students."""
    courses: dict[str, Any] = {}
    students = f"lists/{mode}/{{course}}.csv"
    for keys, name in part.words("course_list"):
        made, legal = part.made, legal_id(name)
        if not legal or legal in courses:
            made.note(keys, "dropped", f"{legal!r} occurs twice" if legal else "folders cannot have this name")
            continue
        courses[legal] = _course(keys, name, legal, mode, lists)
    if not courses:
        return courses, ""
    return courses, students


def _course(keys: Keys, name: str, legal: str, mode: str, lists: OldLists) -> dict[str, Any]:
    course: dict[str, Any] = {}
    if legal == name:
        lists.made.note(keys, "kept")
    else:
        lists.made.note(keys, "changed", f"its id is {legal!r} now; rename its folders")
        if not fits(TITLE, name):
            course["title"] = name
    if "/" in name or name in (".", ".."):
        lists.made.note(keys, "warning", "its list would be in another folder; the course has no users")
        return {**course, "students": []}
    source = lists.course(mode, name)
    if not os.path.lexists(source):
        lists.made.note(keys, "warning", f"there is no list {source}; the course has no users")
        return {**course, "students": []}
    path = lists.copy(source, target := f"lists/{mode}/{legal}.csv")
    return course if path == target else {**course, "students": path}


def _blocked(lists: OldLists, hub: str, mode: str, courses: list[str]) -> str:
    """Return the folder of block lists: those of the exam's courses, and those of no course."""
    named = lists.known_courses() | set(courses)
    here = [
        path
        for path in lists.folder(BLOCK)
        if path.stem not in named or (mode == "exam" and legal_id(path.stem) in courses)
    ]
    for path in here:
        lists.copy(path, f"lists/block/{hub}/{path.name}")
    return f"lists/block/{hub}" if here else ""


def _allowed(made: Imported, lists: OldLists) -> None:
    """Copy the allow lists without using them: with `allow`, unlisted users of courses could not log in."""
    members = frozenset[str]()
    for path in lists.course_files():
        if lists.took(path):
            members |= lists.names(lists.copy(path, f"lists/{path.parent.name}/{legal_id(path.stem)}.csv"))
    for path in lists.folder(ALLOW):
        beside = lists.names(lists.copy(path, f"lists/allow/{path.name}")) - members
        why = (
            f"{len(beside)} of its users are in no course. They could log in before; now add them to a course, as "
            f"graders for example. `allow: lists/allow` is not written: it would exclude all other users"
        )
        made.note_file(Spot(path, START), "changed", why)


def _left(made: Imported, lists: OldLists) -> None:
    """Report the lists that are not imported."""
    for path in lists.course_files():
        if not lists.took(path):
            made.note_file(Spot(path, START), "dropped", "no hub of this mode has a course with this name")
    for path in lists.folder(BLOCK):
        if not lists.took(path):
            why = (
                "a course's block list is only for its exams, and it has none; remove users from the course's list"
            )
            made.note_file(Spot(path, START), "dropped", why)
