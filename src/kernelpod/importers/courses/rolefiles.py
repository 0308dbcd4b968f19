"""Finds the courses of an older hub, where students and graders have configurations and lists of their own.

They are in `nbgrader.student_course_cfg` and `nbgrader.formgrader.grader_course_cfg`, by course and semester, or
in files `<course>/<student or grader>/<course id>.yaml` of the folder `nbgrader.course_dir`, with their lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from kernelpod.findings.finding import unusable
from kernelpod.findings.yamlfile import YamlTree, read_tree
from kernelpod.importers.courses.lists import OldLists
from kernelpod.importers.report import Part

Role = Literal["student", "grader"]
_COURSE_DIR = "course_dir"
_CONFIGS = ("student_course_cfg", "formgrader")
# Keys that name folders with lists, by mode.
_STUDENTS = {"teaching": ("student_user_dir",), "exam": ("exam_user_dir", "student_user_dir")}
_LISTS = ("grader_user_dir", "student_user_dir", "exam_user_dir")
# Keys of a course's configuration; without any there are semesters below a course's name.
_OF_A_COURSE = frozenset(
    (
        *("image", "pullPolicy", "resources", "exchange", "course_exchange", "course_cmds", "assignment_id"),
        *(
            "personalized_inbound",
            "personalized_outbound",
            "personalized_feedback",
            "extra_profile_description",
            "mount_prev_courses",
        ),
    )
)


class RoleConfig(NamedTuple):
    """What one role has in one course."""

    course: str
    """The course's name, without its semester."""
    id: str
    role: Role
    part: Part
    list: Path
    """Where the list of its users is; there may be none."""


def is_by_role(part: Part) -> bool:
    """Return whether a hub has courses by role."""
    nbgrader = part.peek("nbgrader")
    return isinstance(nbgrader, dict) and not {*_CONFIGS, _COURSE_DIR}.isdisjoint(nbgrader)


def with_course_files(tree: YamlTree, root: Path) -> YamlTree:
    """Return the tree of a `config.yaml` that also has the files of each hub's `nbgrader.course_dir`.

    Each is in `nbgrader` under its path in that folder. Raises FindingsError if one is no configuration.
    """
    servers = tree.data.get("server")
    spots, made = dict(tree.spots), dict[str, Any]()
    for name, server in servers.items() if isinstance(servers, dict) else ():
        made[name] = server
        nbgrader = server.get("nbgrader") if isinstance(server, dict) else None
        given = nbgrader.get(_COURSE_DIR) if isinstance(nbgrader, dict) else None
        folder = folder_of(root, given) if isinstance(given, str) else None
        for file in sorted(folder.glob("*/*/*.y*ml")) if folder else ():
            inner, key = _config(file, root), "/".join(file.parts[-3:])
            nbgrader = {**(nbgrader or {}), key: inner.data}
            spots |= {("server", name, "nbgrader", key, *below): spot for below, spot in inner.spots.items()}
            made[name] = {**server, "nbgrader": nbgrader}
    return YamlTree({**tree.data, "server": made}, spots) if made else tree


def _config(file: Path, root: Path) -> YamlTree:
    if not file.resolve().is_relative_to(root.resolve()):
        raise unusable(file, "this link leads out of the imported folder; replace it with the file")
    return read_tree(file, "image: and resources:")


def folder_of(root: Path, given: str) -> Path | None:
    """Return the folder beside `config.yaml` that the old hub had mounted at a path; None if there is none."""
    words = [word for word in PurePosixPath(given).parts if word not in ("/", "..")]
    found = (root.joinpath(*words[start:]) for start in range(len(words)))
    return next((path for path in found if path.is_dir()), None)


def configs_of(part: Part, nbgrader: Part, mode: str, lists: OldLists) -> Iterator[RoleConfig]:
    """Take the configuration of each role in each course."""
    if nbgrader.text(_COURSE_DIR):
        nbgrader.note(_COURSE_DIR, "changed", "courses and their lists are in the courses file and below lists/")
    for key in [key for key in nbgrader.names() if key.count("/") == 2]:
        course, folder, file = key.split("/")
        one, name = nbgrader.section(key), file.rpartition(".")[0]
        if "student" in folder.lower() or "grader" in folder.lower():
            role: Role = "grader" if "grader" in folder.lower() else "student"
            yield RoleConfig(course, name, role, one, _beside(nbgrader.made.tree.spot(one.keys).file.parent, name))
        else:
            one.note("", "dropped", "its folder is neither for students nor for graders")
            one.drop("its folder is neither for students nor for graders")
    graders = nbgrader.section("formgrader")
    for role, courses in (
        ("student", nbgrader.section("student_course_cfg")),
        ("grader", graders.section("grader_course_cfg")),
    ):
        folder_path = _lists_of(part, role, mode, lists.root)
        for course, name, one in _semesters(courses):
            yield RoleConfig(course, name, role, one, folder_path / f"{name}.csv")
    graders.drop("who is in a list of graders is a grader")
    for key in _LISTS:
        if key in part:
            part.take(key)
            used = key in ("grader_user_dir", *_STUDENTS[mode])
            why = "the lists of courses are below lists/" if used else "it is for hubs of another mode"
            part.note(key, "changed" if used else "dropped", why)


def _semesters(courses: Part) -> Iterator[tuple[str, str, Part]]:
    """Take courses; yield the name, the id and the configuration of each course in each semester."""
    for key, one in courses.sections():
        if not one or not _OF_A_COURSE.isdisjoint(one.names()):
            yield key.rpartition("-")[0] or key, key, one
        else:
            for semester, inner in one.sections():
                yield key, f"{key}-{semester}", inner


def _lists_of(part: Part, role: Role, mode: str, root: Path) -> Path:
    """Return the folder with the lists of a role."""
    keys = ("grader_user_dir",) if role == "grader" else _STUDENTS[mode]
    given = next((value for key in keys if isinstance(value := part.peek(key), str)), "")
    return (folder_of(root, given) if given else None) or root / "nbgrader" / (mode if role == "student" else role)


def _beside(folder: Path, name: str) -> Path:
    """Return the list beside a configuration: that of the same name, or one whose name has it."""
    exact = folder / f"{name}.csv"
    others = (path for path in sorted(folder.glob("*.csv")) if name in path.stem)
    return exact if exact.is_file() else next(others, exact)
