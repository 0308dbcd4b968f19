"""What a kernel sends is given to its pages at once, or together within milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from kernelpod.gateway.channels import pace
from kernelpod.gateway.channels.pace import Pace


class Pages:
    """Pages that note when they are given something."""

    def __init__(self, count: int = 1) -> None:
        self.given = 0
        self.twice = asyncio.Event()
        self.pace = Pace(self._give, lambda: count)

    def _give(self) -> None:
        self.given += 1
        if self.given == 2:
            self.twice.set()


def play(scene: Callable[[], None]) -> None:
    """Play a scene within one turn of an event loop."""

    async def played() -> None:
        scene()

    asyncio.run(played())


def test_what_comes_after_a_pause_is_given_at_once() -> None:
    pages = Pages()
    play(lambda: pages.pace.add(10, at_once=False))
    assert pages.given == 1


def test_small_outputs_wait_for_each_other_but_not_for_ever() -> None:
    async def played() -> None:
        pages = Pages()
        for _ in range(100):
            pages.pace.add(10, at_once=False)
        assert pages.given == 1
        await asyncio.wait_for(pages.twice.wait(), 5)
        await asyncio.sleep(2 * pace.MOST_PAUSE_SECONDS)  # nothing more is given: nothing is left
        assert pages.given == 2

    asyncio.run(played())


@pytest.mark.parametrize(("size", "at_once"), [(10, True), (pace.MOST_HELD_BYTES, False)])
def test_replies_and_much_output_take_with_them_what_waits(size: int, at_once: bool) -> None:
    pages = Pages()

    def scene() -> None:
        for _ in range(3):
            pages.pace.add(10, at_once=False)
        pages.pace.add(size, at_once=at_once)

    play(scene)
    assert pages.given == 2


def test_no_page_waits_longer_than_people_notice() -> None:
    async def played() -> None:
        pages, loop = Pages(1000), asyncio.get_running_loop()
        pages.pace.add(10, at_once=False)
        pages.pace.add(10, at_once=False)
        began = loop.time()
        await asyncio.wait_for(pages.twice.wait(), 5)
        assert loop.time() - began >= pace.MOST_PAUSE_SECONDS / 2

    asyncio.run(played())
