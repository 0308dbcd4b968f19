"""Starts a kernel: calls the steps from the request to the running kernel, in their order.

A running kernel is asked for again in `check_still_allowed`.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kernelpod.courses.course_access import CourseAccess
from kernelpod.courses.resolver import not_in_course
from kernelpod.errors import Denied
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.policy import Usage, decide, has_room
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import KernelRequest
from kernelpod.start.rights import check_plan
from kernelpod.start.session import Session

log = logging.getLogger(__name__)


class SparePool(Protocol):
    """Prewarmed kernels (spares), each with its owner and plan. They are not listed to anyone."""

    async def take(self, plan: KernelPlan, session: Session | None) -> KernelRecord | None:
        """Return the record of a spare that fits the plan and is now its owner's kernel; None if none fits."""

    def lacks(self, plan: KernelPlan) -> bool:
        """Return whether there are fewer spares of the plan than `prewarm` says; starting ones count."""

    def add(self, plan: KernelPlan) -> None:
        """Start one more spare of the plan, without waiting for it."""

    def owners(self) -> Iterable[Owner]:
        """Return the owner of each spare; starting ones count."""


@dataclass
class KernelStarter:
    """What a start needs: the settings, the kernelspecs, the running kernels, and a way to run a record."""

    settings: Settings
    kernelspecs: PublishedKernelspecs
    owners: Callable[[], Iterable[Owner]]
    """Returns the owners of the running kernels, one entry for each kernel."""
    run: Callable[[KernelRecord], Awaitable[None]]
    """Starts the recorded plan and returns when the kernel has answered. Raises UserError if it does not."""
    spares: SparePool
    """Prewarmed kernels for their owners' next requests."""
    resolve_course: Callable[[Identity], Awaitable[CourseAccess | None]]
    """Returns the caller's course, None on a hub without courses. Raises Denied if the caller is in no course."""
    courses_of: Callable[[Identity], Awaitable[Sequence[CourseAccess | None]]]
    """Returns all courses of the caller, that of their server first; (None,) on a hub without courses."""
    starting: Counter[Owner] = field(default_factory=Counter)
    """Number of starting kernels by owner, so that simultaneous requests cannot exceed a limit together."""


async def launch(
    kernel_id: str, request: KernelRequest, identity: Identity, starter: KernelStarter
) -> KernelRecord:
    """Return the record of a running kernel that answers: a new one with this id, or a prewarmed one.

    Raises UserError; then nothing was started, or everything that was started has been removed.
    """
    began = time.monotonic()
    spec = starter.kernelspecs.get(request.spec, request.profile)
    course_access = await starter.resolve_course(identity)
    plan = decide(
        kernel_id, request, identity, spec, starter.settings, _usage(identity.owner, starter), course_access
    )
    new = KernelRecord(plan=plan, session=request.session)
    record = await starter.spares.take(plan, request.session) or await _started(new, starter)
    while starter.spares.lacks(plan) and has_room(
        starter.settings, identity, _usage(identity.owner, starter, spares=True)
    ):
        starter.spares.add(plan)
    log.info(
        "kernel %s started: user %s, kernelspec %s, namespace %s, %.3f s",
        record.kernel_id, plan.owner, plan.address, plan.namespace, time.monotonic() - began,
    )  # fmt: skip
    return record


async def _started(record: KernelRecord, starter: KernelStarter) -> KernelRecord:
    starter.starting[record.owner] += 1
    try:
        await starter.run(record)
    finally:
        starter.starting[record.owner] -= 1
    return record


def _usage(owner: Owner, starter: KernelStarter, *, spares: bool = False) -> Usage:
    running = Counter(starter.owners())
    running.update(starter.spares.owners() if spares else ())
    running.update(starter.starting)
    return Usage(all=running.total(), own=sum(count for one, count in running.items() if one.may_be(owner)))


async def check_still_allowed(plan: KernelPlan, identity: Identity, starter: KernelStarter) -> None:
    """Raise Denied or NotFound if the owner of a running kernel would not be granted its plan today.

    In a hub with courses, one of the user's courses must grant it, not only that of their current server.
    """
    spec = starter.kernelspecs.still(plan.spec, plan.profile)
    refused: Denied | None = None
    for course_access in await starter.courses_of(identity):
        try:
            return check_plan(plan, identity, spec, starter.settings, course_access)
        except Denied as error:
            refused = refused or error
    raise refused or not_in_course()
