"""`python -m bench.parity`: what a notebook does, with a local kernel and with Kernelpod, side by side.

Each behaviour is a script that runs against two notebook servers: one with a kernel of its own, and one with
Kernelpod's gateway. Exit status 0 means that none is worse; 1 that one is, that a local kernel failed too often,
or that the table could not be made.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.parity import rows as subjects
from bench.parity.behaviour import FAILED, Behaviour, behaviours
from bench.parity.report import Row, difference, holds, render, text, write_json
from bench.parity.sides import KernelpodSide, LocalSide
from bench.processes import BenchError, adopt_orphans, finish, sweep, terminated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.parity.side import Side


# What is tried again, and how often: a verdict that was made while both sides were walked through side by side.
AGAIN = frozenset({"worse", "unknown"})
TRIES = 2


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.parity", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument(
        "--only", default="", metavar="PART", help="only behaviours or subjects with this in the name"
    )
    parser.add_argument("--small", action="store_true", help="long waits are short, for CI")
    options = parser.parse_args(argv)
    if options.json and not options.json.resolve().parent.is_dir():
        parser.error(f"--json: no folder {options.json.resolve().parent}")
    return options


def wanted(part: str) -> list[Behaviour]:
    """Return the behaviours whose title or subject contains a text."""
    for module in pkgutil.iter_modules(subjects.__path__):
        importlib.import_module(f"{subjects.__name__}.{module.name}")
    return [one for one in behaviours() if part.lower() in one.title.lower() or part == one.subject]


def observe(side: Side, behaviour: Behaviour) -> Any:
    """Return what a behaviour shows on a side; that it failed and how, if it raised."""
    try:
        with side.turn(behaviour.subject):
            return behaviour.script(side)
    except BenchError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is raised is what was observed
        said = str(error).strip().splitlines() or [type(error).__name__]
        return f"{FAILED}{said[0][:200]}"


class Walk(threading.Thread):
    """Walks through all behaviours on one side, beside the other side."""

    def __init__(self, side: Side, asked: Sequence[Behaviour]) -> None:
        super().__init__(daemon=True)
        self.side, self.asked = side, asked
        self.observed: list[Any] = []
        self.error = ""

    def run(self) -> None:
        """Observe one behaviour after the other."""
        try:
            for number, one in enumerate(self.asked, 1):
                began = time.monotonic()
                self.observed.append(observe(self.side, one))
                seconds = time.monotonic() - began
                say(f"{self.side.name:12} {number:3} of {len(self.asked)} {seconds:5.1f} s  {one.title}")
        except Exception as error:  # noqa: BLE001 - said by the main thread, which has to clean up
            self.error = f"{self.side.name}: {error}"


def say(line: str) -> None:
    """Tell the progress."""
    print(line, file=sys.stderr, flush=True)


def compare(asked: Sequence[Behaviour], *, small: bool) -> list[Row]:
    """Return all rows. Every process that was started is ended, even after an error. Raises BenchError."""
    with ExitStack() as stack:
        sides = (LocalSide(small=small), KernelpodSide(small=small))
        for side in sides:
            stack.callback(side.remove)
        stack.callback(sweep)
        for side in sides:
            stack.callback(side.stop)
        stack.callback(finish)
        for side in sides:
            say(f"{side.name}: starting")
            side.start()
        walks = [Walk(side, asked) for side in sides]
        for walk in walks:
            walk.start()
        for walk in walks:
            while walk.is_alive():
                walk.join(0.5)  # a thread that is waited for without end cannot be interrupted
        if errors := [walk.error for walk in walks if walk.error]:
            raise BenchError("; ".join(errors))
        local, ours = (walk.observed for walk in walks)
        rows = [Row.of(*each) for each in zip(asked, local, ours, strict=True)]
        return [
            again(one, row, sides) if row.verdict in AGAIN else row for one, row in zip(asked, rows, strict=True)
        ]


def again(behaviour: Behaviour, row: Row, sides: Sequence[Side]) -> Row:
    """Return the row of a behaviour that was worse or unknown, tried again alone: load is no difference."""
    for _ in range(TRIES):
        local, ours = difference(row.local, row.kernelpod)
        say(f"again, alone: {behaviour.title}\n    local kernel: {text(local)}\n    Kernelpod:    {text(ours)}")
        row = Row.of(behaviour, *(observe(side, behaviour) for side in sides))
        if row.verdict not in AGAIN:
            break
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the table holds, 1 if it does not or if the comparison could not be made."""
    options = arguments(argv)
    asked = wanted(options.only)
    if not asked:
        print(f"bench.parity: no behaviour has {options.only!r} in its name", file=sys.stderr)
        return 1
    adopt_orphans()
    signal.signal(signal.SIGTERM, terminated)
    try:
        table = compare(asked, small=options.small)
    except (BenchError, OSError) as error:
        print(f"bench.parity: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(render(table))
    if options.json:
        write_json(table, options.json)
    return 0 if holds(table) else 1


if __name__ == "__main__":
    sys.exit(main())
