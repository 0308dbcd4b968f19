"""Spares that give way before they have begun to start."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest

from plans import a_plan

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")
from kernelpod.errors import StartFailed
from kernelpod.gateway.spares import Spares
from kernelpod.start.record import KernelRecord
from kernelpod.start.start import Reservation


class NoKernels:
    """Kernels of which none is ever started."""

    def new_kernel(self, record: Any) -> Any:
        raise AssertionError(f"{record.kernel_id} began to start")


@pytest.fixture
def spares() -> Spares:
    kernels: Any = NoKernels()
    return Spares(kernels, seconds=60)


async def test_a_spare_that_has_not_begun_gives_way_once(spares: Spares) -> None:
    """A start ends spares until there is room: one that stayed would be ended again and again, for ever."""
    plan = a_plan().model_copy(update={"prewarm": 1})
    spares.add(plan)
    assert not spares.lacks(plan)
    assert await spares.end_one(plan.owner)
    assert spares.owners() == {}
    assert spares.lacks(plan)
    assert not await spares.end_one(plan.owner)


async def test_two_starts_that_meet_end_a_spare_once_and_wait_until_nothing_is_left_of_it() -> None:
    """A second cancellation would end its removal."""
    began, may_end, removed = asyncio.Event(), asyncio.Event(), []

    class Kernel:
        async def start_kernel(self, record: Any) -> None:
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                await may_end.wait()
                removed.append(record.kernel_id)

    class Kernels:
        def new_kernel(self, _: Any) -> Any:
            return Kernel()

    kernels: Any = Kernels()
    spares, plan = Spares(kernels, seconds=60), a_plan()
    spares.add(plan)
    await began.wait()
    both = asyncio.gather(spares.end_one(plan.owner), spares.end_one(plan.owner))
    await asyncio.sleep(0)
    assert len(spares.owners()) == 1
    may_end.set()
    assert await both == [True, True]
    assert len(removed) == 1
    assert spares.owners() == {}


async def test_a_spare_that_has_not_begun_ends_with_its_owner(spares: Spares) -> None:
    plan = a_plan()
    spares.add(plan)
    assert await spares.end_of(plan.owner.named()) == 1
    assert spares.owners() == {}


async def test_a_spare_that_has_not_begun_ends_with_the_gateway(spares: Spares) -> None:
    spares.add(a_plan())
    await spares.close()
    assert spares.owners() == {}


async def test_a_start_that_takes_a_spare_counts_once_while_that_is_listed() -> None:
    """Its place then has the spare's id; a start that takes none has its own again."""
    plan = a_plan()
    place, counted = Reservation(plan.owner, plan.kernel_id), []

    class Proxy:
        async def take(self, session: Any) -> None:
            assert session is None

    class Spare:
        def __init__(self, kernel_id: str) -> None:
            self.record = KernelRecord(plan=plan.model_copy(update={"kernel_id": kernel_id}))
            self.process_proxy, self.spare = Proxy(), True

        async def answered(self, deadline: float) -> None:
            assert deadline

        async def discard(self) -> None:
            self.spare = False

    class Kernels:
        refuses = False

        async def admit(self, kernel: Any) -> None:
            counted.append(place.kernel_id == kernel.record.kernel_id)
            if self.refuses:
                raise StartFailed("kernel_start_failed", "it cannot be listed")

    kernels: Any = Kernels()
    spares = Spares(kernels, seconds=60)
    spares.adopt([cast("Any", Spare("0" * 32))])
    taken = await spares.take(plan, None, place)
    assert (taken and taken.kernel_id, counted) == ("0" * 32, [True])
    kernels.refuses = True
    spares.adopt([cast("Any", Spare("1" * 32))])
    assert await spares.take(plan, None, place) is None
    assert (place.kernel_id, counted) == (plan.kernel_id, [True, True])


@pytest.mark.parametrize(("age", "left"), [(0, 900), (600, 300), (5000, 0), (-50, 900)])
async def test_the_spares_of_an_earlier_gateway_stay_for_the_rest_of_their_time(
    age: float, left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often gateways are restarted, and also if a clock was set."""
    timed: list[float] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", lambda seconds, *_: timed.append(seconds))
    created = datetime.now(timezone.utc) - timedelta(seconds=age)
    kernel: Any = SimpleNamespace(record=KernelRecord(plan=a_plan(), created=created))
    kernels: Any = NoKernels()
    spares = Spares(kernels, seconds=900)
    spares.adopt([kernel])
    assert timed == [pytest.approx(left, abs=60)]
    assert list(spares.owners()) == [kernel.record.kernel_id]
