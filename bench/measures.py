"""The measures: each one takes running peers and returns rows. `bench.turns` takes the figures."""

from __future__ import annotations

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from bench.flood import flooding
from bench.ours import OursPeer
from bench.peers import BarePeer, GatewayPeer
from bench.processes import BenchError, cpu_percent, resident_megabytes
from bench.table import Goal
from bench.turns import in_turns, persist, row, say, usable_kernel, wait_quiet

if TYPE_CHECKING:
    import http.client
    from collections.abc import Sequence

    from bench.client import Channel, Outcome
    from bench.peers import Peer
    from bench.table import Measure
    from bench.turns import Turns

STREAM = """
from IPython.display import display
for number in range({count}):
    display({{"text/plain": f"line {{number:06}} " + "x" * 60}}, raw=True)
"""
STREAM_SECONDS = 30
# The core is one that this process may use as well.
ON_ONE_CORE = """
import os
core = max(os.sched_getaffinity(0))
for task in os.listdir("/proc/self/task"):
    os.sched_setaffinity(int(task), {core})
"""


class HttpPeer(Protocol):
    """A gateway, local or on a cluster."""

    name: ClassVar[str]
    headers: dict[str, str]

    def connect(self) -> http.client.HTTPConnection:
        """Return a keep-alive connection for the caller alone."""


@dataclass(frozen=True)
class Size:
    """The amount of work; `idle_seconds` is how long an idle gateway is measured."""

    turns: int = 7
    slow_turns: int = 3
    rounds: int = 80
    warm_up: int = 20
    flooded_rounds: int = 40
    messages: int = 3000
    long_messages: int = 20_000
    starts: int = 3
    kernels: int = 30
    listings: int = 200
    full_turns: int = 2
    idle_seconds: float = 5.0


SMALL = Size(1, 1, 20, 5, 10, 200, 1000, 1, 3, 20, 1, 1.0)


def execute_p50(channel: Channel, rounds: int) -> float:
    """Return the median round trip of the cell `1`, in ms."""
    return 1000 * statistics.median(channel.execute("1").seconds for _ in range(rounds))


def round_trip(peers: Sequence[Peer], kernels: dict[str, str], size: Size) -> list[Measure]:
    """Measure a cell's time as a user notices it: until both the reply and the status idle arrive."""

    def take(peer: Peer) -> float:
        with closing(peer.address(kernels[peer.name]).open()) as channel:
            execute_p50(channel, size.warm_up)
            return execute_p50(channel, size.rounds)

    taken = in_turns(peers, size.turns, "execute round trip (ms)", take)
    name = "execute round trip, p50"
    return [row(name, "ms", taken, Goal("stock", 0.2)), row(name, "ms", taken, Goal("bare", 1.25))]


def streaming(peers: Sequence[Peer], kernels: dict[str, str], size: Size) -> list[Measure]:
    """Measure output messages per second of one cell that sends nothing else.

    A kernel drops messages if its readers are too slow. Lost output is counted. If the status idle is lost, the
    cell never ends for its client, and the attempt counts as failed.
    """
    name = "output streaming"
    return [_streaming(name, peers, kernels, size.turns, size.messages, Goal("stock", 2.5, at_least=True))]


def without_stock(peers: Sequence[Peer]) -> list[Peer]:
    """Return Kernelpod and the bare kernel, as far as they are among these."""
    return [peer for peer in peers if isinstance(peer, (BarePeer, OursPeer))]


def long_streaming(peers: Sequence[Peer], kernels: dict[str, str], size: Size) -> list[Measure]:
    """Measure the same with more messages, for kernels that are bound to one core.

    A kernel that prints hands each message from one of its threads to another, which is slower on two cores. On
    which ones they run is decided anew in each turn, and would decide which peer is faster.
    """
    for peer in peers:
        with closing(peer.address(kernels[peer.name]).open()) as channel:
            channel.execute(ON_ONE_CORE)
    name = "output streaming, kernel on one core"
    return [_streaming(name, peers, kernels, size.turns, size.long_messages, Goal("bare", at_least=True))]


def _streaming(
    name: str, peers: Sequence[Peer], kernels: dict[str, str], turns: int, messages: int, goal: Goal
) -> Measure:
    lost: dict[str, int] = {}

    def take(peer: Peer) -> float:
        outcome = persist(peer, lambda: stream(peer, kernels[peer.name], messages))
        lost[peer.name] = lost.get(peer.name, 0) + messages - outcome.outputs
        return outcome.outputs / outcome.seconds

    taken = in_turns(peers, turns, f"{name} (messages/s)", take)
    note = ", ".join(f"{peer} lost {count}" for peer, count in lost.items() if count)
    note = f"{name}: of {messages * turns} messages {note}" if note else ""
    return row(name, "messages/s", taken, goal, note)


