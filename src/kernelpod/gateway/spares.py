"""Spares: prewarmed kernels, started in advance with the plan of a user's kernel for the user's next request.

A spare is not listed and no page finds it until its owner takes it over. It runs with its owner's identity, home
and limits, so nothing changes when it is taken over. A request with another plan gets a new kernel.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable
from datetime import datetime, timezone

from kernelpod.errors import KernelpodError, StartFailed, UserError
from kernelpod.gateway.kernel import DirectKernelManager
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.gateway.proxy import in_background
from kernelpod.start.identity import Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session
from kernelpod.start.start import Reservation

log = logging.getLogger(__name__)


ANSWER_SECONDS = 2
# Error codes of starts that may succeed after the spares have been ended.
GIVE_WAY = frozenset({"quota_exceeded", "unschedulable"})


class Spares:
    """The prewarmed kernels of one gateway; each is kept for `seconds`."""

    def __init__(self, kernels: DirectMappingKernelManager, seconds: float) -> None:
        self._kernels, self._seconds = kernels, seconds
        self._ready: list[DirectKernelManager] = []
        self._starting: dict[str, tuple[KernelPlan, asyncio.Task[None]]] = {}
        self._cancelled: set[str] = set()
        """Those of `_starting` that give way to another start."""

    def owners(self) -> dict[str, Owner]:
        """Return the owner of each spare by its kernel id; starting ones count."""
        return {plan.kernel_id: plan.owner for plan in self._plans()}

    async def take(self, plan: KernelPlan, session: Session | None, place: Reservation) -> KernelRecord | None:
        """Return the record of a spare that fits the plan and is now its owner's kernel; None if none fits.

        Its id is noted in `place` before it is listed, so that it counts once. It is stored that it was taken, and
        what for, before that, so that the next gateway lists it, too.
        """
        while kernel := self._popped(plan):
            place.kernel_id = kernel.record.kernel_id
            try:
                await kernel.answered(time.monotonic() + ANSWER_SECONDS)
                await kernel.process_proxy.take(session)
                kernel.record, kernel.spare = kernel.record.model_copy(update={"session": session}), False
                await self._kernels.admit(kernel)
            except (UserError, asyncio.TimeoutError):
                in_background(kernel.discard())
            except asyncio.CancelledError:
                in_background(kernel.discard())
                raise
            else:
                return kernel.record
        place.kernel_id = plan.kernel_id
        return None

    async def end_one(self, owner: Owner) -> bool:
        """End a spare, one of this owner's if there is one. Return False if there is no spare at all."""
        plans = sorted(self._plans(), key=lambda plan: not plan.owner.may_be(owner))
        if not plans:
            return False
        kernel_id = plans[0].kernel_id
        if kernel_id in self._starting:
            task = self._starting[kernel_id][1]
            if kernel_id not in self._cancelled:  # twice would also end the removal of what it has started
                self._cancelled.add(kernel_id)
                task.cancel()
            await asyncio.wait({task})
            return True
        kernel = next(one for one in self._ready if one.record.kernel_id == kernel_id)
        self._ready.remove(kernel)
        await kernel.discard()
        return True

    async def end_of(self, name: Owner) -> int:
        """End all spares of an owner, including starting ones. Return how many there were."""
        starting = [task for plan, task in self._starting.values() if plan.owner.named() == name]
        ready = [kernel for kernel in self._ready if kernel.record.owner.named() == name]
        self._ready = [kernel for kernel in self._ready if kernel not in ready]
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, *(kernel.discard() for kernel in ready), return_exceptions=True)
        return len(starting) + len(ready)

    def _popped(self, plan: KernelPlan) -> DirectKernelManager | None:
        key = spare_key(plan) if self._ready else ""
        fits = (kernel for kernel in self._ready if spare_key(kernel.record.plan) == key)
        if kernel := next(fits, None):
            self._ready.remove(kernel)
        return kernel

    def lacks(self, plan: KernelPlan) -> bool:
        """Return whether there are fewer spares of the plan than `prewarm` says; starting ones count."""
        if not plan.prewarm:
            return False
        key = spare_key(plan)
        return sum(spare_key(one) == key for one in self._plans()) < plan.prewarm

    def add(self, plan: KernelPlan) -> None:
        """Start one more spare of the plan, without waiting for it."""
        kernel_id = str(uuid.uuid4())
        env = {**_common(plan.env), "KERNEL_ID": kernel_id}
        record = KernelRecord(plan=plan.model_copy(update={"kernel_id": kernel_id, "env": env}))
        task = in_background(self._start(record))
        self._starting[kernel_id] = record.plan, task
        # A task that is cancelled before it begins runs nothing of its coroutine.
        task.add_done_callback(lambda _: self._forget(kernel_id))

    def _plans(self) -> list[KernelPlan]:
        return [*(kernel.record.plan for kernel in self._ready), *(plan for plan, _ in self._starting.values())]

    async def run(self, record: KernelRecord) -> None:
        """Start a record. If there is no room for it, end all spares and try again. Raises UserError."""
        try:
            await self._kernels.run(record)
        except StartFailed as error:
            if error.code not in GIVE_WAY or not self._ready:
                raise
            await self._end_all()
            await self._kernels.run(record)

    async def close(self) -> None:
        """End all spares, including starting ones."""
        starting = [task for _, task in self._starting.values()]
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, self._end_all(), return_exceptions=True)

    async def _start(self, record: KernelRecord) -> None:
        kernel = self._kernels.new_kernel(record)
        kernel.spare = True
        try:
            await kernel.start_kernel(record)
        except KernelpodError as error:
            log.warning("prewarming a kernel for user %s failed: %s", record.owner, error)
            return
        finally:
            self._forget(record.kernel_id)
        log.info("kernel %s is prewarmed for user %s", record.kernel_id, record.owner)
        self._keep(kernel, self._seconds)

    def adopt(self, kernels: Iterable[DirectKernelManager]) -> None:
        """Keep the spares of an earlier gateway, for what is left of their time."""
        now = datetime.now(timezone.utc)
        for kernel in kernels:
            age = (now - kernel.record.created).total_seconds()
            self._keep(kernel, min(max(self._seconds - age, 0), self._seconds))

    def _keep(self, kernel: DirectKernelManager, seconds: float) -> None:
        self._ready.append(kernel)
        asyncio.get_running_loop().call_later(seconds, self._expire, kernel)

    def _forget(self, kernel_id: str) -> None:
        self._starting.pop(kernel_id, None)
        self._cancelled.discard(kernel_id)

    def _expire(self, kernel: DirectKernelManager) -> None:
        if kernel in self._ready:
            self._ready.remove(kernel)
            in_background(kernel.discard())

    async def _end_all(self) -> None:
        ended, self._ready = self._ready, []
        await asyncio.gather(*(kernel.discard() for kernel in ended), return_exceptions=True)


def spare_key(plan: KernelPlan) -> str:
    """Return a key that is equal for plans whose kernels differ only in their ids, notebooks and time-outs.

    It includes the notes, because the notes of a spare are shown to the user who takes it over.
    """
    alike = {"kernel_id": "", "env": _common(plan.env), "launch_timeout_seconds": 0}
    return plan.model_copy(update=alike).model_dump_json()


def _common(env: dict[str, str]) -> dict[str, str]:
    """Return the variables that all kernels of one plan share. A spare knows no notebook."""
    return {name: value for name, value in env.items() if name not in ("KERNEL_ID", "JPY_SESSION_NAME")}
