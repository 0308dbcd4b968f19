"""The start of a kernel, from wish to running: the order of things, and nothing else."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from kernelpod.courses.course_access import CourseAccess
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.policy import Usage, decide, has_room
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import KernelRequest

log = logging.getLogger(__name__)


class SparePool(Protocol):
    """Prewarmed kernels, each with its owner and plan; none of them is in a list yet."""

    async def take(self, plan: KernelPlan) -> KernelRecord | None:
        """Return the record of one that is from now on its owner's kernel; None if none fits the plan."""

    def lacks(self, plan: KernelPlan) -> bool:
        """Return whether there are fewer, those that are starting included, than the plan says."""

    def add(self, plan: KernelPlan) -> None:
        """Start one more; does not wait."""

    def owners(self) -> Iterable[Owner]:
        """Return the owner of each, those that are starting included."""


@dataclass
class KernelStarter:
    """What a start needs: the settings, the kernelspecs, who runs what, and the way to run a record."""

    settings: Settings
    kernelspecs: PublishedKernelspecs
    owners: Callable[[], Iterable[Owner]]
    """Owners of the kernels that run, one entry a kernel."""
    run: Callable[[KernelRecord], Awaitable[None]]
    """Starts the recorded plan; returns when the kernel has answered, raises UserError if it does not."""
    spares: SparePool
    """Kernels that were started for their owners' next wish."""
    resolve_course: Callable[[Identity], Awaitable[CourseAccess | None]]
    """Says which course a caller is in, None on a hub without courses; raises Denied if in none."""
    starting: Counter[Owner] = field(default_factory=Counter)
    """Kernels on their way, so that two requests at once cannot share the last place."""


async def launch(
    kernel_id: str, request: KernelRequest, identity: Identity, starter: KernelStarter
) -> KernelRecord:
    """Return the record of a kernel that runs and answers: a new one called `kernel_id`, or a prewarmed one.

    Raises UserError; then nothing was started, or all that was is gone.
    """
    began = time.monotonic()
    spec = starter.kernelspecs.get(request.spec, request.profile)
    course_access = await starter.resolve_course(identity)
    plan = decide(
        kernel_id, request, identity, spec, starter.settings, _usage(identity.owner, starter), course_access
    )
    record = await starter.spares.take(plan) or await _started(plan, starter)
    while starter.spares.lacks(plan) and has_room(
        starter.settings, identity, _usage(identity.owner, starter, spares=True)
    ):
        starter.spares.add(plan)
    log.info(
        "kernel %s started: user %s, kernelspec %s, namespace %s, %.3f s",
        record.kernel_id, plan.owner, plan.address, plan.namespace, time.monotonic() - began,
    )  # fmt: skip
    return record


async def _started(plan: KernelPlan, starter: KernelStarter) -> KernelRecord:
    record = KernelRecord(plan=plan)
    starter.starting[plan.owner] += 1
    try:
        await starter.run(record)
    finally:
        starter.starting[plan.owner] -= 1
    return record


def _usage(owner: Owner, starter: KernelStarter, *, spares: bool = False) -> Usage:
    running = Counter(starter.owners())
    running.update(starter.spares.owners() if spares else ())
    return Usage(
        all=running.total() + starter.starting.total(),
        own=running[owner] + starter.starting[owner],
    )
