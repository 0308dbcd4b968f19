"""`python -m bench.cluster`: Kernelpod against stock Enterprise Gateway, on one real cluster, in one run.

The gateways run one after the other, each alone on the cluster, installed by its own chart. Bare pods are the
lower bound. `make bench-cluster` runs it. Exit status 0 means that the benchmark ran; the table shows which goals
were met.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import cluster_kube as kube
from bench.cluster_measures import SMALL, ClusterSize, bare, floor, measured
from bench.cluster_peers import BarePods, Homes, OursOnCluster, StockOnCluster
from bench.cluster_picture import picture
from bench.processes import BenchError, finish, terminated
from bench.table import Goal, Measure, render, write_json
from bench.turns import row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.cluster_measures import Figures

POST_GOALS = {1: 0.42, 10: 0.35, 30: 0.22}
RESULTS_GOALS = {30: (0.36, 1.2)}
FLOOR_NOTE = "floor: bare pods run, plus the processor time of the kernels themselves on all cores"


def measure(size: ClusterSize) -> dict[str, Figures]:
    """Return the figures of every peer. Everything that was created is removed, even after an error."""
    with ExitStack() as stack:
        homes = Homes()
        stack.callback(homes.remove)
        stack.callback(finish)
        with kube.namespace("bench-bare") as namespace, kube.proxy() as port:
            taken = {"bare": bare(BarePods(homes, namespace, port), size)}
        for peer in (StockOnCluster(homes), OursOnCluster(homes)):
            taken[peer.name] = measured(peer, size)
    return taken


def rows(taken: dict[str, Figures], size: ClusterSize) -> list[Measure]:
    """Return the table."""

    def made(measure: str, unit: str, figure: str, goal: Goal | None = None, note: str = "") -> Measure:
        values = {peer: figures[figure] for peer, figures in taken.items() if figure in figures}
        return row(measure, unit, values, goal, note)

    table = []
    for count, _ in size.bursts:
        at_once = f"{count} at once" if count > 1 else "one"
        goal = Goal("stock", POST_GOALS[count]) if count in POST_GOALS else None
        table.append(made(f"POST to 201, {at_once}, p50", "s", f"post {count}", goal))
        if count > 1:
            table.append(made(f"POST to 201, {at_once}, slowest", "s", f"post max {count}"))
        table += first_results(taken, count, at_once)
        table.append(made(f"starts that failed, {at_once}", f"of {count}", f"failed {count}"))
    many = f"{size.fullest} idle kernels"
    lost = {peer: sum(figures["lost"]) for peer, figures in taken.items() if sum(figures.get("lost", []))}
    note = "".join(f"output streaming: {peer} lost {count:.0f} messages " for peer, count in lost.items()).strip()
    return [
        *table,
        made("POST to the first result, returning user", "s", "returning", Goal(plus=0.3), "ours: prewarmed"),
        made("execute round trip, p50", "ms", "round trip", Goal("stock", 0.13)),
        made("output streaming", "messages/s", "streaming", Goal("stock", 3.5, at_least=True), note),
        made(f"GET /api/kernels with {many}, p95", "ms", "list", Goal("stock", 0.15)),
        made(f"gateway memory with {many}", "MB", "memory", Goal("stock", 0.6)),
        made("gateway memory at its most", "MB", "peak memory", Goal("stock", 0.6)),
        made("gateway CPU a start", "s", "cpu a start"),
        made(f"gateway CPU with {many}", "% of a core", "idle cpu"),
        made("API requests a start", "", "requests a start"),
        made(f"API requests with {many}", "a second", "idle requests", Goal()),
        made("attempts that failed and were repeated", "", "repeated"),
    ]


def first_results(taken: dict[str, Figures], count: int, at_once: str) -> list[Measure]:
    """Return the rows for the first result of the last of `count` kernels, one for each goal."""
    values = {
        peer: figures[f"results {count}"] for peer, figures in taken.items() if f"results {count}" in figures
    }
    if cpu := taken["ours"].get("kernel cpu"):
        values["floor"] = [floor(statistics.median(values["bare"]), count, statistics.median(cpu))]
    name = f"POST to the {'last ' if count > 1 else ''}first result, {at_once}"
    if count not in RESULTS_GOALS:
        return [row(name, "s", values, None, FLOOR_NOTE)]
    stock, least = RESULTS_GOALS[count]
    return [
        row(name, "s", values, Goal("stock", stock), FLOOR_NOTE),
        row(name, "s", values, Goal("floor", least), FLOOR_NOTE),
    ]


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the rows as a JSON list")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the picture of docs/benchmark.md")
    parser.add_argument("--small", action="store_true", help="one tiny case of each, for CI")
    options = parser.parse_args(argv)
    for path in filter(None, (options.json, options.svg)):
        if not path.resolve().parent.is_dir():
            parser.error(f"no folder {path.resolve().parent}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 if the benchmark ran, 1 if it could not."""
    options = arguments(argv)
    if os.geteuid() != 0:
        print(
            "bench.cluster: run as root: it reads the resource usage of pods from their cgroups", file=sys.stderr
        )
        return 1
    size = SMALL if options.small else ClusterSize()
    signal.signal(signal.SIGTERM, terminated)
    print(f"load average before: {os.getloadavg()[0]:.2f}, cores: {os.cpu_count()}", file=sys.stderr)
    try:
        table = rows(measure(size), size)
    except (BenchError, OSError) as error:
        print(f"bench.cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(render(table))
    if options.json:
        write_json(table, options.json)
    if options.svg:
        options.svg.write_text(picture([each.as_json() for each in table]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
