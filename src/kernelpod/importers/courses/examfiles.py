"""Finds the active exams of a hub of exams, and the configuration and the list that each of them has."""

from __future__ import annotations

import filecmp
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kernelpod.findings.finding import START, unusable
from kernelpod.findings.yamlfile import Keys, Spot, YamlTree, read_tree
from kernelpod.importers.courses.parts import legal_id
from kernelpod.importers.courses.rolefiles import folder_of
from kernelpod.importers.report import Imported, Part

# Where the hub's own code looked, if nothing says it.
_FOLDER = "nbgrader/student_exam_courses"
_DIR, _ACTIVE = "exam_course_dir", "active_student_courses"
# What a name of a folder or a file does not have.
_NO_NAME = re.compile(r"[/\x00-\x1f\x7f]")


class Exam(NamedTuple):
    """A period of exams of a course in a semester."""

    course: str
    semester: str
    period: str
    keys: Keys
    """Where the hub's file names it."""
    file: str
    """The path of its configuration below the folder of all of them; in the tree of an import, its key."""
    tree: YamlTree
    """Its configuration."""
    list: Path | None
    """The list of its users."""

    @property
    def id(self) -> str:
        """The course's id for nbgrader."""
        return f"{self.course}-{self.semester}"

    @property
    def when(self) -> str:
        """Its semester and its period."""
        return f"{self.semester}-{self.period}"


def exams_of(made: Imported, nbgrader: Part, root: Path) -> list[Exam]:
    """Take the active exams that have a configuration, and add it to the tree of the import.

    `root` is the folder of the hub's own file. Raises FindingsError if a file cannot be used, or if two files of
    one exam differ: which of them counts depends on the version of the hub.
    """
    given = nbgrader.text(_DIR)
    folder = _folder(root, given or _FOLDER)
    if given:
        nbgrader.note(_DIR, "changed", "exams and their lists are in the courses files and below lists/")
    taken: set[Path] = set()
    found = list(_active(_Files(made, folder, root, taken), nbgrader))
    data, spots = dict(made.tree.data), dict(made.tree.spots)
    for exam in found:
        data[exam.file] = exam.tree.data
        spots |= {(exam.file, *below): spot for below, spot in exam.tree.spots.items()}
    made.tree = YamlTree(data, spots)
    for path in sorted({*folder.glob("*/*"), *folder.glob("*/*/*")} - taken):
        if path.suffix in (".csv", ".yaml", ".yml"):
            made.note_file(Spot(path, START), "dropped", "it belongs to no active exam that is taken over")
    return found


def _folder(root: Path, given: str) -> Path:
    """Return the folder of all exams, which there may not be. An absolute path is one in the old hub's pod."""
    words = [word for word in PurePosixPath(given).parts if word not in ("/", "..")]
    return (folder_of(root, given) if given.startswith("/") else None) or root.joinpath(*words)


class _Files(NamedTuple):
    """The files of exams."""

    made: Imported
    folder: Path
    root: Path
    """The folder of the hub's own file."""
    taken: set[Path]
    """The files of which something is said already."""


def _active(files: _Files, nbgrader: Part) -> Iterator[Exam]:
    seen: set[tuple[str, str]] = set()
    for course, part in nbgrader.section(_ACTIVE).sections():
        for one in part.numbered("semesters"):
            words = (course, one.text("semester"), one.text("exam_period"))
            one.drop("an exam has a semester and an exam_period only")
            ids = (legal_id(f"{course}-{words[1]}"), legal_id(f"{words[1]}-{words[2]}"))
            if why := _why_not(words, ids, seen):
                one.note("", "dropped", why)
                continue
            seen.add(ids)
            file = _found(files, words, ".yaml")
            if file is None:
                where = files.folder / course / words[1] / f"{'.'.join(words)}.yaml"
                one.note(
                    "", "left", f"there is no file {where}, nor one above it: copy it there, and import again"
                )
                continue
            tree, key = _config(file, files.root), file.relative_to(files.folder).as_posix()
            yield Exam(*words, one.keys, key, tree, _found(files, words, ".csv"))
        part.drop("a course has semesters only")


def _why_not(words: tuple[str, str, str], ids: tuple[str, str], seen: set[tuple[str, str]]) -> str:
    """Return why an exam cannot be taken; empty if it can."""
    if not all(words):
        return "an exam needs a semester and an exam_period"
    if any(_NO_NAME.search(word) or word in (".", "..") for word in words) or not all(ids):
        return "files and folders cannot have this name"
    return "it occurs twice, or another exam has the same folders" if ids in seen else ""


def _found(files: _Files, words: tuple[str, str, str], suffix: str) -> Path | None:
    """Return a file of an exam, in the folder of its semester or, as older hubs had it, of its course."""
    course, semester, _ = words
    name = f"{'.'.join(words)}{suffix}"
    places = (files.folder / course / semester / name, files.folder / course / name)
    there = [place for place in places if os.path.lexists(place)]
    files.taken.update(there)
    if len(there) > 1:
        if not _are_same(*there):
            said = (
                f"{there[1]} is another one, and which of them counts depends on the version of the hub: keep one"
            )
            raise unusable(there[0], said)
        files.made.note_file(Spot(there[1], START), "dropped", f"it is the same as {there[0]}")
    return there[0] if there else None


def _are_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _config(file: Path, root: Path) -> YamlTree:
    if not file.resolve().is_relative_to(root.resolve()):
        raise unusable(file, "this link leads out of the imported folder; replace it with the file")
    return read_tree(file, "exchange: and image:", ordinary=file)
