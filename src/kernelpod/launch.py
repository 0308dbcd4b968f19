"""The start of a kernel, from wish to running: the order of things, and nothing else."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from kernelpod.identity import Identity, Owner
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.policy import Usage, decide
from kernelpod.record import KernelRecord
from kernelpod.request import KernelRequest
from kernelpod.settings import Settings

log = logging.getLogger(__name__)


@dataclass
class House:
    """What a start needs: the settings, the kernelspecs, who runs what, and the way to run a record."""

    settings: Settings
    kernelspecs: PublishedKernelspecs
    owners: Callable[[], Iterable[Owner]]
    """Owners of the kernels that run, one entry a kernel."""
    run: Callable[[KernelRecord], Awaitable[None]]
    """Starts the recorded plan; returns when the kernel has answered, raises UserError if it does not."""
    starting: Counter[Owner] = field(default_factory=Counter)
    """Kernels on their way, so that two requests at once cannot share the last place."""


async def launch(kernel_id: str, request: KernelRequest, identity: Identity, house: House) -> KernelRecord:
    """Return the record of a kernel that runs and answers.

    Raises UserError; then nothing was started, or all that was is gone.
    """
    began = time.monotonic()
    spec = house.kernelspecs.get(request.spec, request.profile)
    plan = decide(kernel_id, request, identity, spec, house.settings, _usage(identity.owner, house))
    record = KernelRecord(plan=plan)
    house.starting[plan.owner] += 1
    try:
        await house.run(record)
    finally:
        house.starting[plan.owner] -= 1
    log.info(
        "kernel %s started: user %s, kernelspec %s, namespace %s, %.3f s",
        kernel_id, plan.owner, plan.address, plan.namespace, time.monotonic() - began,
    )  # fmt: skip
    return record


def _usage(owner: Owner, house: House) -> Usage:
    running = Counter(house.owners())
    return Usage(
        all=running.total() + house.starting.total(),
        own=running[owner] + house.starting[owner],
    )
