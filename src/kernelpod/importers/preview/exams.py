"""Shows what a user has in the active exams of a hub of exams, and in the exams that are made of them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernelpod.importers.preview.lists import Member, after_of, facts_of, member_rows, names_user
from kernelpod.importers.preview.pods import at, items
from kernelpod.importers.preview.rows import Row, Seen, with_rights
from kernelpod.importers.report import Imported

# What the hub's own code takes where its file says nothing.
_ROOT = "/srv/nbgrader/exchange"
_AMOUNTS = {"cpu_guarantee": 0.001, "cpu_limit": 2.0, "mem_guarantee": "1.0G", "mem_limit": "2.0G"}
_PERSONAL = {"feedback": True, "inbound": True, "outbound": False}


def exams_preview(made: Imported, folder: Path, user: str) -> list[Row]:
    """Return what a user sees of each of their exams; `folder` has the new files. Raises ImportingError."""
    before = _before(made.tree.data, made.tree.spot(()).file.parent, user)
    return member_rows(made, before, after_of(made, folder, user, by_semester=True), user)


def _before(data: Any, root: Path, user: str) -> Iterator[Member]:
    """Yield the active exams whose lists name the user."""
    courses = at(data, "nbgrader", "active_student_courses")
    every = list(root.rglob("*.csv"))
    for course, inner in courses.items() if isinstance(courses, dict) else ():
        for one in items(at(inner, "semesters")):
            words = (str(course), str(one.get("semester")), str(one.get("examPeriod")))
            name = ".".join(words)
            lists = [path for path in every if path.name == f"{name}.csv"]
            if any(names_user(path, user) for path in lists):
                own: Any = next((value for key, value in data.items() if str(key).endswith(f"/{name}.yaml")), {})
                exam = f"{words[0]}-{words[1]} {words[1]}-{words[2]}"
                yield Member(" ".join(words), "in its list", _seen(data, own, words, user), exam)


def _seen(data: Any, own: Any, words: tuple[str, str, str], user: str) -> Seen:
    course, semester, period = words
    below = f"exam/{semester}-{period}/{course}-{user}"
    places = {
        "/home/jovyan": ("home", f"{below}/home", False),
        "/tmp": ("temp", f"{below}/.tmp", False),  # noqa: S108 - where the old hub mounted it
        "/srv/shares/public": ("share", "public", True),
        f"/srv/shares/{course}": ("share", f"courses/{course}", True),
    }
    known = {place: one for place, one in places.items() if at(data, "mounts", one[0])}
    mounts = {
        place: with_rights(_below(data, folder, path), read_only)
        for place, (folder, path, read_only) in known.items()
    }
    said = {**_PERSONAL, **{step: at(own, "exchange", f"personalized_{step}") for step in _PERSONAL}}
    id_ = f"{course}-{semester}"
    place = at(own, "exchange", "exchange_root") or at(data, "nbgrader", "exchange_root") or _ROOT
    for step, usual in _PERSONAL.items() if at(data, "mounts", "exchange") else ():
        personal = usual if said[step] is None else said[step]
        last = f"personalized-{step}/{user}" if personal else step
        whole = _below(data, "exchange", posixpath.join(course, id_, last))
        mounts[posixpath.join(str(place), id_, last)] = f"{whole} (meant to be read-only)"
    instead = {key: at(own, key) or at(data, key) for key in ("image", "resources")}
    amounts = instead["resources"] if isinstance(instead["resources"], dict) else {}
    return Seen("", mounts, facts_of({**instead, "resources": {**_AMOUNTS, **amounts}}))


def _below(data: Any, folder: str, path: str) -> str:
    """Return a path below one of the hub's folders, beginning with its volume."""
    mount = at(data, "mounts", folder)
    return posixpath.join(f"volume {at(mount, 'name')}", str(at(mount, "subPath") or "").strip("/"), path)
