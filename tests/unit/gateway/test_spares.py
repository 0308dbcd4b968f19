"""Spares that give way before they have begun to start."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.gateway.spares import Spares
from plans import a_plan


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


async def test_a_spare_that_has_not_begun_ends_with_its_owner(spares: Spares) -> None:
    plan = a_plan()
    spares.add(plan)
    assert await spares.end_of(plan.owner.named()) == 1
    assert spares.owners() == {}


async def test_a_spare_that_has_not_begun_ends_with_the_gateway(spares: Spares) -> None:
    spares.add(a_plan())
    await spares.close()
    assert spares.owners() == {}
