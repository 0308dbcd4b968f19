"""Ends requests whose end, the state idle, is lost, and finds cells whose output may be lost with their states.

A kernel drops output that waits too long, also the last, and output of which nobody listens yet, also the first.
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
# No reply to a cell that was aborted is as long as this. Kernels may send such replies without any state.
ABORTED_BYTES = 300


class Ends:
    """The requests of pages to one kernel whose end the gateway has not heard."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[None]],
        end: Callable[[str, bytes], None],
        lose: Callable[[bytes], None],
    ) -> None:
        """`ask` returns when the kernel has answered a question. `end` gets msg_id and header of a lost end.

        `lose` gets the header of a cell of which a state is lost, so that its output may be lost, too.
        """
        self._ask, self._end, self._lose = ask, end, lose
        self._open: dict[str, bytes] = {}
        self._cells: set[str] = set()
        # What this kernel says of requests at all, and the cells of which it has said that they begin.
        self._says: set[str] = set()
        self._begun: set[str] = set()
        self._replied: dict[str, asyncio.TimerHandle] = {}
        self._late: list[str] = []
        self._search: asyncio.Task[None] | None = None

    def expect(self, message: wire.FromPage) -> None:
        """Note a message that is sent to the kernel, if its end will be heard."""
        if message.channel == "shell" and message.msg_type.endswith("_request"):
            self._open[message.msg_id] = message.parts[wire.HEADER]
            if message.msg_type == "execute_request":
                self._cells.add(message.msg_id)
            if len(self._open) > MOST_REQUESTS:
                self.forget(next(iter(self._open)))

    def hear(self, msg_id: object, state: object) -> None:
        """Note the state that the kernel says of a request. A cell that ends and never began has lost output."""
        if not isinstance(msg_id, str) or msg_id not in self._open:
            return
        if state == "busy":
            self._says.add(state)
            self._begun.add(msg_id)
        elif state == "idle":
            self._says.add(state)
            if "busy" in self._says and msg_id not in self._begun:
                self._lose_output(msg_id)
            self.forget(msg_id)

    def forget(self, msg_id: str) -> None:
        """Expect no end of a request any more."""
        self._open.pop(msg_id, None)
        self._cells.discard(msg_id)
        self._begun.discard(msg_id)
        if timer := self._replied.pop(msg_id, None):
            timer.cancel()

    def _lose_output(self, msg_id: str) -> None:
        if msg_id in self._cells:
            self._lose(self._open[msg_id])

    def replied(self, msg_id: str, content: bytes) -> None:
        """Note the reply to a request: its end must be near. A cell that was aborted has no output to lose."""
        if len(content) < ABORTED_BYTES and b"aborted" in content:
            self._cells.discard(msg_id)
        if msg_id in self._open and msg_id not in self._replied:
            loop = asyncio.get_running_loop()
            self._replied[msg_id] = loop.call_later(LATE_SECONDS, self._look_for, msg_id)

    def close(self) -> None:
        """End the requests that have a reply, and forget the others: the kernel will say no more."""
        if self._search is not None:
            self._search.cancel()
        self._search, self._late = None, []
        self._end_now(list(self._replied))
        for known in (self._open, self._cells, self._says, self._begun):
            known.clear()

    def _look_for(self, msg_id: str) -> None:
        self._late.append(msg_id)
        if self._search is None:
            self._search = asyncio.create_task(self._end_lost())

    async def _end_lost(self) -> None:
        while self._late:
            late, self._late = self._late, []
            with contextlib.suppress(StartFailed):  # a kernel that refuses this connection may take the next one
                await self._ask()
                if "idle" in self._says:
                    for msg_id in late:
                        self._lose_output(msg_id)
                self._end_now(late)
                late = []
            self._late += late
            await asyncio.sleep(LATE_SECONDS)
        self._search = None

    def _end_now(self, msg_ids: list[str]) -> None:
        for msg_id in msg_ids:
            if header := self._open.get(msg_id):
                self.forget(msg_id)
                self._end(msg_id, header)
