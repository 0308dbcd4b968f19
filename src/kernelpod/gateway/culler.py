"""Ends idle kernels, each after the time in its kernelspec or the settings.

Enterprise Gateway's culler has one idle time for all kernels, and looks by the wall clock: when that is set back
by an hour, no kernel is ended for an hour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from kernelpod.settings.culling import Culling, schedule
from kernelpod.start.record import KernelRecord

# How much later than planned a look may be before the gateway takes it that it was frozen. It is then as one that
# comes back: what the kernels said meanwhile is not read yet, and pages that gave up are not connected again.
FROZEN_SECONDS = 1.0


class Connection(Protocol):
    """A kernel's connection."""

    @property
    def pages(self) -> int:
        """How many websockets are open to the kernel."""


class Kernel(Protocol):
    """What is to be known of a kernel."""

    record: KernelRecord
    execution_state: str
    idle_since: float

    @property
    def connection(self) -> Connection:
        """Its connection."""


class Culler:
    """Looks for idle kernels regularly."""

    def __init__(
        self, culling: Culling, kernels: Callable[[], Iterable[Kernel]], end: Callable[[str, str], Awaitable[None]]
    ) -> None:
        """`end` ends a kernel by its id, and logs a sentence."""
        self._culling, self._kernels, self._end = culling, kernels, end

    async def watch(self) -> None:
        """Look until cancelled."""
        seconds = schedule(self._culling.idle_seconds, 0).kernel_look_seconds
        while True:
            due = time.monotonic() + seconds
            await asyncio.sleep(seconds)
            if time.monotonic() - due > max(seconds, FROZEN_SECONDS):
                for kernel in self._kernels():
                    kernel.idle_since = time.monotonic()
            await self.look()

    async def look(self) -> None:
        """End the kernels that have been idle for long enough. One with a client is not idle."""
        for kernel in list(self._kernels()):
            now = time.monotonic()  # a clock that is set ends no kernel, and keeps none
            if kernel.connection.pages:
                kernel.idle_since = now
            idle, allowed = now - kernel.idle_since, self._allowed(kernel)
            if 0 < allowed < idle:
                kernel_id = kernel.record.kernel_id
                await self._end(kernel_id, f"kernel {kernel_id} was idle for {idle:.0f} s and is ended")

    def _allowed(self, kernel: Kernel) -> float:
        """Return how many seconds a kernel may be idle; 0 means without limit."""
        if kernel.execution_state == "busy" and self._culling.busy == "keep":
            return 0
        return self._culling.kernel_idle_seconds(kernel.record.plan.cull_idle_seconds)