def stream(peer: Peer, kernel_id: str, messages: int) -> Outcome:
    """Return the outcome of a cell that sends so many messages."""
    with closing(peer.address(kernel_id).open()) as channel:
        return channel.execute(STREAM.format(count=messages), STREAM_SECONDS)


def flooded(peers: Sequence[Peer], kernels: dict[str, str], size: Size) -> list[Measure]:
    """Measure how much slower a kernel answers while another user's kernel prints without end."""
    absolute: Turns = {peer.name: [] for peer in peers}

    def take(peer: Peer) -> float:
        with closing(peer.address(kernels[peer.name]).open()) as channel:
            execute_p50(channel, size.warm_up)
            quiet = execute_p50(channel, size.flooded_rounds)
            noisy = usable_kernel(peer)
            with flooding(peer.address(noisy)):
                loud = execute_p50(channel, size.flooded_rounds)
        peer.stop_kernel(noisy)
        wait_quiet()
        absolute[peer.name].append(loud)
        return loud / quiet

    taken = in_turns(peers, size.slow_turns, "slow-down by a flooding kernel", take)
    name = "execute p50 beside a flooding kernel"
    return [row(name, "ms", absolute), row(name, "x quiet", taken)]


def starting(peers: Sequence[Peer], size: Size) -> list[Measure]:
    """Measure from POST to 201, compared with a bare kernel's time to kernel_info; and to the first result."""
    results: dict[str, list[float]] = {peer.name: [] for peer in peers}

    def take(peer: Peer) -> float:
        pairs = [persist(peer, lambda: one_start(peer)) for _ in range(size.starts)]
        results[peer.name].append(statistics.median(first for _, first in pairs))
        return statistics.median(started for started, _ in pairs)

    taken = in_turns(peers, size.slow_turns, "start of a kernel (s)", take)
    note = "POST to 201: bare has no POST, its figure is from spawn to the first kernel_info reply"
    return [
        row("POST /api/kernels to 201, p50", "s", taken, Goal("bare", plus=0.08), note),
        row("POST /api/kernels to first result, p50", "s", results),
    ]


def one_start(peer: Peer) -> tuple[float, float]:
    """Return the seconds until the peer reports a new kernel as started, and until it has executed a cell."""
    begin = time.perf_counter()
    kernel_id = peer.start_kernel()
    started = time.perf_counter() - begin
    try:
        with closing(peer.address(kernel_id).open(20)) as channel:
            channel.execute("1", 20)
            first = time.perf_counter() - begin
    finally:
        peer.stop_kernel(kernel_id)
    wait_quiet(3)
    return started, first


def many_kernels(peers: Sequence[Peer], size: Size) -> list[Measure]:
    """Measure listing, memory and idle CPU of a gateway with many kernels, one gateway at a time."""
    memory: Turns = {}
    idle: Turns = {}

    def take(peer: Peer) -> float:
        assert isinstance(peer, GatewayPeer)
        peer.start()
        say(f"{peer.name}: starting {size.kernels} kernels")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: persist(peer, peer.start_kernel), range(size.kernels)))
        wait_quiet(30)
        figure = listing_p95(peer, size)
        memory.setdefault(peer.name, []).append(resident_megabytes(peer.pid))
        idle.setdefault(peer.name, []).append(cpu_percent(peer.pid, size.idle_seconds))
        peer.stop()
        return figure

    gateways = [peer for peer in peers if not isinstance(peer, BarePeer)]
    taken = in_turns(gateways, size.full_turns, f"GET /api/kernels, {size.kernels} kernels (ms)", take)
    return [
        row(f"GET /api/kernels with {size.kernels} kernels, p95", "ms", taken, Goal("stock", 0.2)),
        row(f"gateway memory (RSS) with {size.kernels} kernels", "MB", memory),
        row(f"gateway idle CPU with {size.kernels} kernels", "% of a core", idle),
    ]


def listing_p95(peer: HttpPeer, size: Size) -> float:
    """Return the 95th percentile of GET /api/kernels with its body, on one keep-alive connection, in ms."""
    connection, seconds = peer.connect(), []
    try:
        for _ in range(size.warm_up + size.listings):
            begin = time.perf_counter()
            connection.request("GET", "/api/kernels", headers=peer.headers)
            answer = connection.getresponse()
            body = answer.read()
            seconds.append(time.perf_counter() - begin)
            if answer.status != 200 or len(json.loads(body)) != size.kernels:
                raise BenchError(f"{peer.name} does not list its kernels: {answer.status} {body[:200]!r}")
    finally:
        connection.close()
    return 1000 * statistics.quantiles(seconds[size.warm_up :], n=20)[18]
