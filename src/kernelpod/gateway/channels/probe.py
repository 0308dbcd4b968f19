"""The gateway's own questions to a kernel: does it answer, and does its output arrive?"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any

from kernelpod.base.headers import IN_ORDER
from kernelpod.base.retry import back_off
from kernelpod.errors import StartFailed
from kernelpod.gateway.channels.wire import CONTENT, HEADER, FromKernel, FromPage, parsed

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 2
OUTPUT_SECONDS = 0.5
MOST_QUESTIONS = 10
FORGET_SECONDS = 3600
NOT_ENCRYPTED = (
    "The kernelspec says that its kernel supports CurveZMQ (metadata.supported_encryption), but the kernel "
    "does not. Ask an admin to remove the key, or to update the kernel's image."
)


class Probe:
    """The open questions to one kernel. Pages see nothing of them."""

    def __init__(self, kernel_id: str, ask_info: Callable[[], str]) -> None:
        """`ask_info` sends a kernel_info_request and returns its id."""
        self._kernel_id, self._ask_info = kernel_id, ask_info
        self._info: dict[str, Any] | None = None
        self._open: dict[str, tuple[asyncio.Future[None], asyncio.Future[None]]] = {}
        self._outputs = 0

    async def answered(self) -> None:
        """Return when the kernel answers kernel_info and its output arrives here.

        Raises StartFailed if the kernel does not encrypt. It is asked again: questions are lost with a connection
        that is cut off, output if nobody listens yet.
        """
        loop = asyncio.get_running_loop()
        reply, output = loop.create_future(), loop.create_future()
        for pause in back_off(ASK_AGAIN_SECONDS, math.inf):
            self._ask(reply, output)
            await asyncio.wait({reply}, timeout=pause)
            if reply.done():
                reply.result()
                break
        unheard = 0
        while unheard < MOST_QUESTIONS:
            before = self._outputs
            await asyncio.wait({output}, timeout=OUTPUT_SECONDS)
            if output.done():
                return
            # Other output may be what the kernel said before.
            unheard = unheard + 1 if self._outputs == before else 0
            self._ask(reply, output)
        log.warning("kernel %s answers, but its output does not arrive", self._kernel_id)

    def replied(self, msg_id: object, message: FromKernel) -> bool:
        """Note a reply of the kernel, and return whether it answers one of these questions."""
        if not self._resolve(msg_id, 0):
            return False
        self._info = parsed(message.parts[CONTENT])
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
        """Note output of the kernel, and return whether it belongs to one of these questions."""
        return self._resolve(msg_id, 1)

    def refused(self) -> None:
        """Fail the questions: a kernel that does not encrypt as the gateway does will never answer."""
        for reply, _ in self._open.values():
            if not reply.done():
                reply.set_exception(StartFailed("encryption_unsupported", NOT_ENCRYPTED))

    def _ask(self, reply: asyncio.Future[None], output: asyncio.Future[None]) -> None:
        msg_id = self._ask_info()
        self._open[msg_id] = reply, output
        asyncio.get_running_loop().call_later(FORGET_SECONDS, self._open.pop, msg_id, None)

    def _resolve(self, msg_id: object, which: int) -> bool:
        futures = self._open.get(msg_id) if isinstance(msg_id, str) else None
        if futures is None:
            return False
        if not futures[which].done():
            futures[which].set_result(None)
        return True
