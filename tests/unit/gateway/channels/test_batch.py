"""Frames that a page is given in one turn of the event loop are written together, as tornado would write each."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.websocket import WebSocketProtocol13, _WebSocketParams

from kernelpod.gateway.channels.batch import LARGE_BYTES, Batch, head
from kernelpod.gateway.channels.wire import Frame

SIZES = [0, 1, 125, 126, 65535, 65536, 70000]


class Stream:
    """A connection that notes what is written to it."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.done: list[asyncio.Future[None]] = []

    def write(self, data: bytes) -> asyncio.Future[None]:
        self.written.append(data)
        self.done.append(asyncio.get_running_loop().create_future())
        return self.done[-1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("binary", [False, True])
def test_frames_are_what_tornado_writes(size: int, binary: bool) -> None:
    async def played() -> None:
        stream: Any = Stream()
        tornado = WebSocketProtocol13(None, False, _WebSocketParams())  # type: ignore[arg-type]
        tornado.stream = stream
        frame = Frame(b"x" * size, binary)
        tornado._write_frame(True, 2 if binary else 1, frame.data)
        assert head(frame) + frame.data == stream.written[0]

    asyncio.run(played())


def test_frames_of_one_turn_are_written_together_and_done_together() -> None:
    async def played() -> None:
        stream = Stream()
        batch = Batch(stream.write)
        first, second = batch.add(Frame(b"one", False)), batch.add(Frame(b"two", False))
        assert not stream.written
        await asyncio.sleep(0)
        assert stream.written == [b"\x81\x03one\x81\x03two"]
        assert not first.done()
        stream.done[0].set_result(None)
        await asyncio.wait_for(asyncio.gather(first, second), 5)
        batch.add(Frame(b"three", False))
        batch.flush()
        assert stream.written[1:] == [b"\x81\x05three"]
        await asyncio.sleep(0)  # the turn's own flush finds nothing
        assert len(stream.written) == 2

    asyncio.run(played())


@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_that_fails_is_told_to_who_waits(at_once: bool) -> None:
    async def played() -> None:
        stream = Stream()

        def fails(_data: bytes) -> asyncio.Future[None]:
            raise OSError("gone")

        waiting = Batch(fails if at_once else stream.write).add(Frame(b"one", False))
        await asyncio.sleep(0)
        if not at_once:
            stream.done[0].set_exception(OSError("gone"))
        with pytest.raises(OSError, match="gone"):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(played())


def test_large_frames_are_not_copied() -> None:
    async def played() -> None:
        stream, large = Stream(), Frame(b"x" * LARGE_BYTES, False)
        batch = Batch(stream.write)
        written = [batch.add(frame) for frame in (Frame(b"one", False), large, large, Frame(b"two", False))]
        batch.flush()
        assert stream.written[1] is stream.written[3] is large.data
        assert b"".join(stream.written) == b"\x81\x03one" + 2 * (head(large) + large.data) + b"\x81\x03two"
        stream.done[-1].set_result(None)
        await asyncio.wait_for(asyncio.gather(*written), 5)

    asyncio.run(played())
