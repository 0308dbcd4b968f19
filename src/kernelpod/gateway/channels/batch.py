"""Writes the frames that a page is given in one turn of the event loop together: writes are system calls."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterable, Iterator

from kernelpod.gateway.channels.wire import Frame

# RFC 6455, 5.2: a whole message, text or binary, and where the length does not fit into seven bits.
TEXT, BINARY = 0x81, 0x82
SHORT, MEDIUM, LONG = 126, 127, 0x10000

LARGE_BYTES = 64 * 1024


class Batch:
    """The frames for one websocket that are not written yet."""

    def __init__(self, write: Callable[[bytes], asyncio.Future[None]]) -> None:
        """`write` writes bytes to the websocket's connection."""
        self._write = write
        self._parts: list[bytes] = []
        self._written: asyncio.Future[None] | None = None

    def add(self, frame: Frame) -> asyncio.Future[None]:
        """Write a frame at the end of this turn. The future is done when it is sent."""
        if self._written is None:
            loop = asyncio.get_running_loop()
            self._written = loop.create_future()
            loop.call_soon(self.flush)
        self._parts += head(frame), frame.data
        return self._written

    def flush(self) -> None:
        """Write the frames now."""
        parts, written = self._parts, self._written
        self._parts, self._written = [], None
        if written is None:
            return
        try:
            *_, last = [self._write(data) for data in joined(parts)]
            last.add_done_callback(lambda done: _copy(done, written))
        except Exception as error:  # noqa: BLE001 - each failure of a connection is told to who waits
            written.set_exception(error)
            written.exception()  # nobody else has to ask for it


def joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts joined, except for large ones: they would be copied, once for each page."""
    small: list[bytes] = []
    for part in parts:
        if len(part) < LARGE_BYTES:
            small.append(part)
        else:
            yield b"".join(small)
            yield part
            small.clear()
    if small:
        yield b"".join(small)


def head(frame: Frame) -> bytes:
    """Return the head of a frame from a server, which is not masked."""
    first, size = BINARY if frame.binary else TEXT, len(frame.data)
    if size < SHORT:
        return struct.pack("!BB", first, size)
    return struct.pack("!BBH", first, SHORT, size) if size < LONG else struct.pack("!BBQ", first, MEDIUM, size)


def _copy(done: asyncio.Future[None], to: asyncio.Future[None]) -> None:
    if done.cancelled():
        to.cancel()
    elif error := done.exception():
        to.set_exception(error)
        to.exception()
    else:
        to.set_result(None)
