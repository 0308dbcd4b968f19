"""Starts wait their turn: a few at once, in order, fair between users."""

from __future__ import annotations

import asyncio

import pytest

from kernelpod.runtime.kubernetes.fair_limiter import FairLimiter


class Queue:
    """Holders that stay until they are told to go; `order` is who came in."""

    def __init__(self, at_once: int) -> None:
        self.limiter, self.order = FairLimiter(at_once), list[str]()
        self._go: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Let holders ask for a turn; a name's first letter is its user."""
        for name in names:
            self._go[name] = asyncio.Event()
            self._tasks[name] = asyncio.ensure_future(self._hold(name))
            await self.settle()

    async def _hold(self, name: str) -> None:
        async with self.limiter.turn(name[0]):
            self.order.append(name)
            await self._go[name].wait()

    async def leave(self, *names: str) -> None:
        """Let holders give their turns back."""
        for name in names:
            self._go[name].set()
            await self._tasks[name]
            await self.settle()

    async def cancel(self, name: str) -> None:
        """Cancel one, holding or waiting."""
        self._tasks[name].cancel()
        await asyncio.gather(self._tasks[name], return_exceptions=True)
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let everything happen that can."""
        for _ in range(5):
            await asyncio.sleep(0)


async def test_so_many_at_once_and_no_more() -> None:
    queue = Queue(2)
    await queue.come("a1", "a2", "a3")
    assert queue.order == ["a1", "a2"]
    await queue.leave("a1")
    assert queue.order == ["a1", "a2", "a3"]


async def test_a_user_with_many_starts_does_not_keep_the_others_waiting() -> None:
    queue = Queue(1)
    await queue.come("a1", "a2", "a3", "b1", "c1", "b2")
    for name in ("a1", "a2", "b1", "c1", "a3"):
        await queue.leave(name)
    assert queue.order == ["a1", "a2", "b1", "c1", "a3", "b2"]


@pytest.mark.parametrize("gone", ["a2", "b1"])
async def test_who_gives_up_while_waiting_is_passed_over(gone: str) -> None:
    queue = Queue(1)
    await queue.come("a1", "a2", "b1")
    await queue.cancel(gone)
    await queue.leave("a1")
    assert queue.order == ["a1", "b1" if gone == "a2" else "a2"]


async def test_a_turn_is_given_back_by_who_is_cancelled() -> None:
    queue = Queue(1)
    await queue.come("a1", "b1")
    await queue.cancel("a1")
    assert queue.order == ["a1", "b1"]


async def test_a_turn_given_to_somebody_who_is_just_cancelled_goes_on() -> None:
    queue = Queue(1)
    await queue.come("a1", "a2", "b1")
    queue._go["a1"].set()
    await queue._tasks["a1"]  # a2 has the turn now, but does not know yet
    queue._tasks["a2"].cancel()
    await queue.settle()
    assert "b1" in queue.order


async def test_all_turns_are_free_again_afterwards() -> None:
    queue = Queue(3)
    await queue.come("a1", "b1", "b2", "c1")
    await queue.leave("a1", "b1", "b2", "c1")
    await queue.come("d1", "d2", "d3", "d4")
    assert queue.order[-3:] == ["d1", "d2", "d3"]
