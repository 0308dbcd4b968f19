"""From `config.yaml` with `server.<hub>`, and its lists, to one courses file a hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from kernelpod.courses.fields import Identifier, Title
from kernelpod.findings.finding import START, FindingsError, unusable
from kernelpod.findings.yamlfile import Keys, Spot, read_tree
from kernelpod.importers.courses.folders import exchange_of, mounts_of
from kernelpod.importers.courses.lists import ALLOW, BLOCK, USERNAME, OldLists
from kernelpod.importers.courses.parts import fits, image_of, profiles_of, resources_of
from kernelpod.importers.report import Imported, ImportingError, Part

_ID: TypeAdapter[str] = TypeAdapter(Identifier)
_TITLE: TypeAdapter[str] = TypeAdapter(Title)
# Of a command in `after_start`.
MAX_COMMAND = 4096
_MODES = ("teaching", "exam")


def imported_courses(config: Path, image: str = "", kernelspecs: Sequence[str] = ()) -> Imported:
    """Return courses files, lists and settings made of a `config.yaml` and the folders beside it.

    `image` is for hubs whose own is not fixed, `kernelspecs` are those of exams. Raises ImportingError.
    """
    try:
        return _imported(config, image, kernelspecs)
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error


def _imported(config: Path, image: str, kernelspecs: Sequence[str]) -> Imported:
    made = Imported(read_tree(config))
    top = Part(made, (), made.tree.data)
    servers = top.section("server")
    top.drop("not known")
    if not servers:
        raise unusable(config, "there is no server.<hub>: this is no configuration of the layout courses-config")
    lists = OldLists(made, config.parent)
    hubs = {}
    for name, part in servers.sections():
        legal = _hub_name(name)
        if legal in hubs or legal == "settings":
            raise unusable(config, f"two hubs or files would be called {legal!r}", made.tree.spot(part.keys).place)
        if legal != name:
            part.note("", "changed", f"the hub is called {legal}: lower-case letters, digits and '-', at most 30")
        hubs[legal] = _hub(part, legal, lists, image, kernelspecs)
    _allowed(made, lists)
    _left(made, lists)
    column = lists.finish()
    titled = {} if column == USERNAME else {"lists": {"column": column}}
    for legal, hub in hubs.items():
        made.write_yaml(f"{legal}.yaml", {**hub, **titled})
        made.courses.append(f"{legal}.yaml")
    made.write_yaml("settings.yaml", {"hubs": [_settings(legal, hub) for legal, hub in hubs.items()]})
    return made


def _settings(name: str, hub: dict[str, Any]) -> dict[str, Any]:
    """Return what the settings say of a hub: its courses may name the claim of their storage."""
    claim = hub.get("storage", {}).get("volume", {}).get("claim")
    return {"name": name, **({"courses_may_mount": [f"pvc/{claim}"]} if claim else {})}


def _hub_name(name: str) -> str:
    legal = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (legal if legal[:1].isalpha() else f"hub-{legal}")[:30].strip("-")


def _hub(part: Part, name: str, lists: OldLists, image: str, kernelspecs: Sequence[str]) -> dict[str, Any]:
    """Return one courses file, whose column of names is not known yet."""
    mode = _mode(part)
    hub: dict[str, Any] = {"hub": name, "mode": mode}
    if semester := _semester(part):
        hub["semester"] = semester
    if mode == "teaching":
        hub["home"] = "{mode}/{username}"
        part.note("", "added", "home: as before, where homes.root of the settings is the old folder `homes`")
    else:
        why = "homes are exam/<semester>/<course>/<user> below homes.root, not <course>-<user>: move old ones"
        part.note("", "changed", why)
    storage, mounts = mounts_of(part, mode)
    if storage:
        hub["storage"] = storage
    else:
        part.note("", "added", "storage: nothing that can be used says what it is; the claim `courses` is taken")
    courses, students = _courses(part, mode, lists)
    if block := _blocked(lists, name, mode, list(courses)):
        hub["block"] = block
    defaults: dict[str, Any] = {"image": image_of(part, image)}
    defaults["resources"] = resources_of(resources := part.section("resources"))
    resources.drop("a size is CPU and memory")
    if mode == "exam":
        defaults |= {"network": "none", "kernelspecs": list(kernelspecs)}
        part.note("", "added", "network: none, since an exam names what its kernels reach")
    defaults |= {"exchange": exchange_of(part, mode), "mounts": mounts, **profiles_of(part)}
    defaults |= {"after_start": _commands(part), "students": students}
    hub["defaults"] = {key: value for key, value in defaults.items() if value}
    hub["courses"] = courses
    part.drop("not known")
    return hub


def _mode(part: Part) -> str:
    mode = part.text("mode").lower()
    if mode not in _MODES:
        place = part.made.tree.spot(part.below("mode"))
        raise unusable(place.file, f"{'.'.join(map(str, part.keys))}.mode: write teaching or exam", place.place)
    part.note("mode", "kept")
    return mode


def _semester(part: Part) -> str:
    given = part.text("semester_id")
    if not given:
        return ""
    made = _legal(given.lower())
    if made == given:
        part.note("semester_id", "kept")
    else:
        part.note("semester_id", "changed", f"it is {made!r}, since it is the name of folders")
    return made


def _legal(name: str) -> str:
    """Return an id that a course or semester may have; empty if nothing is left of the name."""
    return name if not fits(_ID, name) else re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_")[:40].strip("-_")


def _courses(part: Part, mode: str, lists: OldLists) -> tuple[dict[str, Any], str]:
    """Return the courses, and where the lists of their students lie."""
    courses: dict[str, Any] = {}
    students = f"lists/{mode}/{{course}}.csv"
    for keys, name in part.words("course_list"):
        made, legal = part.made, _legal(name)
        if not legal or legal in courses:
            made.note(
                keys, "dropped", f"there is a {legal!r} already" if legal else "no letters for a name of folders"
            )
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
        lists.made.note(keys, "changed", f"its id is {legal!r}, since it is the name of folders: rename them")
        if not fits(_TITLE, name):
            course["title"] = name
    if "/" in name or name in (".", ".."):
        lists.made.note(keys, "warning", "its list would lie elsewhere; nobody is in the course")
        return {**course, "students": []}
    source = lists.course(mode, name)
    if not os.path.lexists(source):
        lists.made.note(keys, "warning", f"there is no list {source}; nobody is in the course")
        return {**course, "students": []}
    path = lists.copy(source, target := f"lists/{mode}/{legal}.csv")
    return course if path == target else {**course, "students": path}


def _blocked(lists: OldLists, hub: str, mode: str, courses: list[str]) -> str:
    """Return the folder of who is blocked: by lists of the exam's course, and by lists of no course."""
    named = lists.known_courses() | set(courses)
    here = [
        path
        for path in lists.folder(BLOCK)
        if path.stem not in named or (mode == "exam" and _legal(path.stem) in courses)
    ]
    for path in here:
        lists.copy(path, f"lists/block/{hub}/{path.name}")
    return f"lists/block/{hub}" if here else ""


