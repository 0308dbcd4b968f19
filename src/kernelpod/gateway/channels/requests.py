"""What pages have asked a kernel and what it has not answered yet, within a budget in bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kernelpod.gateway.channels import wire

# Requests without a reply are remembered up to this number; the oldest are forgotten first.
MOST_REQUESTS = 10_000


@dataclass(frozen=True)
class Request:
    """A request of a page."""

    session: str
    """The page that gets the reply."""
    channel: str
    msg_type: str
    header: bytes


class Requests:
    """The requests of all pages of one kernel by msg_id, and the size of what the kernel has not read."""

    def __init__(self) -> None:
        self._open: dict[str, Request] = {}
        self._unread: dict[str, dict[str, int]] = {channel: {} for channel in wire.TO_KERNEL}
        self._doubtful: dict[str, list[str]] = {}
        self.unread_bytes = 0
        """The size of all messages that the kernel may not have read."""

    def add(self, session: str, message: wire.FromPage) -> None:
        """Remember a message that is sent to the kernel."""
        size, unread = sum(map(len, message.parts)), self._unread[message.channel]
        self.unread_bytes += size - unread.pop(message.msg_id, 0)
        unread[message.msg_id] = size
        if message.msg_type.endswith("_request"):
            self._open[message.msg_id] = request_of(session, message)
            if len(self._open) > MOST_REQUESTS:
                del self._open[next(iter(self._open))]

    def read(self, msg_id: str) -> None:
        """Note that the kernel has begun with a message, and so has read all before it on the same channel."""
        for unread in self._unread.values():
            while msg_id in unread:
                self.unread_bytes -= unread.pop(next(iter(unread)))

    @property
    def unread(self) -> str:
        """The id of the oldest message on the shell that the kernel may not have read; "" if there is none."""
        return next(iter(self._unread["shell"]), "")

    @property
    def newest_unread(self) -> str:
        """The id of the newest one; "" if there is none."""
        return next(reversed(self._unread["shell"]), "")

    def asked(self, msg_id: str) -> Request | None:
        """Return a request that has no reply yet."""
        return self._open.get(msg_id)

    def asked_on(self, channel: str) -> list[str]:
        """Return the ids of a channel's requests without a reply, except for those to subshells."""
        return [
            msg_id
            for msg_id, request in self._open.items()
            if request.channel == channel and not json.loads(request.header).get("subshell_id")
        ]

    def doubt(self, msg_ids: list[str], question: str) -> None:
        """Take these requests for lost if they have no reply when a later question has one."""
        self._doubtful[question] = msg_ids

    def lost(self, answered: object) -> list[Request] | None:
        """Return the requests that are lost now that a question is answered; None if that is no such question."""
        msg_ids = self._doubtful.pop(answered, None) if isinstance(answered, str) else None
        return None if msg_ids is None else [one for msg_id in msg_ids if (one := self._open.pop(msg_id, None))]

    def answer(self, msg_id: str) -> Request | None:
        """Return a request to which the reply has come, or None if there is none."""
        return self._open.pop(msg_id, None)

    def end(self) -> list[Request]:
        """Return all requests without a reply, and forget everything, because the kernel has ended."""
        ended = list(self._open.values())
        self._open.clear()
        self._doubtful.clear()
        for unread in self._unread.values():
            unread.clear()
        self.unread_bytes = 0
        return ended


def request_of(session: str, message: wire.FromPage) -> Request:
    """Return the request in a message."""
    return Request(session, message.channel, message.msg_type, message.parts[wire.HEADER])


def endings(request: Request, reason: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield channel, type and content of what ends a request without the kernel: an error, a reply, idle."""
    error = {"ename": "KernelEnded", "evalue": reason, "traceback": [reason]}
    reply: dict[str, Any] = {"status": "error", **error}
    if request.msg_type == "execute_request":
        yield "iopub", "error", error
        reply = {**reply, "execution_count": 0, "user_expressions": {}, "payload": []}
    yield request.channel, f"{request.msg_type.removesuffix('_request')}_reply", reply
    yield "iopub", "status", {"execution_state": "idle"}
