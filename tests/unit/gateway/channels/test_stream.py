"""A ZeroMQ socket in the event loop."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import zmq

from kernelpod.gateway.channels import stream as stream_module
from kernelpod.gateway.channels.stream import MessageStream

PATIENCE_SECONDS = 30


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
    """Two connected sockets whose queues hold few messages, or as many as a test says."""
    most = getattr(request, "param", 2)
    with zmq.Context() as context:
        ends = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        address = f"inproc://{uuid.uuid4()}"
        for end in ends:
            end.setsockopt(zmq.LINGER, 0)
            end.setsockopt(zmq.SNDHWM, most)
            end.setsockopt(zmq.RCVHWM, most)
        ends[0].bind(address)
        ends[1].connect(address)
        yield ends
        for end in ends:
            end.close(linger=0)


async def until(condition: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while not condition():
        assert loop.time() < deadline, "never happened"
        await asyncio.sleep(0)


async def test_messages_are_received_in_order(pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    heard: list[list[bytes]] = []
    sender = MessageStream(pair[0], heard.append)
    receiver = MessageStream(pair[1], heard.append)
    for number in range(100):
        sender.send([b"part", str(number).encode()])
    await until(lambda: len(heard) == 100)
    assert heard == [[b"part", str(number).encode()] for number in range(100)]
    sender.close()
    receiver.close()


async def test_what_the_socket_does_not_take_waits(pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    sender = MessageStream(pair[0], lambda _: None)
    for number in range(50):
        sender.send([str(number).encode()])
    heard: list[list[bytes]] = []
    receiver = MessageStream(pair[1], heard.append)
    await until(lambda: len(heard) == 50)
    assert [int(one) for (one,) in heard] == list(range(50))
    sender.close()
    receiver.close()


async def test_sending_hides_no_message(pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    """Sending takes the word of a new message from the descriptor, which then stays silent."""
    heard: list[list[bytes]] = []
    stream = MessageStream(pair[0], heard.append)
    for number in range(5):
        await asyncio.sleep(0.01)  # libzmq looks for commands once in a millisecond
        pair[1].send(b"message")
        stream.send([b"another"])
        assert pair[1].recv() == b"another"
        await until(lambda sent=number + 1: len(heard) == sent)
    stream.close()


async def test_a_flood_leaves_turns_to_others(
    pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "TURN_SECONDS", 0.0)
    stream: MessageStream

    def again(frames: list[bytes]) -> None:
        nonlocal heard
        heard += 1
        if heard < 1000:
            pair[1].send_multipart(frames)

    heard = 0
    stream = MessageStream(pair[0], again)
    pair[1].send(b"first")
    seen: set[int] = set()

    def looks() -> bool:
        seen.add(heard)
        return heard == 1000

    await until(looks)
    assert len(seen) > 500
    stream.close()


@pytest.mark.parametrize("pair", [100], indirect=True)
async def test_a_flooded_socket_is_read_at_intervals(
    pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FLOOD_MESSAGES", 0)
    monkeypatch.setattr(stream_module, "REST_SECONDS", 0.3)
    loop = asyncio.get_running_loop()
    heard: list[tuple[float, bytes]] = []
    stream = MessageStream(pair[0], lambda frames: heard.append((loop.time(), frames[0])))
    for number in range(40):
        pair[1].send(str(number).encode())
        await asyncio.sleep(0.01)
    await until(lambda: len(heard) == 40)
    assert [int(one) for _, one in heard] == list(range(40))
    turns = 1 + sum(later - earlier > 0.1 for (earlier, _), (later, _) in pairwise(heard))
    assert 1 < turns < 10
    stream.close()


async def test_a_socket_that_is_not_flooded_is_read_at_once(
    pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FLOOD_MESSAGES", 1000)
    monkeypatch.setattr(stream_module, "REST_SECONDS", 3600)
    heard: list[list[bytes]] = []
    stream = MessageStream(pair[0], heard.append)
    for number in range(20):
        await asyncio.sleep(stream_module.FLOOD_SECONDS)
        pair[1].send(b"message")
        await until(lambda sent=number + 1: len(heard) == sent)
    stream.close()


async def test_a_stream_may_be_closed_while_it_rests(
    pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "FLOOD_MESSAGES", 0)
    stream = MessageStream(pair[0], lambda _: None)
    await until(lambda: stream._flooded)
    stream.close()
    await asyncio.sleep(5 * stream_module.REST_SECONDS)
    assert stream.closed


async def test_receiving_may_close_the_stream(pair: tuple[zmq.Socket[bytes], zmq.Socket[bytes]]) -> None:
    heard: list[list[bytes]] = []

    def last(frames: list[bytes]) -> None:
        heard.append(frames)
        stream.close()

    stream = MessageStream(pair[0], last)
    for one in (b"one", b"two"):
        pair[1].send(one)
    await until(lambda: stream.closed)
    await asyncio.sleep(0)
    assert heard == [[b"one"]]
    stream.close()
