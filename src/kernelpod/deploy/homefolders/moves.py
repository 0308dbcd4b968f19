"""Plans the renaming of homes for settings that give users other folders."""

from __future__ import annotations

import posixpath
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kernelpod.deploy.homefolders.wanted import WantedHome
from kernelpod.errors import SettingsError

# Where a folder waits whose new place another one still has. No slug has a dot.
_ASIDE = ".kernelpod-move-{number}"
_HEAD = """#!/bin/sh
# Renames homes. Run it in the folder of all homes while no server and no kernel of these users runs.
# No folder is overwritten: it stops at the first one that cannot be renamed.
set -eu
"""


class Move(NamedTuple):
    """A user's home that gets another place; paths are below the folder of all homes."""

    user: str
    old: str
    new: str


def moves_between(old: Iterable[WantedHome], new: Iterable[WantedHome]) -> list[Move]:
    """Return the homes whose places differ, in the order of `old`. Raises SettingsError.

    A user with several homes, one for each course, has as many in both.
    """
    places: dict[str, list[str]] = defaultdict(list)
    for home in new:
        places[home.user].append(home.path)
    pairs: dict[str, list[str]] = defaultdict(list)
    for home in old:
        pairs[home.user].append(home.path)
    for user, paths in pairs.items():
        if len(paths) != len(places[user]):
            raise SettingsError(
                f"{user!r} has {len(paths)} homes now and {len(places[user])} by the new settings; use settings "
                "with the same courses"
            )
    made = [Move(user, *both) for user, paths in pairs.items() for both in zip(paths, places[user], strict=True)]
    return [move for move in made if move.old != move.new]


def in_order(moves: Sequence[Move]) -> list[tuple[str, str]]:
    """Return renames that never meet: a folder leaves its place before another one gets it.

    Raises SettingsError if two homes would have one place.
    """
    taken: dict[str, str] = {}
    for move in moves:
        if (other := taken.setdefault(move.new, move.user)) != move.user:
            raise SettingsError(f"{other!r} and {move.user!r} would have one home, {move.new}")
    waiting = {move.old: move.new for move in moves}
    steps: list[tuple[str, str]] = []
    while waiting:
        ready = [old for old, new in waiting.items() if new not in waiting]
        for old in ready:
            steps.append((old, waiting.pop(old)))
        if not ready:  # a circle: one of them waits aside
            old, new = next(iter(waiting.items()))
            aside = _ASIDE.format(number=len(steps))
            steps.append((old, aside))
            del waiting[old]
            waiting[aside] = new
    return steps


def script(moves: Sequence[Move]) -> str:
    """Return a POSIX shell script that renames the folders. Raises SettingsError."""
    lines = []
    for old, new in in_order(moves):
        if parent := posixpath.dirname(new):
            lines.append(f"mkdir -p -- {shlex.quote(parent)}")
        here, there = shlex.quote(old), shlex.quote(new)
        lines.append(f"if [ -e {there} ]; then echo {there} is there already >&2; exit 1; fi")
        lines.append(f"if [ -e {here} ]; then mv -- {here} {there}; fi")
    return _HEAD + "".join(f"{line}\n" for line in lines)
