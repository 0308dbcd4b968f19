"""Enterprise Gateway's view of a kernel that a runtime runs: a process proxy with no channel of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from enterprise_gateway.services.processproxies.processproxy import BaseProcessProxyABC

from kernelpod.runtime.interface import RunningKernel, Runtime
from kernelpod.start.record import KernelRecord

log = logging.getLogger(__name__)


class DirectProxy(BaseProcessProxyABC):
    """Passes the few verbs Enterprise Gateway needs to the runtime; knows no process, port or response."""

    def __init__(self, kernel_manager: Any, runtime: Runtime) -> None:
        super().__init__(kernel_manager, {})
        self.runtime = runtime
        self.running: RunningKernel | None = None

    async def launch_process(self, kernel_cmd: Any, **kwargs: Any) -> DirectProxy:
        """Return this proxy once the runtime has started `record`. Raises UserError.

        The base class's part (copying environments, checking user names) is left out on purpose.
        """
        del kernel_cmd  # the plan in the record holds it
        record: KernelRecord = kwargs["record"]
        self.running = await self.runtime.start(record, kwargs["key"])
        return self

    def poll(self) -> bool | None:
        """Return None while the kernel runs, False when it does not (the convention of process proxies)."""
        return False if self.running is None or self.runtime.ended(self.running) else None

    def wait(self) -> None:
        """Return at once: a runtime's stop has already waited."""

    async def stop(self, grace_seconds: float) -> None:
        """Return when the kernel and all that was made for it is gone."""
        if self.running is not None:
            await self.runtime.stop(self.running, grace_seconds)

    def send_signal(self, signum: int) -> None:
        """Signal the kernel, without waiting."""
        if self.running is not None and signum:
            in_background(self.runtime.signal(self.running, signum))

    def terminate(self) -> None:
        """Stop the kernel with its grace period, without waiting."""
        if self.running is not None:
            in_background(self.stop(self.running.record.plan.grace_period_seconds))

    def kill(self) -> None:
        """Stop the kernel at once, without waiting."""
        in_background(self.stop(0))

    def cleanup(self) -> None:
        """Leave nothing of a kernel whose manager is done with it."""
        self.kill()


_tasks: set[asyncio.Task[None]] = set()


def in_background(verb: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Let a verb run to its end without anybody waiting, and return it; a failure is logged."""
    task = asyncio.ensure_future(verb)
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: asyncio.Task[None]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.error("a kernel could not be signalled or stopped: %s", error, exc_info=error)
