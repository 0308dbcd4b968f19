"""What waits in a socket is bounded in bytes, and a changing limit never stops it."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

import zmq

from kernelpod.gateway.channels import outputqueue
from kernelpod.gateway.channels.outputqueue import MOST_BYTES, MOST_MESSAGES, OutputQueue


class Pipe:
    """libzmq's pipe: the writing end is full when `limit` messages are not told as read."""

    def __init__(self) -> None:
        self.limits: list[int] = []
        self.read = self.told = 0

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "rcvhwm":
            self.limits.append(value)
        else:
            super().__setattr__(name, value)

    def take(self) -> None:
        """Read one message."""
        assert self.read < self.told + self.limits[-1], "the writing end is full, and nothing is left to read"
        self.read += 1
        if self.read % ((self.limits[-1] + 1) // 2) == 0:
            self.told = self.read


def test_an_empty_message_is_a_small_one() -> None:
    pipe: Any = Pipe()
    queue = OutputQueue(pipe)
    pipe.take()
    queue.received(0)
    assert pipe.limits == [MOST_MESSAGES]


@pytest.mark.parametrize("size", [1, 500, 8_000, 50_000, 1_000_000, 20_000_000, 60_000_000])
def test_the_limit_fits_the_size_after_one_message(size: int) -> None:
    pipe: Any = Pipe()
    queue = OutputQueue(pipe)
    pipe.take()
    queue.received(size)
    assert pipe.limits[-1] <= max(2, min(MOST_MESSAGES, MOST_BYTES // size + 1))


def test_a_large_message_among_small_ones_leaves_room_for_few() -> None:
    pipe: Any = Pipe()
    queue = OutputQueue(pipe)
    for _ in range(1500):
        pipe.take()
        queue.received(100)
    pipe.take()
    queue.received(MOST_BYTES)
    assert pipe.limits[-1] - (pipe.read - pipe.told) <= 2, (
        "so many messages may still come before the next is read"
    )
    for _ in range(10_000):
        pipe.take()
        queue.received(100)
    assert pipe.limits[-1] == MOST_MESSAGES
    assert len(pipe.limits) < 40, "the limit is set for every message"


@pytest.mark.parametrize("seed", range(20))
def test_the_writing_end_never_waits_for_ever(seed: int) -> None:
    chance, pipe = random.Random(seed), Pipe()
    queue = OutputQueue(pipe)  # type: ignore[arg-type]
    for _ in range(300):
        size = int(10 ** chance.uniform(0, 8))
        for _ in range(chance.randrange(1, 200)):
            pipe.take()
            queue.received(size)


@pytest.mark.parametrize("seed", range(5))
def test_a_real_socket_receives_all_that_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> None:
    monkeypatch.setattr(outputqueue, "MOST_MESSAGES", 64)
    monkeypatch.setattr(outputqueue, "MOST_BYTES", 20_000)
    chance = random.Random(seed)
    sizes = [size for _ in range(150) for size in [int(10 ** chance.uniform(0, 5))] * chance.randrange(1, 60)]
    context = zmq.Context[zmq.Socket[bytes]]()
    sender, receiver = context.socket(zmq.PUB), context.socket(zmq.SUB)
    try:
        sender.sndhwm = 0
        sender.bind(f"ipc://{tmp_path}/output")
        queue = OutputQueue(receiver)
        receiver.subscribe(b"")
        receiver.rcvtimeo = 60_000
        receiver.connect(f"ipc://{tmp_path}/output")
        subscribed = threading.Event()

        def say() -> None:
            while not subscribed.wait(0.01):
                sender.send(b"ready")
            for size in sizes:
                sender.send_multipart([b"x", b"x" * size])

        said = threading.Thread(target=say)
        said.start()
        got: list[int] = []
        while len(got) < len(sizes):
            parts = receiver.recv_multipart()
            subscribed.set()
            queue.received(sum(map(len, parts)))
            if parts[0] == b"x":
                got.append(len(parts[1]))
        said.join()
        assert got == sizes
    finally:
        context.destroy(linger=0)
