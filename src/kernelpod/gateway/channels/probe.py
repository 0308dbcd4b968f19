"""The gateway's own requests to a kernel: does it answer, does its output arrive, and may it be interrupted?

Pages see nothing of them, neither the replies nor the states.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernelpod.base.headers import IN_ORDER
from kernelpod.base.retry import back_off
from kernelpod.errors import StartFailed
from kernelpod.gateway.channels.wire import CONTENT, HEADER, FromKernel, FromPage, parsed

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 2
OUTPUT_SECONDS = 0.5
MOST_QUESTIONS = 10
# Up to this number of requests are remembered, for what the kernel may still say of them; the newest.
MOST_REQUESTS = 1000
INTERRUPT_SECONDS = 2
NOT_ENCRYPTED = (
    "The kernelspec says that its kernel supports CurveZMQ (metadata.supported_encryption), but the kernel "
    "does not. Ask an admin to remove the key, or to update the kernel's image."
)


@dataclass
class _Asked:
    reply: asyncio.Future[None]
    output: asyncio.Future[None]


class Probe:
    """The gateway's own requests to one kernel."""

    def __init__(self, kernel_id: str, ask: Callable[[str, str, dict[str, Any]], str]) -> None:
        """`ask` sends a request with this channel, type and content, and returns its id."""
        self._kernel_id, self._send = kernel_id, ask
        self._info: dict[str, Any] | None = None
        self._open: dict[str, _Asked] = {}
        self._outputs = 0

    async def answered(self) -> bool:
        """Return, when the kernel answers kernel_info, whether its output arrives here as well, or does not soon.

        Raises StartFailed if the kernel does not encrypt. It is asked again: questions are lost with a connection
        that is cut off, output if nobody listens yet.
        """
        asked = _asked()
        reply, output = asked.reply, asked.output
        for pause in back_off(ASK_AGAIN_SECONDS, math.inf):
            self._ask("shell", "kernel_info_request", asked)
            await asyncio.wait({reply}, timeout=pause)
            if reply.done():
                reply.result()
                break
        unheard = 0
        while unheard < MOST_QUESTIONS:
            before = self._outputs
            await asyncio.wait({output}, timeout=OUTPUT_SECONDS)
            if output.done():
                return True
            # Other output may be what the kernel said before.
            unheard = unheard + 1 if self._outputs == before else 0
            self._ask("shell", "kernel_info_request", asked)
        log.warning("kernel %s answers, but its output does not arrive", self._kernel_id)
        return False

    async def interrupt(self, *, wait: bool) -> None:
        """Interrupt what the kernel computes.

        With `wait`, return when the kernel has done so, or after 2 s. ipykernel interrupts whatever it computes
        when it reads the request, so what a page sends before the reply is here may be interrupted as well.
        """
        asked = _asked()
        self._ask("control", "interrupt_request", asked)
        if wait:
            await asyncio.wait({asked.reply}, timeout=INTERRUPT_SECONDS)

    def question(self, channel: str) -> asyncio.Future[None]:
        """Ask the kernel once, and return what is done when it answers."""
        asked = _asked()
        self._ask(channel, "kernel_info_request", asked)
        return asked.reply

    def replied(self, msg_id: object, message: FromKernel) -> bool:
        """Note a reply of the kernel, and return whether it answers one of these requests."""
        if not isinstance(msg_id, str) or not (asked := self._open.get(msg_id)):
            return False
        if message.msg_type == "kernel_info_reply":
            self._info = parsed(message.parts[CONTENT])
        _set(asked.reply)
        return True

    def known(self, message: FromPage) -> list[tuple[str, str, dict[str, Any], bytes]]:
        """Return what answers a page's kernel_info_request at once: channel, type, content and parent of each.

        Empty if it is not known, or may not come before other answers. At the end the page is told "busy" again.
        """
        asks = message.msg_type == "kernel_info_request" and message.channel == "shell"
        header = message.parts[HEADER]
        if not asks or self._info is None or IN_ORDER.encode() in header:
            return []
        busy, idle = ({"execution_state": state} for state in ("busy", "idle"))
        return [
            ("iopub", "status", busy, header),
            ("shell", "kernel_info_reply", self._info, header),
            ("iopub", "status", idle, header),
            ("iopub", "status", busy, b"{}"),
        ]

    def forget(self) -> None:
        """Forget what the kernel has said, because it is started again."""
        self._info = None

    def hear_output(self) -> None:
        """Note any output of the kernel: the output of a question comes after it."""
        self._outputs += 1

    def has_output(self, msg_id: object) -> bool:
        """Note output of the kernel, and return whether it belongs to one of these requests."""
        if not isinstance(msg_id, str) or not (asked := self._open.get(msg_id)):
            return False
        _set(asked.output)
        return True

    def refused(self) -> None:
        """Fail the questions: a kernel that does not encrypt as the gateway does will never answer."""
        for asked in self._open.values():
            if not asked.reply.done():
                asked.reply.set_exception(StartFailed("encryption_unsupported", NOT_ENCRYPTED))
                asked.reply.exception()  # nobody may wait for it

    def _ask(self, channel: str, msg_type: str, asked: _Asked) -> None:
        self._open[self._send(channel, msg_type, {})] = asked
        if len(self._open) > MOST_REQUESTS:
            del self._open[next(iter(self._open))]


def _asked() -> _Asked:
    loop = asyncio.get_running_loop()
    return _Asked(loop.create_future(), loop.create_future())


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
