"""A process proxy for Enterprise Gateway that passes all calls to a runtime."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from enterprise_gateway.services.processproxies.processproxy import BaseProcessProxyABC

from kernelpod.runtime.interface import RunningKernel, Runtime
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session

log = logging.getLogger(__name__)


class DirectProxy(BaseProcessProxyABC):
    """Passes Enterprise Gateway's calls for one kernel to the runtime."""

    def __init__(self, kernel_manager: Any, runtime: Runtime) -> None:
        super().__init__(kernel_manager, {})
        self.runtime = runtime
        self.running: RunningKernel | None = None
        self._removed = False
        last: DirectProxy | None = kernel_manager.process_proxy
        self._earlier: list[DirectProxy] = (
            [one for one in (last, *last._earlier) if not one._removed] if last else []
        )

    async def launch_process(self, kernel_cmd: Any, **kwargs: Any) -> DirectProxy:
        """Return this proxy once the runtime has started `record`. Raises UserError.

        The base class's method is deliberately not called: it copies environments and checks user names.
        """
        del kernel_cmd  # the plan in the record holds it
        record: KernelRecord = kwargs["record"]
        self.running = await self.runtime.start(record, kwargs["keys"], spare=kwargs["spare"])
        return self

    async def take(self, session: Session | None) -> None:
        """Store that this start of a spare is its owner's kernel now, for a session. Raises UserError."""
        if self.running is not None:
            await self.runtime.take(self.running, session)

    def poll(self) -> bool | None:
        """Return None while the kernel runs, else False, as process proxies do."""
        return False if self.running is None or self.runtime.ended(self.running) else None

    def wait(self) -> None:
        """Return at once, because a runtime's `stop` has already waited."""

    async def stop(self, grace_seconds: float) -> None:
        """Return when the kernel and everything created for it has been removed."""
        if self.running is not None:
            await self.runtime.stop(self.running, grace_seconds)
            self._removed = True

    async def stop_all(self, grace_seconds: float) -> None:
        """Stop this start and earlier ones, which may be in their grace period. Return when all is removed."""
        await asyncio.gather(*(one.stop(grace_seconds) for one in (*self._earlier, self)))

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
        """Remove everything that is left of the kernel."""
        self.kill()


_tasks: set[asyncio.Task[None]] = set()


def in_background(verb: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine in the background and return its task; a failure is logged."""
    task = asyncio.ensure_future(verb)
    _tasks.add(task)
    task.add_done_callback(_done)
    return task


def _done(task: asyncio.Task[None]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.error("a kernel could not be signalled or stopped: %s", error, exc_info=error)
