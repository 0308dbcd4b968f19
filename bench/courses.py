"""`python -m bench.courses`: reads the lists of a large hub, and looks a user up as at a start.

Exit status 0 means that the benchmark ran; the table shows which goals were met. There is no comparison, because
no other hub reads lists at a start.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bench.table import Goal, Measure, render, write_json
from kernelpod.courses.roster import Roster
from kernelpod.settings.sections import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USERS, COURSES, PER_COURSE, LOOKS, TURNS = 20_000, 300, 340, 50, 5
SMALL_TURNS = 1


def write_hub(folder: Path) -> Path:
    """Write a courses file whose lists contain all users, and return its path."""
    for number in range(COURSES):
        names = (f"user{(number * 67 + one) % USERS}" for one in range(PER_COURSE))
        (folder / f"c{number}.csv").write_text("\n".join(["Username", *names, ""]), encoding="utf-8")
    data = {
        "defaults": {"image": "lab:1", "students": "{course}.csv"},
        "courses": {f"c{number}": {} for number in range(COURSES)},
    }
    file = folder / "courses.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    return file


def taken(turns: int, what: Callable[[], float]) -> list[float]:
    """Return a figure for each turn."""
    return [what() for _ in range(turns)]


def measure(file: Path, turns: int) -> list[Measure]:
    """Return the rows: the first lookup, and the lookup of a start after which nothing has changed."""

    def roster() -> Roster:
        # As if the files were so old that no change could be missed.
        return Roster(file, Settings(), clock=lambda: time.time() + 60)

    def first() -> float:
        made, began = roster(), time.perf_counter()
        made.refresh()
        return time.perf_counter() - began

    def later() -> float:
        began = time.perf_counter()
        for number in range(LOOKS):
            read.refresh()
            read.memberships(f"user{number}")
        return 1000 * (time.perf_counter() - began) / LOOKS

    read = roster()
    read.refresh()
    rows = [("first look at all lists", "s", first, 1.0), ("a start's look, nothing changed", "ms", later, 5.0)]
    made = []
    for name, unit, what, most in rows:
        figures = taken(turns, what)
        made.append(
            Measure(name, unit, {"ours": statistics.median(figures)}, Goal(plus=most), spread={"ours": figures})
        )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit status: 0 if the benchmark ran."""
    parser = argparse.ArgumentParser(prog="python -m bench.courses", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--small", action="store_true", help="one turn, for CI")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = measure(write_hub(Path(folder)), SMALL_TURNS if options.small else TURNS)
    print(f"{USERS:,} users in {COURSES} lists")
    print(render(rows))
    if options.json:
        write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
