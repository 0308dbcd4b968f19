"""Ends requests whose end, the state idle, is lost: a kernel drops output that waits too long, also the last.

The reply comes on another socket, whose queue has room. If no end follows it, the kernel is asked a question:
what it says to that comes after all that it has said before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from kernelpod.errors import StartFailed
from kernelpod.gateway.channels import wire

# How much later than the reply the end may come, as long as nobody asks for it. Questions are as far apart.
LATE_SECONDS = 2
# Requests without an end are remembered up to this number; the oldest are forgotten first.
MOST_REQUESTS = 10_000


class Ends:
    """The requests of pages to one kernel whose end the gateway has not heard."""

    def __init__(self, ask: Callable[[], Awaitable[None]], end: Callable[[str, bytes], None]) -> None:
        """`ask` returns when the kernel has answered a question. `end` gets msg_id and header of a lost end."""
        self._ask, self._end = ask, end
        self._open: dict[str, bytes] = {}
        self._replied: dict[str, asyncio.TimerHandle] = {}
        self._late: list[str] = []
        self._search: asyncio.Task[None] | None = None

    def expect(self, message: wire.FromPage) -> None:
        """Note a message that is sent to the kernel, if its end will be heard."""
        if message.channel == "shell" and message.msg_type.endswith("_request"):
            self._open[message.msg_id] = message.parts[wire.HEADER]
            if len(self._open) > MOST_REQUESTS:
                self.heard(next(iter(self._open)))

    def heard(self, msg_id: object) -> None:
        """Note that the kernel has said the end of a request."""
        if isinstance(msg_id, str):
            self._open.pop(msg_id, None)
            if timer := self._replied.pop(msg_id, None):
                timer.cancel()

    def replied(self, msg_id: str) -> None:
        """Note the reply to a request: its end must be near."""
        if msg_id in self._open and msg_id not in self._replied:
            loop = asyncio.get_running_loop()
            self._replied[msg_id] = loop.call_later(LATE_SECONDS, self._look_for, msg_id)

    def close(self) -> None:
        """End the requests that have a reply, and forget the others: the kernel will say no more."""
        if self._search is not None:
            self._search.cancel()
        self._search, self._late = None, []
        self._end_now(list(self._replied))
        self._open.clear()

    def _look_for(self, msg_id: str) -> None:
        self._late.append(msg_id)
        if self._search is None:
            self._search = asyncio.create_task(self._end_lost())

    async def _end_lost(self) -> None:
        while self._late:
            late, self._late = self._late, []
            with contextlib.suppress(StartFailed):  # a kernel that refuses this connection may take the next one
                await self._ask()
                self._end_now(late)
                late = []
            self._late += late
            await asyncio.sleep(LATE_SECONDS)
        self._search = None

    def _end_now(self, msg_ids: list[str]) -> None:
        for msg_id in msg_ids:
            if header := self._open.get(msg_id):
                self.heard(msg_id)
                self._end(msg_id, header)
