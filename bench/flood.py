"""Simulates a user whose cell prints without end. It is a separate process, so that its client has its own GIL."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from typing import TYPE_CHECKING

from bench.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from bench.client import Address

FLOOD_SECONDS = 120  # an upper limit; the kernel is ended long before
READY_SECONDS = 60
CODE = f"""
import time
from IPython.display import display
end = time.monotonic() + {FLOOD_SECONDS}
while time.monotonic() < end:
    display({{"text/plain": "x" * 80}}, raw=True)
"""


@contextlib.contextmanager
def flooding(address: Address) -> Iterator[None]:
    """Let the kernel at `address` flood IOPub, and a client read it, for the duration of the block.

    Afterwards the client has ended but the kernel still floods; the caller must end the kernel.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_read, args=(address, theirs), daemon=True)
    process.start()
    try:
        if not ours.poll(READY_SECONDS):
            raise BenchError("the flooding kernel sends nothing")
        yield
        if not process.is_alive():
            raise BenchError("the client of the flooding kernel ended early; see its output above")
    finally:
        process.kill()
        process.join(5)


def _read(address: Address, started: Connection) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        channel = address.open(READY_SECONDS)
        parent = channel.submit(CODE)
        deadline = time.monotonic() + FLOOD_SECONDS
        said = False
        while time.monotonic() < deadline:
            message = channel.receive(deadline)
            if not said and message.kind == "display_data" and message.parent == parent:
                started.send(True)
                said = True
