"""Passes a kernel's messages to clients: checks signatures, and parses only what is needed.

jupyter_server parses every message completely, including dates, and writes it as JSON again. That is most of the
cost of passing on a line of output. The parts of a message are already JSON.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import Any

from jupyter_client.session import DELIM

PLAIN_LENGTH = 5
"""Parts of a message without buffers: signature, header, parent header, metadata, content."""


def parts_of(frames: Sequence[bytes]) -> Sequence[bytes]:
    """Return the parts of a message: signature, header, parent header, metadata, content, buffers.

    Raises ValueError if there are none. Frames before them belong to ZeroMQ: a topic or an address.
    """
    return frames[frames.index(DELIM) + 1 :]


def is_signed(session: Any, parts: Sequence[bytes]) -> bool:
    """Return whether the message is signed with the session's key."""
    return session.auth is None or compare_digest(parts[0], session.sign(parts[1:PLAIN_LENGTH]))


def execution_state(session: Any, parts: Sequence[bytes]) -> str | None:
    """Return the execution state in a status message; None for other messages and wrong signatures.

    Most messages are output. They are recognised without parsing, because their headers do not contain "status".
    """
    if len(parts) < PLAIN_LENGTH or b'"status"' not in parts[1] or not is_signed(session, parts):
        return None
    if session.unpack(parts[1])["msg_type"] != "status":
        return None
    state: str = session.unpack(parts[4])["execution_state"]
    return state


def as_text(session: Any, channel: str, parts: Sequence[bytes]) -> bytes | None:
    """Return a message as the UTF-8 text that jupyter_server would send on a websocket.

    Returns None for messages that jupyter_server must convert or refuse: those with buffers, another major version
    of the protocol, or a signature that is wrong or was seen before.
    """
    if len(parts) != PLAIN_LENGTH or session.adapt_version or parts[0] in session.digest_history:
        return None
    if not is_signed(session, parts):
        return None
    _, header, parent_header, metadata, content = parts
    try:
        told = json.loads(header)
        if "date" not in told or not told["version"].startswith("5."):
            return None
        lifted = b'"msg_id": %b, "msg_type": %b' % (_json(told["msg_id"]), _json(told["msg_type"]))
        text = (
            b'{"header": %b, %b, "parent_header": %b, "metadata": %b, "content": %b, "buffers": [], "channel": %b}'
            % (header, lifted, parent_header, metadata, content, _json(channel))
        )
        text.decode("utf-8")  # browsers close the connection if text is not UTF-8
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    session._add_digest(parts[0])
    return text


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


class OfflineBuffer:
    """A buffer for the newest messages, up to `max_bytes`. When it is full, the oldest are dropped."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._messages: deque[tuple[str, list[Any]]] = deque()

    def append(self, message: tuple[str, list[Any]]) -> None:
        """Keep a message (channel, parts)."""
        self._messages.append(message)
        self._bytes += _size(message)
        while self._bytes > self._max_bytes and self._messages:
            self._bytes -= _size(self._messages.popleft())

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[tuple[str, list[Any]]]:
        return iter(self._messages)


def _size(message: tuple[str, list[Any]]) -> int:
    return sum(len(part) for part in message[1])
