"""Starts a kernel: calls the steps from the request to the running kernel, in their order.

A running kernel is asked for again in `check_still_allowed`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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


@dataclass(eq=False)
class Reservation:
    """The place that a start takes among its owner's kernels, from the decision until its kernel is listed."""

    owner: Owner
    kernel_id: str


class SparePool(Protocol):
    """Prewarmed kernels (spares), each with its owner and plan. They are not listed to anyone."""

    async def take(self, plan: KernelPlan, session: Session | None, place: Reservation) -> KernelRecord | None:
        """Return the record of a spare that fits the plan and is now its owner's kernel; None if none fits.

        Its id is noted in `place` before it is listed, so that it counts once.
        """

    def lacks(self, plan: KernelPlan) -> bool:
        """Return whether there are fewer spares of the plan than `prewarm` says; starting ones count."""

    def add(self, plan: KernelPlan) -> None:
        """Start one more spare of the plan, without waiting for it."""

    def owners(self) -> Mapping[str, Owner]:
        """Return the owner of each spare by its kernel id; starting ones count."""

    async def end_one(self, owner: Owner) -> bool:
        """End a spare, one of this owner's if there is one. Return False if there is no spare at all."""


@dataclass
class KernelStarter:
    """What a start needs: the settings, the kernelspecs, the running kernels, and a way to run a record."""

    settings: Settings
    kernelspecs: PublishedKernelspecs
    owners: Callable[[], Mapping[str, Owner]]
    """Returns the owners of the running kernels by their ids."""
    run: Callable[[KernelRecord], Awaitable[None]]
    """Starts the recorded plan and returns when the kernel has answered. Raises UserError if it does not."""
    spares: SparePool
    """Prewarmed kernels for their owners' next requests."""
    resolve_course: Callable[[Identity], Awaitable[CourseAccess | None]]
    """Returns the caller's course, None on a hub without courses. Raises Denied if the caller is in no course."""
    courses_of: Callable[[Identity], Awaitable[Sequence[CourseAccess | None]]]
    """Returns all courses of the caller, that of their server first; (None,) on a hub without courses."""
    starting: set[Reservation] = field(default_factory=set)
    """The places of starts, so that simultaneous requests cannot exceed a limit together."""


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
    # The start takes its place without waiting after the decision.
    place = Reservation(plan.owner, plan.kernel_id)
    starter.starting.add(place)
    try:
        new = KernelRecord(plan=plan, session=request.session)
        record = await starter.spares.take(plan, request.session, place) or await _started(
            new, identity, starter, place
        )
    finally:
        starter.starting.discard(place)
    while starter.spares.lacks(plan) and has_room(
        starter.settings, identity, _usage(plan.owner, starter, spares=True)
    ):
        starter.spares.add(plan)
    log.info(
        "kernel %s started: user %s, kernelspec %s, namespace %s, %.3f s",
        record.kernel_id, plan.owner, plan.address, plan.namespace, time.monotonic() - began,
    )  # fmt: skip
    return record


async def _started(
    record: KernelRecord, identity: Identity, starter: KernelStarter, place: Reservation
) -> KernelRecord:
    """Run a record. Spares give way before, so that they and the kernels together stay within the limits."""
    while not has_room(
        starter.settings, identity, _usage(record.owner, starter, spares=True, besides=place)
    ) and await starter.spares.end_one(record.owner):
        pass
    await starter.run(record)
    return record


def _usage(
    owner: Owner, starter: KernelStarter, *, spares: bool = False, besides: Reservation | None = None
) -> Usage:
    owners = {place.kernel_id: place.owner for place in starter.starting if place is not besides}
    owners |= starter.owners()
    owners |= starter.spares.owners() if spares else {}
    return Usage(all=len(owners), own=sum(one.may_be(owner) for one in owners.values()))


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
