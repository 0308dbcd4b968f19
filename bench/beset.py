"""What a user notices while others try to take the gateway's memory, its connections and its hub.

The gateway may open 1,024 files and has 2 GiB for its data, hard limits of its process. Strangers keep idle
connections, and requests whose bodies they do not end; of one user the hub says too much, and they ask on and on.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import statistics
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.doubles import user_model

from bench.ours import OursPeer
from bench.processes import BenchError, resident_megabytes
from bench.road import ours, round_trips
from bench.turns import say, usable_kernel, wait_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.table import Measure

MEGABYTE = 1024 * 1024
OPEN_FILES = 1024
DATA_BYTES = 2 * 1024**3
BODY_BYTES = 15 * MEGABYTE
LONG_OPTIONS = 1_200_000
PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Size:
    """How many connections each attack has, and how often the user's cell is run."""

    idle: int = 1100
    unfinished: int = 24
    rounds: int = 400


SMALL = Size(1100, 24, 60)


class BesetPeer(OursPeer):
    """Kernelpod's gateway within limits, and a user whose hub answers too much about them."""

    def prepare(self) -> None:
        """Create the hub with both users."""
        super().prepare()
        self.long_token = secrets.token_hex(32)
        options = {"": {"name": "", "ready": True, "user_options": {"profile": "x" * LONG_OPTIONS}}}
        self._hub.users[self.long_token] = user_model("mallory", servers=options)

    def command(self) -> list[str]:
        return ["prlimit", f"--nofile={OPEN_FILES}", f"--data={DATA_BYTES}", "--", *super().command()]


def measure(peer: BesetPeer, size: Size) -> list[Measure]:
    """Return the rows of one gateway, which is started here and which the caller stops."""
    say("attacks on a gateway within limits: starting")
    peer.start()
    with closing(peer.address(usable_kernel(peer)).open()) as page:
        wait_quiet()
        quiet = statistics.mean(round_trips(page, size.rounds))
        before = resident_megabytes(peer.pid)
        with attacks(peer, size):
            beset = round_trips(page, size.rounds)
            answered = answer_seconds(peer)
            grown = resident_megabytes(peer.pid) - before
    note = (
        f"beset: {size.idle} idle connections, {size.unfinished} unfinished bodies of 15 MiB, a user of whom "
        f"the hub says 1.2 MB; the gateway may open {OPEN_FILES} files and has 2 GiB"
    )
    return [
        ours("execute while beset, mean", "x quiet", [statistics.mean(beset) / quiet], 3, note),
        ours("execute while beset, slowest", "ms", [1000 * max(beset)]),
        ours("GET /api/kernels while beset", "ms", [1000 * one for one in answered]),
        ours("memory while beset", "MB", [max(0.0, grown)]),
    ]


@contextmanager
def attacks(peer: BesetPeer, size: Size) -> Iterator[None]:
    """Let all attacks go on for the duration of the block."""
    stopped = threading.Event()
    head = f"POST /api/kernels HTTP/1.1\r\nHost: gateway\r\nContent-Length: {BODY_BYTES}\r\n\r\n".encode()
    with ExitStack() as stack:
        for number in range(size.idle + size.unfinished):
            opened = stack.enter_context(socket.create_connection(("127.0.0.1", peer.port), 30))
            opened.settimeout(0.2)
            if number >= size.idle:
                with contextlib.suppress(OSError):
                    opened.sendall(head + b"x" * (BODY_BYTES - 1))
        asking = threading.Thread(target=ask_much, args=(peer, stopped), daemon=True)
        asking.start()
        stack.callback(asking.join, 30)
        stack.callback(stopped.set)
        yield
        if not asking.is_alive():
            raise BenchError("the user with the long answers gave up")


def ask_much(peer: BesetPeer, stopped: threading.Event) -> None:
    """Ask again and again with the token about which the hub says too much, until told to stop."""
    request = f"GET /api/kernels HTTP/1.1\r\nHost: gateway\r\nAuthorization: token {peer.long_token}\r\n"
    while not stopped.wait(PAUSE_SECONDS):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", peer.port), 5) as opened:
            opened.sendall(f"{request}Connection: close\r\n\r\n".encode())
            opened.recv(1024)


def answer_seconds(peer: BesetPeer) -> list[float]:
    """Return how long requests of the other user take, each on a connection of its own."""
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        status, _body = peer.request("GET", "/api/kernels")
        if status != 200:
            raise BenchError(f"the gateway answers {status} to a user while it is beset")
        taken.append(time.perf_counter() - began)
    return taken
