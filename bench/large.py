"""A user with messages of 60 MB. It is a separate process, so that its client has its own GIL."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from typing import TYPE_CHECKING

from bench.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from bench.client import WebSocketAddress

LARGE_BYTES = 60_000_000
PATIENCE_SECONDS = 60
OUTPUT = f"display({{'text/plain': 'x' * {LARGE_BYTES}}}, raw=True)"


@contextlib.contextmanager
def large_messages(address: WebSocketAddress, direction: str, times: int) -> Iterator[Callable[[], bool]]:
    """Let messages of 60 MB go one after the other, "from" the kernel or "to" it, from the block's beginning.

    Yields a function that returns whether some are still to come.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(address, direction, times, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(PATIENCE_SECONDS):
            raise BenchError("the client of the large messages does not start")
        ours.recv()
        ours.send("begin")
        yield lambda: process.is_alive() and not ours.poll()
        if not ours.poll(PATIENCE_SECONDS) or ours.recv() != "done":
            raise BenchError("the client of the large messages failed; see its output above")
    finally:
        process.kill()
        process.join(5)


def _work(address: WebSocketAddress, direction: str, times: int, told: Connection) -> None:
    channel = address.open(PATIENCE_SECONDS)
    channel.execute("from IPython.display import display")
    frames = [channel.large_frame(LARGE_BYTES) for _ in range(times)] if direction == "to" else []
    told.send("ready")
    told.recv()
    for number in range(times):
        if frames:
            channel.send_frame(*frames[number], time.monotonic() + PATIENCE_SECONDS)
        elif channel.execute(OUTPUT, PATIENCE_SECONDS).outputs != 1:
            raise BenchError("an output of 60 MB has not arrived")
    told.send("done")
