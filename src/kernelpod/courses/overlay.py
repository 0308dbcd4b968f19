"""Merges courses files: a file over the one that it `extends`, and every course over `defaults`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from kernelpod.courses.files import OutsideError, opened
from kernelpod.courses.tables import BadList
from kernelpod.findings.finding import unusable
from kernelpod.findings.yamlfile import Spot, YamlTree, read_tree

MAX_FILES = 8


def read_over(path: Path) -> tuple[YamlTree, tuple[Path, ...]]:
    """Return a file merged with all files that it extends and with its defaults, and these files in the order
    read.

    Mappings are merged key by key, other values are replaced, and `null` removes a key. A relative path in
    `extends` is relative to the file that contains it. Files that are extended lie in the folder of the first one
    or below, and behind no link: who edits the first one need not be allowed to read others. Raises FindingsError.
    """
    trees: list[YamlTree] = []
    files: list[Path] = []
    below: Path | None = path
    while below is not None:
        if below in files:
            raise unusable(
                files[-1], f"extends: {below.name} extends this file in turn", _extends(trees[-1]).place
            )
        if len(files) == MAX_FILES:
            raise unusable(path, f"extends: more than {MAX_FILES} files extend one another")
        if trees:
            trees.append(_extended(below, files[-1], path.parent, _extends(trees[-1])))
        else:
            trees.append(read_tree(below, ordinary=below))
        files.append(below)
        below = _below(trees[-1], below)
    merged = trees.pop()
    while trees:
        merged = over(merged, trees.pop())
    return _with_defaults(merged), tuple(files)


def _extended(path: Path, by: Path, folder: Path, spot: Spot) -> YamlTree:
    """Return a file that another one extends. Raises FindingsError."""
    try:
        with opened(path, [folder]) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError
            return read_tree(path, ordinary=descriptor)
    except OutsideError as error:
        said = "this file is not in the folder of the courses file, nor below it; move it there"
        raise unusable(by, f"extends: {said}", spot.place) from error
    except BadList as error:
        raise unusable(by, f"extends: {error}", spot.place) from error
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise unusable(by, f"extends: there is no file {path}", spot.place) from error
    except OSError as error:
        raise unusable(by, f"extends: {path} cannot be read: {error.strerror}", spot.place) from error


def _extends(tree: YamlTree) -> Spot:
    return tree.spot(("extends",))


def _below(tree: YamlTree, path: Path) -> Path | None:
    named = tree.data.get("extends")
    if named is None:
        return None
    if not isinstance(named, str):
        raise unusable(path, "extends: write the name of one file", _extends(tree).place)
    return Path(_normal(path.parent / named))


def _normal(path: Path) -> str:
    """Return a path without "..", so that cycles are detected. Links are not resolved."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return str(Path(*parts))


def over(base: YamlTree, top: YamlTree) -> YamlTree:
    """Return `top` merged over `base`; neither is changed."""
    return YamlTree(_over(base.data, top.data), {**base.spots, **top.spots})


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in top.items():
        below = merged.get(name)
        if value is None and name in merged:
            del merged[name]
        else:
            merged[name] = _over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _with_defaults(tree: YamlTree) -> YamlTree:
    """Return the tree with each of its `courses` merged over `defaults`."""
    defaults, courses = tree.data.get("defaults"), tree.data.get("courses")
    if not isinstance(defaults, dict) or not isinstance(courses, dict):
        return tree
    inside = [(keys[1:], spot) for keys, spot in tree.spots.items() if keys[:1] == ("defaults",) and len(keys) > 1]
    spots = {("courses", str(course), *keys): spot for course in courses for keys, spot in inside}
    whole = {
        name: _over(defaults, own or {}) if isinstance(own or {}, dict) else own for name, own in courses.items()
    }
    # The defaults are checked as part of every course, because alone they may be incomplete.
    rest = {key: value for key, value in tree.data.items() if key != "defaults"}
    return YamlTree({**rest, "courses": whole}, {**spots, **tree.spots})
