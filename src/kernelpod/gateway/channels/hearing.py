"""Finds out that a kernel no longer hears the gateway, although the connection is open and the kernel runs.

All gateways connect to a kernel with the same identity, so that the next one gets the replies to what the last
asked. ZeroMQ gives an identity to one connection only: to the latest, as ipykernel wants it (ROUTER_HANDOVER), or
to the first, and drops what comes by the other. A gateway that does not know yet that another one has taken over
can so take a kernel away from it, and nothing tells the other one. So a kernel that leaves something unread while
it computes nothing is asked the same by a second connection, the witness. If only the witness is answered, the
kernel does not hear this gateway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import zmq

from kernelpod.base.retry import back_off
from kernelpod.gateway.channels.computing import Computing
from kernelpod.gateway.channels.probe import Probe
from kernelpod.gateway.channels.requests import Requests
from kernelpod.gateway.channels.sockets import WITNESS, KernelSockets

log = logging.getLogger(__name__)

# How long something may be unread before the kernel is asked, and how far apart it is asked at most.
PAUSE_SECONDS = (5.0, 60.0)
ANSWER_SECONDS = 10.0
# The gateway's own question was sent before the witness's. Its answer may come so much later, and later still if
# large messages are on their way before it.
ORDER_SECONDS = 1.0
SLOWEST_BYTES_PER_SECOND = 1_000_000


class Hearing:
    """Whether one kernel hears the gateway."""

    def __init__(
        self,
        requests: Requests,
        computing: Computing,
        probe: Probe,
        sockets: KernelSockets,
        deaf: Callable[[], None],
    ) -> None:
        """`deaf` is called when the kernel does not hear the gateway."""
        self._requests, self._computing, self._probe, self._sockets = requests, computing, probe, sockets
        self._deaf = deaf
        self.heard = False
        """Whether the kernel has answered anything, or the last question that somebody waits for."""
        self._answers = 0
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None
        self._pauses: Iterator[float] = back_off(*PAUSE_SECONDS)

    def close(self) -> None:
        """Forget everything: the kernel is stopped, or starts again."""
        self.heard = False
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()
        self._timer = self._check = None

    def hear(self, channel: str) -> None:
        """Note an answer; what comes by the gateway's own connection shows that the kernel hears it."""
        if channel != WITNESS:
            self.heard = True
            self._answers += 1

    async def answered(self) -> bool:
        """Return, when the kernel answers a question that is asked now, whether its output arrives.

        If need be it is asked by another connection.
        """
        self.heard = False
        self.watch()
        return await self._probe.answered()

    def watch(self) -> None:
        """Look after a while whether the kernel has read what it was sent."""
        if self._timer is None and self._check is None and self._sockets.has("shell"):
            self._pauses = back_off(*PAUSE_SECONDS)
            self._look_later()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(next(self._pauses), self._look, self._doubt())

    def _look(self, before: str) -> None:
        self._timer = None
        doubt = self._doubt()
        if doubt and doubt == before and not self._computing:
            self._check = asyncio.ensure_future(self._ask_witness())
        elif doubt:
            self.watch()

    def _doubt(self) -> str:
        """Return what the kernel may not have heard; "" if there is nothing."""
        return self._requests.unread or ("" if self.heard else "a question")

    async def _ask_witness(self) -> None:
        """Ask the kernel by both connections. Its answer says also that it has read what was sent before."""
        newest, doubt, answers = self._requests.newest_unread, self._doubt(), self._answers
        late = ORDER_SECONDS + self._requests.unread_bytes / SLOWEST_BYTES_PER_SECOND
        try:
            self._sockets.connect_witness(True)
            own, others = self._probe.question("shell"), self._probe.question(WITNESS)
            await asyncio.wait({own, others}, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({own}, timeout=late if others.done() else 0)
            # Anything else that comes by the own connection shows as well that the kernel hears it.
            is_deaf = others.done() and answers == self._answers and doubt == self._doubt()
            if is_deaf and not self._computing:
                self.heard = True  # by the next connection
                self._deaf()
        except zmq.ZMQError:  # no socket is left
            log.exception("it is not known whether the kernel hears the gateway")
            own = None
        finally:
            self._sockets.connect_witness(False)
            self._check = None
        if own is not None and own.done():
            self._requests.read(newest)
        if self._doubt() and self._sockets.has("shell"):
            self._look_later()
