"""Loads a courses file: returns its model, or a finding with its line for every mistake."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError

from kernelpod.courses.model import HubFile, UserList
from kernelpod.courses.overlay import read_over
from kernelpod.findings.finding import Finding, FindingsError
from kernelpod.findings.sentences import sentence
from kernelpod.findings.yamlfile import Keys, YamlTree

Role = Literal["student", "grader", "admin"]
# From the highest to the lowest. A user in the lists of several roles has the highest one.
ROLES: tuple[Role, ...] = tuple(reversed(get_args(Role)))


@dataclass(frozen=True)
class ListUse:
    """One use of a list of users: the key that names it, its purpose, and the file, if it is in a file."""

    keys: Keys
    users: UserList
    path: Path | None
    course: str = ""
    semester: str = ""
    role: Role | Literal["allow", "block"] = "admin"


@dataclass(frozen=True)
class Courses:
    """A courses file that has the right form, with the line of every value."""

    hub: HubFile
    tree: YamlTree
    files: tuple[Path, ...]
    """The file, and the files that it extends."""

    def finding(self, keys: Keys, said: str, level: Literal["error", "warning"] = "error") -> Finding:
        """Return a finding at the place of a value."""
        spot = self.tree.spot(keys)
        return Finding(spot.file, spot.place, f"{'.'.join(map(str, self.tree.said_as(keys)))}: {said}", level)

    def lists(self) -> Iterator[ListUse]:
        """Yield every list of users: those of the hub, then those of each course and semester."""
        if self.hub.allow is not None:
            yield self._use(("allow",), self.hub.allow, "allow")
        yield self._use(("block",), self.hub.block, "block")
        yield self._use(("admins",), self.hub.admins, "admin")
        for name, course in self.hub.offered_courses().items():
            for semester in self.hub.semesters(course):
                for role in ROLES:
                    users: UserList = getattr(course, f"{role}s")
                    yield self._use(("courses", name, f"{role}s"), users, role, name, semester)

    def _use(
        self,
        keys: Keys,
        users: UserList,
        role: Role | Literal["allow", "block"],
        course: str = "",
        semester: str = "",
    ) -> ListUse:
        path = None
        if users.file:
            # str.format is not used, because a path may contain other braces.
            named = users.file.replace("{course}", course).replace("{semester}", semester)
            path = self.tree.spot(keys).file.parent / named
        return ListUse(keys, users, path, course, semester, role)


def load_courses(path: Path) -> Courses:
    """Return a courses file, merged with the files that it extends. Raises FindingsError with every mistake."""
    tree, files = read_over(path)
    try:
        return Courses(HubFile.model_validate(tree.data), tree, files)
    except ValidationError as error:
        raise FindingsError(_findings(tree, error)) from error


def _findings(tree: YamlTree, error: ValidationError) -> list[Finding]:
    """Return the findings. A mistake in `defaults` is found in every course, but returned once."""
    found = set()
    for one in error.errors(include_url=False):
        keys = _in_the_file(one["loc"])
        spot = tree.spot(keys)
        said = sentence({**one, "loc": tree.said_as(keys)}, HubFile) + _hint(dict(one))
        found.add(Finding(spot.file, spot.place, said))
    return sorted(found)


def _in_the_file(keys: Keys) -> Keys:
    """Return the path of a value in the file.

    It differs from pydantic's: pydantic adds "[key]" for a key, and a list in the file is `names` in the model.
    """
    lists = {"allow", "block", *(f"{role}s" for role in ROLES)}
    kept = (
        key for before, key in zip(("", *keys), keys, strict=False) if not (key == "names" and before in lists)
    )
    return tuple(key for key in kept if key != "[key]")


def _hint(error: dict[str, Any]) -> str:
    given = error["input"]
    if error["type"] == "string_type" and isinstance(given, (int, float)):
        return "; put it in quotes"
    if error["type"] == "literal_error" and isinstance(given, str):
        known = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ",").split(",")]
        near = difflib.get_close_matches(given.lower(), known, n=1, cutoff=0.5)
        return f"; did you mean {near[0]}?" if near else ""
    return ""
