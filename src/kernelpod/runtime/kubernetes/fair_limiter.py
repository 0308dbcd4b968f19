"""Limits how many kernels start at the same time, fairly between users."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class FairLimiter:
    """A semaphore that serves waiting users in turn, first come first served for each user."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[Hashable, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, user: Hashable) -> AsyncIterator[None]:
        """Wait for a turn of the user and hold it while the block runs."""
        await self._take(user)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, user: Hashable) -> None:
        if self._free > 0:  # then nobody waits, since a returned turn goes to a waiting user first
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
        """Give the turn to the first user in the queue, and move this user to the end of the queue."""
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
