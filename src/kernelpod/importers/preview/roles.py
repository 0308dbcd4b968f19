"""Finds the courses of an older hub, where students and graders had configurations of their own."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from kernelpod.importers.preview.pods import at

# Where the hub's own code looked, if nothing says it.
_DEFAULTS = {"grader": "grader", "teaching": "teaching", "exam": "exam"}
_KEYS = {
    "grader": ("grader_user_dir",),
    "teaching": ("student_user_dir",),
    "exam": ("exam_user_dir", "student_user_dir"),
}


class Course(NamedTuple):
    """What one role had in one course."""

    id: str
    role: str
    config: Any
    lists: list[Path]

    def home(self, mode: str, name: str) -> str:
        """Return the folder of a user's home."""
        return posixpath.join(mode, "graders" if self.role == "grader" else f"students/{self.id}", name)


def is_by_role(part: Any) -> bool:
    """Return whether a hub has courses by role."""
    nbgrader = at(part, "nbgrader")
    keys = {"student_course_cfg", "formgrader", "course_dir"}
    return isinstance(nbgrader, dict) and not keys.isdisjoint(nbgrader)


def courses_of(part: Any, mode: str, root: Path) -> Iterator[Course]:
    """Yield the courses of each role."""
    nbgrader = at(part, "nbgrader") or {}
    for key, config in nbgrader.items():
        if str(key).count("/") == 2:
            _, folder, file = str(key).split("/")
            name = file.rpartition(".")[0]
            found = [path for path in sorted(root.rglob(f"{folder}/*.csv")) if name in path.stem]
            exact = [path for path in found if path.stem == name]
            yield Course(name, "grader" if "grader" in folder.lower() else "student", config, (exact or found)[:1])
    for role, configs in (
        ("student", at(nbgrader, "student_course_cfg")),
        ("grader", at(nbgrader, "formgrader", "grader_course_cfg")),
    ):
        place = mode if role == "student" else role
        given = next((said for key in _KEYS.get(place, ()) if isinstance(said := at(part, key), str)), "")
        folder = posixpath.basename(given.rstrip("/")) or _DEFAULTS.get(place, place)
        for name, config in _each(configs):
            yield Course(
                name, role, config, [path for path in root.rglob(f"{name}.csv") if path.parent.name == folder]
            )


def _each(configs: Any) -> Iterator[tuple[str, Any]]:
    """Yield the id and the configuration of each course in each semester."""
    for course, inner in configs.items() if isinstance(configs, dict) else ():
        semesters = (
            isinstance(inner, dict) and inner and all(isinstance(one, dict | None) for one in inner.values())
        )
        if semesters and not inner.keys() & {"resources", "course_exchange", "image"}:
            yield from ((f"{course}-{semester}", config) for semester, config in inner.items())
        else:
            yield str(course), inner


def blocking(part: Any, root: Path) -> list[Path]:
    """Return the hub's own lists of users who are blocked."""
    given = at(part, "user_list_path")
    name = posixpath.basename(given.rstrip("/")) if isinstance(given, str) else ""
    return [path for path in root.rglob(f"{name}/*.csv") if "block" in path.name.lower()] if name else []
