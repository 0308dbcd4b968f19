"""Imports the courses of an older hub, where students and graders have configurations and lists of their own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

from kernelpod.findings.finding import START
from kernelpod.findings.yamlfile import Spot
from kernelpod.importers.courses.folders import personal_of
from kernelpod.importers.courses.lists import OldLists
from kernelpod.importers.courses.parts import TITLE, commands_of, fits, image_of, legal_id, literal, resources_of
from kernelpod.importers.courses.rolefiles import RoleConfig, configs_of, folder_of
from kernelpod.importers.report import Part

HOMES = "{mode}/students/{course}/{username}"
_FLAGS = ("personalized_inbound", "personalized_outbound", "personalized_feedback")
# What a hub has beside its courses, and nothing is made of.
_NOT_TAKEN: dict[str, tuple[Any, str]] = {
    "exam_kernel": ("left", "the exam's kernelspec, and the image of its kernels, must say it"),
    "extra_profile_list": ("left", "users start courses: write one for each of these profiles"),
    "mount_server_config": ("dropped", "no user's server has the hub's configuration"),
    "grader_node": ("dropped", "see node_selector of courses"),
}
# Names of lists of the hub's own users.
_BLOCKED = re.compile(r"block|black|banned", re.IGNORECASE)
_ADMINS = re.compile(r"(?<![a-z])admins?(?![a-z])", re.IGNORECASE)
_OF_GRADERS = "commands of a course run in the servers of all roles: put what only graders need into an image"
_SERVICE = "the exchange was another service, and this course has none of folders"


@dataclass
class ByRole:
    """What is made of the courses of such a hub."""

    courses: dict[str, Any] = field(default_factory=dict)
    graders: dict[str, Any] = field(default_factory=dict)
    """What graders of all courses have."""
    commands: list[str] = field(default_factory=list)
    """Commands of all courses."""
    lists: dict[str, str] = field(default_factory=dict)
    """Lists of the hub's own, by their keys in the courses file."""


def courses_by_role(part: Part, name: str, mode: str, lists: OldLists, image: str) -> ByRole:
    """Take `nbgrader` and what belongs to it; return the courses, each with the id that the old hub gave it.

    `name` is the hub's.
    """
    made, nbgrader = ByRole(lists=_people(part, name, lists)), part.section("nbgrader")
    usual: list[str] | None = None
    if isinstance(nbgrader.peek("default_exchange"), dict):
        usual = personal_of(exchange := nbgrader.section("default_exchange"), mode)
        exchange.drop("unknown key")
    for key in ("default_exchange", "nbgrader_cmds"):
        made.commands += commands_of(nbgrader, key)
    if "grader_cmds" in nbgrader:
        nbgrader.take("grader_cmds")
        nbgrader.note("grader_cmds", "left", _OF_GRADERS)
    if sizes := resources_of(own := part.section("grader_resources")):
        made.graders["resources"] = sizes
    own.drop("only CPU and memory are imported")
    # Students come before graders, who add to their courses.
    configs = sorted(configs_of(part, nbgrader, mode, lists), key=lambda one: one.role == "grader")
    for one in configs:
        _add(made, one, lists, mode, image, usual)
    for path in sorted({path for one in configs for path in one.list.parent.glob("*.csv")}):
        if not lists.took(path) and path not in lists.course_files():
            lists.made.note_file(Spot(path, START), "dropped", "no course has a list of this name")
    _tell_of_graders(part, mode, configs)
    part.note("", "warning", "the old hub's code mounted shares at /srv/shares, too: see mounts of courses")
    nbgrader.drop("folders and exchange of a course are mounted for those who are in it")
    for key, (change, why) in _NOT_TAKEN.items():
        if key in part:
            part.take(key)
            part.note(key, change, why)
    return made


