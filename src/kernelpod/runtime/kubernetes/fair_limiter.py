"""FairLimiter: a few starts at a time, first come first served, fair between users."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class FairLimiter:
    """Lets `at_once` holders in; those who wait are let in one of each user in turn, each user's own in order."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, user: Hashable) -> AsyncIterator[None]:
        """Hold a turn for as long as the block runs."""
        await self._take(user)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, user: Hashable) -> None:
        if self._free > 0:  # nobody waits then: a turn that is given back goes to who waits
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn to the user who has waited longest for one; who was served goes to the end of the row."""
        while self._waiting:
            user = next(iter(self._waiting))
            queue = self._waiting.pop(user)
            served = False
            while queue and not served:
                future = queue.popleft()
                if not future.done():
                    future.set_result(None)
                    served = True
            if queue:
                self._waiting[user] = queue
            if served:
                return
        self._free += 1
