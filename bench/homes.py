"""`python -m bench.homes`: how long a change to a home takes to be seen on another node, by mount options.

It needs the test cluster with nodes that are machines: one changes a folder of the NFS server, the other looks.
That one asks several times a second, so what it sees comes from its cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_machines import NODE_OF_KERNELS, NODE_OF_SERVERS, on
from rig.machines.machine import FILER

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTIONS = (
    "nfsvers=4.2",
    "nfsvers=3,nolock",
    "nfsvers=4.2,lookupcache=positive",
    "nfsvers=4.2,actimeo=5",
    "nfsvers=4.2,actimeo=1",
    "nfsvers=4.2,noac",
)
ROUNDS, FEW = 5, 1
# Longer than Linux caches attributes of folders by default (acdirmax of nfs(5)).
MOST_SECONDS = 75
# What the node that looks asks again and again until it sees a change. It asks nothing else, since a listing would
# tell it of all changes in the folder. The arguments are the folder, a new name, and a size that was never there.
LOOKS = {
    "a new name in a listing": 'ls "$1" | grep -qx "$2"',
    "a name that was asked for before it was made": 'test -e "$1/$2"',
    "the size of a file": 'test "$(stat -c %s "$1/grows")" = "$3"',
    "what was saved, at the next open": 'test "$(cat "$1/saved")" = "$2"',
}
CHANGE = 'echo "$2" >"$1/saved"; touch "$1/$2"; truncate -s "$3" "$1/grows"'
CACHED_SECONDS = 5


@dataclass(frozen=True)
class Seen:
    """The seconds until a kind of change was seen with some mount options, in each round; at most MOST_SECONDS."""

    options: str
    change: str
    seconds: list[float]


def measured(rounds: int) -> list[Seen]:
    """Return all rows. What was mounted and made is removed. Raises AssertionError if a command fails."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    made: list[Seen] = []
    with ExitStack() as stack:
        on(FILER, "mkdir", "-m", "0777", f"/srv/open/{name}")
        stack.callback(on, FILER, "rm", "-rf", f"/srv/open/{name}")
        for options in OPTIONS:
            print(options, file=sys.stderr, flush=True)
            with ExitStack() as mounts:
                place = f"/mnt/{name}"
                for node in (NODE_OF_SERVERS, NODE_OF_KERNELS):
                    on(node, "mkdir", "-p", place)
                    mounts.callback(on, node, "rmdir", place)
                    on(node, "mount", "-t", "nfs", "-o", options, f"{FILER.address}:/open/{name}", place)
                    mounts.callback(on, node, "umount", place)
                made += [Seen(options, change, _rounds(place, look, rounds)) for change, look in LOOKS.items()]
    return made


def _rounds(place: str, look: str, rounds: int) -> list[float]:
    seconds = []
    with ThreadPoolExecutor(1) as pool:
        for number in range(rounds):
            given = ("sh", place, uuid.uuid4().hex[:8], str(uuid.uuid4().int % 10**6 + number))
            until = f"until {look} 2>/dev/null; do sleep 0.1; done"
            words = ("timeout", str(CACHED_SECONDS + MOST_SECONDS), "sh", "-c", until, *given)
            looking = pool.submit(on, NODE_OF_KERNELS, *words, check=False, seconds=MOST_SECONDS + 60)
            time.sleep(CACHED_SECONDS)
            on(NODE_OF_SERVERS, "sh", "-c", CHANGE, *given)
            began = time.monotonic()
            looking.result()
            seconds.append(min(round(time.monotonic() - began, 1), MOST_SECONDS))
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and return 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.homes", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--small", action="store_true", help="one round of each")
    options = parser.parse_args(argv)
    rows = measured(FEW if options.small else ROUNDS)
    print(f"{'mount options':34} {'change':46} {'median':>7} {'longest':>8}")
    for row in rows:
        longest = max(row.seconds)
        over = ">" if longest >= MOST_SECONDS else " "
        print(f"{row.options:34} {row.change:46} {statistics.median(row.seconds):6.1f}s {over}{longest:6.1f}s")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