def _add(made: ByRole, one: RoleConfig, lists: OldLists, mode: str, image: str, usual: list[str] | None) -> None:
    """Add what a role has in a course."""
    part, legal = one.part, legal_id(one.id)
    if not legal:
        part.note("", "dropped", "folders cannot have this name")
        part.drop("folders cannot have this name")
        return
    if f"{one.role}s" in made.courses.get(legal, {}):
        part.note("", "dropped", f"there is another course {legal!r} of this role")
        part.drop(f"there is another course {legal!r} of this role")
        return
    first = legal not in made.courses
    course = made.courses.setdefault(legal, {})
    part.note("", "kept" if legal == one.id else "changed", "" if legal == one.id else f"its id is {legal!r} now")
    if first:
        title = part.text("course_display_name") or one.id
        course |= {} if title == legal or fits(TITLE, title) else {"title": title}
        course["exchange"] = _exchange(part, one, mode, usual)
    else:
        for flag in [flag for flag in (*_FLAGS, "exchange", "course_exchange") if flag in part]:
            part.take(flag)
            part.note(flag, "dropped", "what students have counts, and graders see all of an exchange")
    _image(course, part, image, first=first)
    size = resources_of(resources := part.section("resources"))
    resources.drop("only CPU and memory are imported; see node_selector of courses")
    if one.role == "grader":
        course |= {"folder": _folder(one), **({"roles": {"grader": {"resources": size}}} if size else {})}
        if "course_cmds" in part:
            part.take("course_cmds")
            part.note("course_cmds", "left", _OF_GRADERS)
    else:
        course |= {"resources": size, "after_start": commands_of(part, "course_cmds")}
    if "mount_prev_courses" in part:
        part.take("mount_prev_courses")
        part.note("mount_prev_courses", "dropped", "graders see the folder of this semester's course only")
    course[f"{one.role}s"] = _list(one, legal, lists)
    part.drop("users see titles, and the hub decides when a node pulls an image")
    made.courses[legal] = {key: value for key, value in course.items() if value or key in ("students", "graders")}


def _image(course: dict[str, Any], part: Part, instead: str, *, first: bool) -> None:
    """Take an image. A course has one; that of graders is another one to choose."""
    found = image_of(part, instead) if "image" in part else ""
    if found and first:
        course["image"] = found
    elif found and found != course.get("image"):
        course["images"] = {"Graders": found}
        part.note("image", "changed", "a course has one image for all: users can choose this one as Graders")


def _exchange(part: Part, one: RoleConfig, mode: str, usual: list[str] | None) -> dict[str, Any]:
    if "exchange" in part:
        part.take("exchange")
        part.note("exchange", "dropped", _SERVICE)
        return {}
    own = part.section("course_exchange")
    if own:
        personal = personal_of(own, mode)
    else:
        personal = (
            usual if usual is not None and not any(flag in part for flag in _FLAGS) else personal_of(part, mode)
        )
    own.drop("unknown key")
    part.note("", "added", "exchange: at the paths in the old hub's code, below storage.root")
    return {
        "path": f"nbgrader/exchanges/{literal(one.course)}/{literal(one.id)}",
        "mount_path": f"/srv/nbgrader/exchange/{literal(one.id)}",
        "personalised": personal,
    }


def _folder(one: RoleConfig) -> dict[str, Any]:
    """Return the course's folder, where graders work."""
    path = f"courses/{literal(one.course)}/{literal(one.id)}"
    access = {"student": "none", "grader": "rw", "admin": "rw"}
    why = f"folder: {path} below storage.root, at /srv/{path}; it was below the homes of graders"
    one.part.note("", "added", why)
    return {"path": path, "mount_path": f"/srv/{path}", "access": access}


def _list(one: RoleConfig, legal: str, lists: OldLists) -> Any:
    if not os.path.lexists(one.list):
        one.part.note("", "warning", f"there is no list {one.list}; the course has no {one.role}s")
        return []
    return lists.copy(one.list, f"lists/{one.list.parent.name}/{legal}.csv")


def _people(part: Part, hub: str, lists: OldLists) -> dict[str, str]:
    """Take the folder with lists of the hub's own users; return lists by their keys in the courses file."""
    made: dict[str, str] = {}
    given = part.text("user_list_path")
    if not given:
        return made
    if (folder := folder_of(lists.root, given)) is None:
        part.note(
            "user_list_path", "left", "there is no such folder beside config.yaml: copy it there, and import again"
        )
        part.made.ask("everybody", part.below("user_list_path"), "the users whom its lists block are not known")
        return made
    part.note("user_list_path", "changed", "the lists are below lists/")
    for path in sorted(folder.glob("*.csv")):
        if _BLOCKED.search(path.name):
            made["block"] = f"lists/block/{hub}"
            lists.copy(path, f"{made['block']}/{path.name}")
        elif _ADMINS.search(path.name):
            made["admins"] = f"lists/admins/{hub}"
            lists.copy(path, f"{made['admins']}/{path.name}")
        else:
            why = "who is in no course starts nothing: add these users to a course, as graders for example"
            lists.made.note_file(Spot(path, START), "dropped", why)
    return made


def _tell_of_graders(part: Part, mode: str, configs: list[RoleConfig]) -> None:
    """Ask about the homes of graders, which were elsewhere, and tell of their ids."""
    if graders := [one for one in configs if one.role == "grader"]:
        why = f"the home of a grader was {mode}/graders/<user> for all courses, and would be one for each course"
        part.made.ask("homes-move", graders[0].part.keys, why)
        why = "the old hub's code gave graders ids of their own, 2000: see roles.grader.uid and gid of courses"
        part.note("", "warning", why)
