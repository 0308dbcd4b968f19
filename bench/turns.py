"""Takes measures: measures peers in turns, repeats and counts failed attempts, and prints progress.

Turns make the comparison fair on a shared machine. Every peer is measured once in each turn, in reversed order in
every other turn. The table has the medians over the turns.
"""

from __future__ import annotations

import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.processes import BenchError
from bench.table import Goal, Measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.peers import Peer

STARTED = time.monotonic()
ATTEMPTS = 3
T = TypeVar("T")
Turns = dict[str, list[float]]


def say(text: str) -> None:
    """Print a progress line on stderr with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)


def in_turns(peers: Sequence[Peer], turns: int, what: str, take: Callable[[Peer], float]) -> Turns:
    """Return the figures of `take` by peer name, one for each turn."""
    taken: Turns = {peer.name: [] for peer in peers}
    for turn in range(turns):
        for peer in peers if turn % 2 == 0 else reversed(peers):
            figure = take(peer)
            taken[peer.name].append(figure)
            say(f"{what}, turn {turn + 1}: {peer.name} {figure:.4g}")
    return taken


def row(measure: str, unit: str, taken: Turns, goal: Goal | None = None, note: str = "") -> Measure:
    """Return one row with the median of each peer's turns."""
    figures = {name: statistics.median(values) for name, values in taken.items()}
    return Measure(measure, unit, figures, goal, note, taken)


def persist(peer: Peer, take: Callable[[], T]) -> T:
    """Return the result of `take` in up to three attempts. Failures are printed and counted for the table.

    Stock chooses ports, releases them and binds them later, so starts sometimes fail on a busy machine.
    """
    for _ in range(ATTEMPTS):
        try:
            return take()
        except (BenchError, OSError) as error:  # the cost of try is small compared with a start
            peer.failures += 1
            say(f"{peer.name}: an attempt failed and is repeated: {error}")
    raise BenchError(f"{peer.name}: all {ATTEMPTS} attempts failed")


def usable_kernel(peer: Peer) -> str:
    """Start a kernel, and return its id after it has executed a cell."""

    def take() -> str:
        kernel_id = peer.start_kernel()
        try:
            with closing(peer.address(kernel_id).open(20)) as channel:
                channel.execute("1", 20)
        except BaseException:
            peer.stop_kernel(kernel_id)
            raise
        return kernel_id

    return persist(peer, take)


def failures(peers: Sequence[Peer]) -> Measure:
    """Return the number of repeated attempts in the whole run, so that no failure is hidden."""
    return Measure("attempts that failed and were repeated", "", {p.name: float(p.failures) for p in peers})


def wait_quiet(patience_seconds: float = 10) -> None:
    """Wait until the machine was at least 80 % idle for half a second, or for `patience_seconds`."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        idle, total = _machine()
        time.sleep(0.5)
        idle_now, total_now = _machine()
        if idle_now - idle >= 0.8 * (total_now - total):
            return


def _machine() -> tuple[int, int]:
    """Return the idle and total clock ticks of all cores since boot."""
    with Path("/proc/stat").open(encoding="ascii") as lines:
        fields = [int(field) for field in next(lines).split()[1:9]]
    return fields[3] + fields[4], sum(fields)
