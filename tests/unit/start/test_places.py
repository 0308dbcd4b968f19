"""The place that a start takes among its owner's kernels: from the decision on, and once."""

from __future__ import annotations

import asyncio
import uuid
from types import SimpleNamespace
from typing import Any

import pytest

from doubles import a_spec, an_identity
from kernelpod.errors import Denied
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Owner
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import KernelRequest
from kernelpod.start.start import KernelStarter, launch

ALICE = an_identity()


class Pool:
    """One spare of alice's, which is listed at once and handed over when `go` is set."""

    def __init__(self, running: dict[str, Owner]) -> None:
        self.running, self.spare, self.go, self.listed = running, "spare", asyncio.Event(), asyncio.Event()

    async def take(self, plan: Any, session: Any, place: Any) -> KernelRecord | None:
        if not self.spare:
            return None
        place.kernel_id, self.spare = self.spare, ""
        self.running[place.kernel_id] = plan.owner
        self.listed.set()
        await self.go.wait()
        return KernelRecord(plan=plan.model_copy(update={"kernel_id": place.kernel_id}))

    def owners(self) -> dict[str, Owner]:
        return {self.spare: ALICE.owner} if self.spare else {}

    async def end_one(self, owner: Owner) -> bool:
        ended, self.spare = bool(self.spare), ""
        return ended

    def lacks(self, plan: Any) -> bool:
        return False

    def add(self, plan: Any) -> None:
        raise AssertionError


def starter(limit: int, running: dict[str, Owner], pool: Pool) -> KernelStarter:
    async def run(record: KernelRecord) -> None:
        assert len(running) + len(pool.owners()) < limit, "spares have given way"
        await asyncio.sleep(0)  # the others have their turn before it is listed
        running[record.kernel_id] = record.owner

    async def no_course(*_: Any) -> None:
        return None

    settings = Settings.model_validate({"policy": {"max_kernels_per_user": limit}})
    kernelspecs: Any = SimpleNamespace(get=lambda *_: a_spec(prewarm=1))
    courses: Any = no_course
    return KernelStarter(settings, kernelspecs, lambda: running, run, pool, no_course, courses)


async def begun(by: KernelStarter) -> str:
    record = await launch(str(uuid.uuid4()), KernelRequest(spec="python-pod"), ALICE, by)
    return record.kernel_id


async def test_a_spare_that_is_handed_over_counts_once_and_before_it_is_listed() -> None:
    running = {"first": ALICE.owner}
    pool = Pool(running)
    by = starter(3, running, pool)
    taking = asyncio.ensure_future(begun(by))
    await pool.listed.wait()
    third = await begun(by)  # there is room for exactly one more
    assert third in running
    with pytest.raises(Denied, match="at most 3"):
        await begun(by)
    pool.go.set()
    assert await taking == "spare"
    assert by.starting == set()
    assert len(running) == 3


async def test_a_start_that_is_decided_counts_before_anything_else_happens() -> None:
    running = {"first": ALICE.owner}
    pool = Pool(running)
    pool.spare = ""
    by = starter(2, running, pool)
    results = await asyncio.gather(*(begun(by) for _ in range(3)), return_exceptions=True)
    assert [isinstance(one, Denied) for one in results].count(True) == 2
    assert len(running) == 2


async def test_a_start_that_fails_gives_its_place_back() -> None:
    running: dict[str, Owner] = {}
    pool = Pool(running)
    by = starter(1, running, pool)

    async def fail(_: Any) -> None:
        raise RuntimeError

    pool.spare, by.run = "", fail
    with pytest.raises(RuntimeError):
        await begun(by)
    assert by.starting == set()
