"""The sockets to one start of a kernel. They are connected again when the kernel is cut off."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import zmq
from zmq.utils.monitor import parse_monitor_message

from kernelpod.base.retry import back_off
from kernelpod.gateway.channels.outputqueue import OutputQueue
from kernelpod.gateway.channels.stream import MessageStream

CHANNELS = ("shell", "iopub", "stdin", "control")
# A second connection to the shell.
WITNESS = "witness"
# Pauses before a kernel that was cut off is connected again.
PAUSE_SECONDS = (0.01, 5.0)
# The other end speaks another security mechanism, or has another key.
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
# Messages that are still received from a socket before it is closed: a kernel may send faster than they are read.
MOST_DRAINED = 1000

OpenSocket = Callable[[str, bytes], tuple[zmq.Socket[bytes], str]]
"""Returns a channel's socket with this identity, and the address to connect it to."""


class KernelSockets:
    """One socket for each channel, whose messages are received as soon as they arrive."""

    def __init__(
        self,
        receive: Callable[[str, list[bytes]], None],
        connected_again: Callable[[str], None],
        not_encrypted: Callable[[], None],
    ) -> None:
        """`receive` is called for each message, `connected_again` for each channel that was cut off.

        `not_encrypted` is called when the kernel does not encrypt as the sockets do.
        """
        self._receive, self._connected_again, self._not_encrypted = receive, connected_again, not_encrypted
        self._streams: dict[str, tuple[MessageStream, MessageStream]] = {}
        self._pauses: dict[str, Iterator[float]] = {}
        self._cut_off: set[str] = set()
        self._since: dict[str, float] = {}

    def open(self, open_socket: OpenSocket, identity: bytes, channels: Sequence[str] = CHANNELS) -> None:
        """Connect to a new start of the kernel, and close the sockets to the one before."""
        self.close()
        self._open_socket, self._identity = open_socket, identity
        self._cut_off.clear()
        self.open_more(channels)

    def open_more(self, channels: Sequence[str] = CHANNELS) -> None:
        """Connect those channels that are not connected."""
        for channel in channels:
            if channel not in self._streams:
                self._pauses[channel] = back_off(*PAUSE_SECONDS)
                self._connect(channel, 0)

    def has(self, channel: str) -> bool:
        """Return whether there is a socket to this channel."""
        return channel in self._streams

    def connected_since(self, channel: str) -> float | None:
        """Return since when a channel is connected, by time.monotonic(); None if it is not."""
        return self._since.get(channel)

    def connect_anew(self, channel: str, pause: float = 0) -> None:
        """Connect a channel in place of its connection, which is closed. What has not arrived by then is lost."""
        self._close(channel)
        self._connect(channel, pause)
        self._cut_off.add(channel)

    def connect_witness(self, wanted: bool) -> None:
        """Make a second connection to the shell, of another identity, or close it."""
        if WITNESS in self._streams:
            self._close(WITNESS)
        if wanted:
            self.open_more((WITNESS,))

    def close(self) -> None:
        """Close all sockets, after what has arrived is received."""
        for channel in list(self._streams):
            self._close(channel)

    def send(self, channel: str, frames: Sequence[bytes]) -> None:
        """Send a message. Nothing happens if the sockets are closed."""
        if channel in self._streams:
            self._streams[channel][0].send(frames)

    def _connect(self, channel: str, pause: float) -> None:
        """Make a socket, which is connected after a pause. What is sent before waits in it."""
        own = ("shell", uuid.uuid4().hex.encode()) if channel == WITNESS else (channel, self._identity)
        socket, address = self._open_socket(*own)
        if channel == "iopub":
            self._output = OutputQueue(socket)
        try:
            monitored = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECTED | REFUSED)
        except zmq.ZMQError:
            socket.close(linger=0)
            raise
        self._streams[channel] = (
            MessageStream(socket, lambda frames: self._received(channel, frames)),
            MessageStream(
                monitored, lambda frames: self._monitor(channel, parse_monitor_message(frames)["event"])
            ),
        )
        if pause:
            loop = asyncio.get_running_loop()
            loop.call_later(pause, lambda: None if socket.closed else socket.connect(address))
        else:
            socket.connect(address)

    def _received(self, channel: str, frames: list[bytes]) -> None:
        self._pauses[channel] = back_off(*PAUSE_SECONDS)
        if channel == "iopub":
            self._output.received(sum(map(len, frames)))
        self._receive(channel, frames)

    def _monitor(self, channel: str, event: int) -> None:
        """Connect again, later each time: a kernel may close its connections as fast as they are made.

        ZeroMQ does not connect again after a message over its limit.
        """
        if event & REFUSED:
            self._not_encrypted()
        elif event == zmq.EVENT_DISCONNECTED:
            self.connect_anew(channel, next(self._pauses[channel]))
        else:
            self._since[channel] = time.monotonic()
            if channel in self._cut_off:
                self._cut_off.discard(channel)
                self._connected_again(channel)

    def _close(self, channel: str) -> None:
        self._since.pop(channel, None)
        stream, monitor = self._streams.pop(channel)
        try:
            stream.receive_waiting(MOST_DRAINED)
        finally:
            stream.socket.disable_monitor()
            monitor.close()
            stream.close()
