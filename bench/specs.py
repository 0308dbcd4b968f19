"""`python -m bench.specs`: publishes and lists many kernelspecs, compared with stock Enterprise Gateway's listing.

Exit status 0 means that the benchmark ran; the table shows which goals were met.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import SecretStr
from tests.doubles import a_plan, an_identity

from bench.peers import GatewayPeer, StockPeer
from bench.processes import BenchError, adopt_orphans, sweep, terminated
from bench.table import Goal, Measure, render, write_json
from bench.turns import in_turns, row, say
from kernelpod.kernelspecs.linting.lint import lint
from kernelpod.kernelspecs.publishing.releases import MANIFEST, Target
from kernelpod.kernelspecs.publishing.tree import Tree, difference, read_tree
from kernelpod.pods import kernel as manifest
from kernelpod.settings.kernels import Kernelspecs
from kernelpod.start.connection import ConnectionKeys, new_connection
from kernelpod.start.record import KernelRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

SPECS, READERS, SYNCS, LISTINGS, WARM_UP, RENDERS, TURNS = 50, 20, 1000, 200, 20, 200, 3
SMALL_SYNCS, SMALL_LISTINGS = 30, 40
READ_PAUSE_SECONDS = 0.01  # otherwise twenty threads leave no time for the publishing one


def a_spec(number: int) -> dict[str, Any]:
    """Return the kernel.json of one of many kernelspecs."""
    return {
        "display_name": f"Bench {number}",
        "language": "python",
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "interrupt_mode": "message",
        "metadata": {"supported_encryption": [], "kernelpod": {"image": "registry.example/kernel:1"}},
    }


def write_specs(folder: Path) -> Path:
    """Write many kernelspecs, and return their folder."""
    for number in range(SPECS):
        spec = folder / f"bench-{number}"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(json.dumps(a_spec(number)), encoding="utf-8")
        (spec / "logo-svg.svg").write_text("<svg/>", encoding="utf-8")
    return folder


class StockSpecs(StockPeer):
    """Stock with so many kernelspecs and its defaults."""

    def prepare(self) -> None:
        write_specs(self.folder / "share" / "kernels")


def published(peer: type[GatewayPeer]) -> type[GatewayPeer]:
    """Return the peer with so many kernelspecs, published as a release."""

    class OurSpecs(peer):  # type: ignore[misc, valid-type] # imported by name, as in `bench.local`
        def prepare(self) -> None:
            super().prepare()
            tree = read_tree(write_specs(self.folder / "source"))
            Target(self.folder / "specs").publish(tree, "bench", keep=2)
            file = self.folder / "settings.yaml"
            settings = yaml.safe_load(file.read_text(encoding="utf-8"))
            settings["kernelspecs"] = {"path": str(self.folder / "specs" / "kernelspecs"), "default": "bench-0"}
            file.write_text(yaml.safe_dump(settings), encoding="utf-8")

    return OurSpecs


def listing_p95(peer: GatewayPeer, listings: int) -> float:
    """Return the 95th percentile of GET /api/kernelspecs with its body, on one keep-alive connection, in ms."""
    link, seconds = peer.connect(), []
    try:
        for _ in range(WARM_UP + listings):
            begin = time.perf_counter()
            link.request("GET", "/api/kernelspecs", headers=peer.headers)
            answer = link.getresponse()
            body = answer.read()
            seconds.append(time.perf_counter() - begin)
            if answer.status != 200 or len(json.loads(body)["kernelspecs"]) < SPECS:
                raise BenchError(f"{peer.name} does not list the kernelspecs: {answer.status} {body[:200]!r}")
    finally:
        link.close()
    return 1000 * statistics.quantiles(seconds[WARM_UP:], n=20)[18]


def listing(listings: int) -> list[Measure]:
    """Measure how long a listing of all kernelspecs takes."""
    with ExitStack() as stack:
        stack.callback(sweep)
        peers: list[GatewayPeer] = [StockSpecs(), published(importlib.import_module("bench.ours").OursPeer)()]
        for peer in peers:
            stack.callback(peer.stop)
            say(f"{peer.name}: starting")
            peer.start()
        by_name = {peer.name: peer for peer in peers}
        what = "GET /api/kernelspecs (ms)"
        taken = in_turns(peers, TURNS, what, lambda peer: listing_p95(by_name[peer.name], listings))
    name = f"GET /api/kernelspecs, {SPECS} kernelspecs, p95"
    return [row(name, "ms", taken, Goal("stock", 0.1)), row(name, "ms", taken, Goal(plus=3.0))]


def publishing(folder: Path) -> list[Measure]:
    """Measure lint, diff and sync of all kernelspecs to a local folder."""
    source, seconds = write_specs(folder / "source"), []
    for turn in range(TURNS):
        target = Target(folder / f"target-{turn}")
        begin = time.perf_counter()
        if lint(source, Kernelspecs()):
            raise BenchError("the benchmark's kernelspecs have errors")
        tree = read_tree(source)
        difference(target.tree(), tree)
        target.publish(tree, "bench", keep=2)
        seconds.append(time.perf_counter() - begin)
    name = f"lint, diff and sync of {SPECS} kernelspecs"
    return [row(name, "s", {"ours": seconds}, Goal(plus=1.0))]


def rendering() -> list[Measure]:
    """Measure how long a start takes to make its Secret and Pod."""
    record = KernelRecord(plan=a_plan(identity=an_identity("bench")))
    made = new_connection(
        "tcp", "0.0.0.0", manifest.POD_PORTS, record.plan.address, ConnectionKeys(SecretStr("0" * 64))
    )
    milliseconds = []
    for _ in range(RENDERS):
        begin = time.perf_counter()
        manifest.kernel_manifest(record, made, "0123ab")
        milliseconds.append(1000 * (time.perf_counter() - begin))
    return [row("make Secret and Pod, p50", "ms", {"ours": [statistics.median(milliseconds)]}, Goal(plus=1.0))]


def reading(folder: Path, syncs: int) -> list[Measure]:
    """Measure whether a reader ever sees a mix of two releases during a change."""
    target = Target(folder / "busy")
    paths = [f"bench-{number}/kernel.json" for number in range(5)]
    target.publish(_tree(paths, 0), "bench", keep=2)
    counts, done = {"mixed": 0, "read": 0}, threading.Event()
    lock = threading.Lock()

    def read() -> None:
        while not done.wait(READ_PAUSE_SECONDS):
            root = (target.folder / "kernelspecs").resolve()
            texts = {(root / path).read_bytes() for path in paths}
            with lock:
                counts["read"] += 1
                counts["mixed"] += len(texts) != 1

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        for number in range(syncs):
            if number % 100 == 0:
                say(f"{number} of {syncs} syncs")
            target.publish(_tree(paths, number + 1), "bench", keep=2)
    finally:
        done.set()
        for reader in readers:
            reader.join()
    whole = all((path / MANIFEST).exists() for path in (target.folder / "releases").iterdir())
    note = f"{counts['read']} readings by {READERS} readers during {syncs} syncs"
    name = "readings that saw a mix of releases"
    mixed = float(counts["mixed"] + (not whole))
    return [Measure(name, "", {"ours": mixed}, Goal(), note=note)]


def _tree(paths: Sequence[str], number: int) -> Tree:
    return Tree(dict.fromkeys(paths, f"release {number}".encode()))


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the benchmark ran, 1 if it could not."""
    parser = argparse.ArgumentParser(prog="python -m bench.specs", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--small", action="store_true", help="one tiny case of each, for CI")
    options = parser.parse_args(argv)
    adopt_orphans()
    signal.signal(signal.SIGTERM, terminated)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        rows = publishing(folder) + rendering()
        rows += reading(folder, SMALL_SYNCS if options.small else SYNCS)
        rows += listing(SMALL_LISTINGS if options.small else LISTINGS)
    except (BenchError, OSError) as error:
        print(f"bench.specs: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder)
    print(render(rows))
    if options.json:
        write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
