"""The sockets to one start of a kernel. They are connected again when the kernel is cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import zmq
from zmq.eventloop.zmqstream import ZMQStream
from zmq.utils.monitor import parse_monitor_message

CHANNELS = ("shell", "iopub", "stdin", "control")
LINGER_MILLISECONDS = 1000

OpenSocket = Callable[[str, bytes], tuple[zmq.Socket[bytes], str]]
"""Returns a channel's socket with this identity, and the address to connect it to."""


class KernelSockets:
    """One socket for each channel, whose messages are received as soon as they arrive."""

    def __init__(self, receive: Callable[[str, list[bytes]], None], output_lost: Callable[[], None]) -> None:
        """`receive` is called for each message. `output_lost` is called when output arrives again after a gap."""
        self._receive, self._output_lost = receive, output_lost
        self._streams: dict[str, ZMQStream] = {}
        self._monitors: dict[str, ZMQStream] = {}
        self._gap = False

    def open(self, open_socket: OpenSocket, identity: bytes) -> None:
        """Connect to a new start of the kernel, and close the sockets to the one before."""
        self.close()
        self._open_socket, self._identity, self._gap = open_socket, identity, False
        for channel in CHANNELS:
            self._connect(channel)

    def close(self) -> None:
        """Close all sockets, after everything that has arrived is received."""
        for channel in list(self._streams):
            self._close(channel)

    def send(self, channel: str, frames: Sequence[bytes]) -> None:
        """Send a message. Nothing happens if the sockets are closed."""
        if stream := self._streams.get(channel):
            stream.send_multipart(list(frames))

    def _connect(self, channel: str) -> None:
        socket, address = self._open_socket(channel, self._identity)
        stream = self._streams[channel] = ZMQStream(socket)
        stream.on_recv(lambda frames: self._receive(channel, frames))
        # ZeroMQ does not connect again after a message over its limit.
        monitored = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECTED)
        monitor = self._monitors[channel] = ZMQStream(monitored)
        monitor.on_recv(lambda frames: self._monitor(channel, parse_monitor_message(frames)["event"]))
        socket.connect(address)

    def _monitor(self, channel: str, event: int) -> None:
        if event == zmq.EVENT_DISCONNECTED:
            self._close(channel)
            self._connect(channel)
            self._gap |= channel == "iopub"
        elif channel == "iopub" and self._gap:
            self._gap = False
            self._output_lost()

    def _close(self, channel: str) -> None:
        stream = self._streams.pop(channel)
        while stream.socket.get(zmq.EVENTS) & zmq.POLLIN:
            self._receive(channel, stream.socket.recv_multipart(zmq.NOBLOCK))
        stream.socket.disable_monitor()
        self._monitors.pop(channel).close(linger=0)
        stream.close(linger=LINGER_MILLISECONDS)