def _allowed(made: Imported, lists: OldLists) -> None:
    """Copy the lists of who may log in beside those in courses; a hub with `allow` would shut these out."""
    members = frozenset[str]()
    for path in lists.course_files():
        if lists.took(path):
            members |= lists.names(lists.copy(path, f"lists/{path.parent.name}/{_legal(path.stem)}.csv"))
    for path in lists.folder(ALLOW):
        beside = lists.names(lists.copy(path, f"lists/allow/{path.name}")) - members
        why = (
            f"{len(beside)} of its users are in no course: they could log in; here they need one, say as graders. "
            f"allow: lists/allow would shut everybody else out, so it is not written"
        )
        made.note_file(Spot(path, START), "changed", why)


def _left(made: Imported, lists: OldLists) -> None:
    """Tell the lists that are not taken over."""
    for path in lists.course_files():
        if not lists.took(path):
            made.note_file(Spot(path, START), "dropped", "no hub has a course of this name in this mode")
    for path in lists.folder(BLOCK):
        if not lists.took(path):
            why = "it blocks in exams of its course only, and here is none; take users out of the course's list"
            made.note_file(Spot(path, START), "dropped", why)


def _commands(part: Part) -> list[str]:
    commands = []
    for keys, command in part.words("commands"):
        if len(command) > MAX_COMMAND:
            part.made.note(keys, "dropped", f"it is longer than {MAX_COMMAND} characters; put it into the image")
        else:
            commands.append(command)
    if commands:
        part.note("commands", "changed", "after_start: they run one after another, also after one that failed")
    return commands
