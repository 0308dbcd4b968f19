"""Ends requests whose reply or end, the state idle, is lost, and finds cells whose output may be lost as well.

A kernel drops output that waits too long, also the last, and output of which nobody listens yet, also the first.
The reply comes on another socket, whose queue has room. ipykernel sends no reply if an interrupt comes between the
last line of a cell and its reply. If only one of the two is here, the kernel is asked a question: what it says to
that comes after all that it has said before.

After an outage of the network, TCP may send output many seconds later than the reply, which goes another way. As
long as what the kernel says to the question does not arrive either, nothing is lost yet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kernelpod.errors import StartFailed
from kernelpod.gateway.channels import wire

# How far apart reply and end may come, as long as nobody asks for the other. Questions are as far apart.
LATE_SECONDS = 2
STATES = ("busy", "idle")
# How long output may be on its way. Then the kernel's output is connected anew, and what is still to come is lost.
SILENT_SECONDS = 30
# Requests without an end are remembered up to this number; the oldest are forgotten first.
MOST_REQUESTS = 10_000
# No reply to a cell that was aborted is as long as this. Kernels may send such replies without any state.
ABORTED_BYTES = 300


@dataclass
class _Request:
    header: bytes
    may_print: bool
    begun: bool = False
    replied: bool = False
    ended: bool = False


class Ends:
    """The requests of pages to one kernel whose reply or whose end the gateway has not heard."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[bool]],
        end: Callable[[str, bytes], None],
        lose: Callable[[bytes], None],
        answer: Callable[[str], None],
        listen_anew: Callable[[], None],
    ) -> None:
        """`ask` returns, when the kernel has answered a question, whether its output of that has arrived.

        `end` gets msg_id and header of a lost end.

        `lose` gets the header of a cell of which a state is lost, so that its output may be lost, too.
        `answer` gets the msg_id of a request that has ended without a reply. `listen_anew` is called when no
        output has arrived for too long.
        """
        self._ask, self._end, self._lose, self._answer, self._listen_anew = ask, end, lose, answer, listen_anew
        self._open: dict[str, _Request] = {}
        # The states that this kernel says of requests at all.
        self._says: set[str] = set()
        self._halves: dict[str, asyncio.TimerHandle] = {}
        self._late: list[str] = []
        self._silent_since = 0.0
        self._search: asyncio.Task[None] | None = None

    def expect(self, message: wire.FromPage) -> None:
        """Note a message that is sent to the kernel, if its end will be heard."""
        if message.channel == "shell" and message.msg_type.endswith("_request"):
            is_cell = message.msg_type == "execute_request"
            self._open[message.msg_id] = _Request(message.parts[wire.HEADER], is_cell)
            if len(self._open) > MOST_REQUESTS:
                self.forget(next(iter(self._open)))

    def hear(self, msg_id: object, state: object) -> None:
        """Note the state that the kernel says of any request. A cell that ends and never began has lost output."""
        if isinstance(state, str) and state in STATES:
            self._says.add(state)
        if not isinstance(msg_id, str) or not (request := self._open.get(msg_id)):
            return
        if state == "busy":
            request.begun = True
        elif state == "idle":
            if "busy" in self._says and not request.begun:
                self._lose_output(msg_id)
            request.ended = True
            self._watch(msg_id, request)

    def forget(self, msg_id: str) -> None:
        """Expect no end of a request any more."""
        self._open.pop(msg_id, None)
        if timer := self._halves.pop(msg_id, None):
            timer.cancel()

    def _lose_output(self, msg_id: str) -> None:
        if (request := self._open.get(msg_id)) and request.may_print and not request.ended:
            self._lose(request.header)

    def replied(self, msg_id: str, content: bytes) -> None:
        """Note the reply to a request: its end must be near. A cell that was aborted has no output to lose."""
        if not (request := self._open.get(msg_id)):
            return
        if len(content) < ABORTED_BYTES and b"aborted" in content:
            request.may_print = False
        request.replied = True
        self._watch(msg_id, request)

    def _watch(self, msg_id: str, request: _Request) -> None:
        if request.replied and request.ended:
            self.forget(msg_id)
        elif msg_id not in self._halves:
            loop = asyncio.get_running_loop()
            self._halves[msg_id] = loop.call_later(LATE_SECONDS, self._look_for, msg_id)

    def close(self) -> None:
        """End the requests that have a reply, and forget those that have none: the kernel will say no more."""
        if self._search is not None:
            self._search.cancel()
        self._search, self._late, self._silent_since = None, [], 0.0
        self._end_now([msg_id for msg_id in self._halves if self._open[msg_id].replied])
        for msg_id in list(self._open):
            self.forget(msg_id)

    def _look_for(self, msg_id: str) -> None:
        self._late.append(msg_id)
        if self._search is None:
            self._search = asyncio.create_task(self._end_lost())

    async def _end_lost(self) -> None:
        while self._late:
            late, self._late = self._late, []
            with contextlib.suppress(StartFailed):  # a kernel that refuses this connection may take the next one
                if not self._may_come(arrives=await self._ask()):
                    self._end_late(late)
                    late = []
            self._late += late
            await asyncio.sleep(LATE_SECONDS)
        self._search = None

    def _may_come(self, *, arrives: bool) -> bool:
        """Return whether what the kernel has said may still be on its way."""
        if arrives or "idle" not in self._says:
            self._silent_since = 0.0
            return False
        now = asyncio.get_running_loop().time()
        self._silent_since = self._silent_since or now
        return now - self._silent_since < SILENT_SECONDS

    def _end_late(self, late: list[str]) -> None:
        if "idle" in self._says:
            for msg_id in late:
                self._lose_output(msg_id)
        self._end_now(late)
        if self._silent_since:
            self._silent_since = 0.0
            self._listen_anew()

    def _end_now(self, msg_ids: list[str]) -> None:
        for msg_id in msg_ids:
            if request := self._open.get(msg_id):
                self.forget(msg_id)
                if request.replied:
                    self._end(msg_id, request.header)
                else:
                    self._answer(msg_id)
