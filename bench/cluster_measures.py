"""Measures one gateway on a cluster. Figures have names from which `bench.cluster` makes rows."""

from __future__ import annotations

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import cluster_kube as kube
from bench import cluster_node as node
from bench.measures import Size, execute_p50, listing_p95, stream
from bench.processes import BenchError
from bench.turns import persist, say, usable_kernel, wait_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.cluster_peers import BarePods, ClusterPeer

Figures = dict[str, list[float]]
"""All values of each figure, by the figure's name."""

FIRST_OUTPUT_SECONDS = 120


@dataclass(frozen=True)
class ClusterSize(Size):
    """The amount of work. `bursts` says how many kernels start at once, and how often; the last one is largest.

    Kubelet checks its containers once a second, and the removal before a burst ends with such a check. So each
    burst begins after a slightly longer pause; otherwise all starts would wait equally long for the next check.
    """

    rounds: int = 200
    idle_seconds: float = 30.0
    bursts: tuple[tuple[int, int], ...] = ((1, 8), (10, 3), (30, 2))

    @property
    def fullest(self) -> int:
        """Return the largest number of kernels."""
        return self.bursts[-1][0]


SMALL = ClusterSize(
    turns=1, rounds=20, warm_up=5, messages=200, kernels=3, listings=20, idle_seconds=5.0, bursts=((1, 1), (3, 1))
)


@dataclass(frozen=True)
class Burst:
    """Kernels that were started at once: ids, and seconds from the first POST to each 201 and first result."""

    kernels: list[str]
    posts: list[float]
    results: list[float]
    failed: int


def measured(peer: ClusterPeer, size: ClusterSize) -> Figures:
    """Install one gateway, return all its figures, and remove it."""
    figures: Figures = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)
        say(f"{peer.name}: {name} {value:.4g}")

    say(f"{peer.name}: installing")
    try:
        peer.start()
        with kube.counted(peer.account, peer.namespace) as schema:
            kernel_id = usable_kernel(peer)
            one_kernel(peer, kernel_id, size, note)
            remove(peer, [kernel_id])
            for count, times in size.bursts:
                for turn in range(times):
                    time.sleep(turn / times)
                    bursts(peer, count, schema, size, note)
            returning(peer, size, note)
    finally:
        peer.stop()
    note("repeated", peer.failures)
    return figures


def one_kernel(peer: ClusterPeer, kernel_id: str, size: ClusterSize, note: Callable[[str, float], None]) -> None:
    """Measure round trips and streaming of a kernel while no other kernel runs."""
    wait_quiet()
    for _ in range(size.turns):
        with closing(peer.address(kernel_id).open()) as channel:
            execute_p50(channel, size.warm_up)
            note("round trip", execute_p50(channel, size.rounds))
    for _ in range(size.turns):
        outcome = persist(peer, lambda: stream(peer, kernel_id, size.messages))
        note("streaming", outcome.outputs / outcome.seconds)
        note("lost", size.messages - outcome.outputs)


def bursts(
    peer: ClusterPeer, count: int, schema: str, size: ClusterSize, note: Callable[[str, float], None]
) -> None:
    """Measure one burst of starts and, for the largest one, the cost of a gateway with so many idle kernels."""
    wait_quiet()
    cpu, requests = node.cpu_seconds(peer.gateway_uid), kube.requests(schema)
    taken = burst(peer, count)
    note(f"failed {count}", taken.failed)
    if taken.posts:
        note(f"post {count}", statistics.median(taken.posts))
        note(f"post max {count}", max(taken.posts))
        note(f"results {count}", max(taken.results))
    if count == 1:
        note("kernel cpu", sum(map(node.cpu_seconds, kube.pod_uids(peer.kernels))))
    if count == size.fullest:
        note("cpu a start", (node.cpu_seconds(peer.gateway_uid) - cpu) / count)
        note("requests a start", (kube.requests(schema) - requests) / count)
        idle(peer, len(taken.kernels), schema, size, note)
    remove(peer, taken.kernels)


def returning(peer: ClusterPeer, size: ClusterSize, note: Callable[[str, float], None]) -> None:
    """Measure the first cell of a user who already has a kernel; another is ready if the gateway can prewarm."""
    usual, peer.kernel_name = peer.kernel_name, peer.returning_name
    kernels = [peer.start_kernel()]
    try:
        for _ in range(size.turns):
            deadline = time.monotonic() + FIRST_OUTPUT_SECONDS
            while len(kube.pod_uids(peer.kernels)) < len(kernels) + peer.prewarmed:
                if time.monotonic() > deadline:
                    raise BenchError(f"{peer.name}: no kernel was prewarmed")
                time.sleep(0.2)
            wait_quiet()
            taken = burst(peer, 1)
            kernels += taken.kernels
            if taken.results:
                note("returning", taken.results[0])
    finally:
        peer.kernel_name = usual
        remove(peer, kernels)


def idle(
    peer: ClusterPeer, kernels: int, schema: str, size: ClusterSize, note: Callable[[str, float], None]
) -> None:
    """Measure listing, memory, CPU time and API requests of a gateway with idle kernels."""
    wait_quiet(30)
    if kernels == size.kernels:
        note("list", listing_p95(peer, size))
    uid = peer.gateway_uid
    note("memory", node.memory_megabytes(uid))
    note("peak memory", node.peak_megabytes(uid))
    begin, cpu, requests = time.monotonic(), node.cpu_seconds(uid), kube.requests(schema)
    time.sleep(size.idle_seconds)
    seconds = time.monotonic() - begin
    note("idle cpu", 100 * (node.cpu_seconds(uid) - cpu) / seconds)
    note("idle requests", (kube.requests(schema) - requests) / seconds)


def burst(peer: ClusterPeer, count: int) -> Burst:
    """Start `count` kernels at once, and run a cell in each as soon as it runs."""
    begin = time.perf_counter()

    def one() -> tuple[str, float, float]:
        kernel_id = peer.start_kernel()
        started = time.perf_counter() - begin
        try:
            with closing(peer.address(kernel_id).open(FIRST_OUTPUT_SECONDS)) as channel:
                channel.execute("1", FIRST_OUTPUT_SECONDS)
        except BaseException:
            peer.stop_kernel(kernel_id)
            raise
        return kernel_id, started, time.perf_counter() - begin

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(one) for _ in range(count)]
    good = []
    for future in futures:
        try:
            good.append(future.result())
        except (BenchError, OSError) as error:
            say(f"{peer.name}: a start of {count} at once failed: {error}")
    kernels = [kernel_id for kernel_id, _, _ in good]
    posts, results = [started for _, started, _ in good], [result for _, _, result in good]
    return Burst(kernels, posts, results, count - len(good))


def remove(peer: ClusterPeer, kernels: list[str]) -> None:
    """End the kernels and return once all pods are gone."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(peer.stop_kernel, kernels))
    peer.remove_kernels()


def bare(pods: BarePods, size: ClusterSize) -> Figures:
    """Return how long bare pods take to start, for each number of pods."""
    figures: Figures = {}
    for count, times in size.bursts:
        for turn in range(times):
            time.sleep(turn / times)
            wait_quiet()
            seconds = max(pods.start(count))
            figures.setdefault(f"results {count}", []).append(seconds)
            say(f"bare: {count} pods run after {seconds:.3g} s")
            pods.remove()
    return figures


def floor(pods_seconds: float, count: int, kernel_cpu_seconds: float) -> float:
    """Return the pods' seconds plus the kernels' CPU seconds over all cores; kubelet's steps make it inexact."""
    return pods_seconds + count * kernel_cpu_seconds / (os.cpu_count() or 1)
