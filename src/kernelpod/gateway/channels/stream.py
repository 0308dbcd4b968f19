"""Reads and writes one ZeroMQ socket from the event loop.

pyzmq's ZMQStream passes on one message in each turn of the loop, and asks for the socket's state several times
meanwhile. At a kernel's rate of output that is a third of the gateway's work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

import zmq

# How long a socket may keep the event loop from everything else.
TURN_SECONDS = 0.001
# A socket that has so many messages in this time is flooded. It is read at intervals until it is not, because a
# look costs more than a message, and the kernel needs the processor as well.
FLOOD_MESSAGES, FLOOD_SECONDS = 15, 0.01
REST_SECONDS = 0.002


class MessageStream:
    """A socket whose messages are received as soon as they arrive, and which takes messages at any time."""

    def __init__(self, socket: zmq.Socket[bytes], receive: Callable[[list[bytes]], None]) -> None:
        """`receive` is called for each message. It may close the stream."""
        self.socket = socket
        self._receive = receive
        self._waiting: deque[Sequence[bytes]] = deque()
        self._soon = False
        self._flooded, self._counted, self._counted_since = False, 0, 0.0
        self._resting = False
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.get(zmq.FD))
        self._loop.add_reader(self._descriptor, self._turn)
        self._look_again()

    @property
    def closed(self) -> bool:
        """Whether the socket is closed."""
        return bool(self.socket.closed)

    def send(self, frames: Sequence[bytes]) -> None:
        """Send a message, or keep it until the socket takes it."""
        self._waiting.append(frames)
        if len(self._waiting) == 1:
            self._send_first()
        self._look_again()

    def receive_waiting(self, most: int) -> None:
        """Receive what has arrived, at most so many messages."""
        for _ in range(most):
            if self.closed or not self._receive_one():
                break

    def close(self) -> None:
        """Close the socket at once. What it has not sent is lost."""
        if not self.closed:
            self._loop.remove_reader(self._descriptor)
            self.socket.close(linger=0)

    def _look_again(self) -> None:
        """Look for messages soon: the descriptor tells of changes only, and sending may have used one up."""
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._soon = False
        if self._resting:
            return
        until = self._loop.time() + TURN_SECONDS
        while not self.closed and self._pass_one():
            self._counted += 1
            if self._loop.time() > until:
                self._look_again()
                break
        if not (self.closed or self._soon) and self._is_flooded():
            self._loop.remove_reader(self._descriptor)
            self._resting = True
            self._loop.call_later(REST_SECONDS, self._turn_after_rest)

    def _is_flooded(self) -> bool:
        now = self._loop.time()
        if now - self._counted_since > FLOOD_SECONDS:
            self._flooded = self._counted >= FLOOD_MESSAGES
            self._counted, self._counted_since = 0, now
        return self._flooded

    def _turn_after_rest(self) -> None:
        self._resting = False
        if not self.closed:
            self._loop.add_reader(self._descriptor, self._turn)
            self._turn()

    def _pass_one(self) -> bool:
        """Send or receive one message. If none can be, the descriptor tells of the next that can."""
        if not self._waiting:
            return self._receive_one()
        events = self.socket.get(zmq.EVENTS)
        if events & zmq.POLLOUT:
            self._send_first()
            return True
        return bool(events & zmq.POLLIN) and self._receive_one()

    def _send_first(self) -> None:
        with contextlib.suppress(zmq.Again):
            self.socket.send_multipart(self._waiting[0], zmq.NOBLOCK)
            self._waiting.popleft()

    def _receive_one(self) -> bool:
        try:
            frames = self.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._receive(frames)
        return True
