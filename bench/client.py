"""Kernel clients with a common interface, `Channel`: the gateway's websocket and a kernel's own ZeroMQ sockets."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

import websocket
from zmq.constants import DEALER, LINGER, POLLIN, RECONNECT_IVL, SUB, SUBSCRIBE
from zmq.sugar.context import Context
from zmq.sugar.poll import Poller

from bench.processes import BenchError

OUTPUTS = frozenset({"stream", "display_data", "execute_result"})
DELIMITER = b"<IDS|MSG>"
DISCARDED_BYTES = 1024 * 1024
RECONNECT_MILLISECONDS = 5  # ZeroMQ's default of 100 ms would be added to the start time of a bare kernel


class Address(Protocol):
    """The address of a kernel, as plain data, so that another process can use it."""

    def open(self, timeout_seconds: float = 60.0) -> Channel:
        """Return an open channel; no message of a later `execute` is lost."""


@dataclass(frozen=True)
class Message:
    """The parts of a Jupyter message that the benchmark reads."""

    kind: str
    parent: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """An executed cell: seconds from sending to reply *and* idle, and the number of outputs."""

    seconds: float
    outputs: int


class Channel(ABC):
    """A client of one kernel; not thread-safe."""

    def __init__(self, session: str = "") -> None:
        self.session = session or uuid.uuid4().hex

    @abstractmethod
    def send(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        """Send a shell message."""

    @abstractmethod
    def receive(self, deadline: float) -> Message:
        """Return the next message of shell or iopub. Raises BenchError after `deadline` (monotonic time)."""

    @abstractmethod
    def close(self) -> None:
        """Release the sockets; the kernel keeps running."""

    def request(self, kind: str, content: dict[str, Any]) -> str:
        """Send a request and return its id, which is the parent id of every answer."""
        header = self.header(kind)
        self.send(header, content)
        return str(header["msg_id"])

    def header(self, kind: str) -> dict[str, Any]:
        """Return the header of a new message."""
        return {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self.session,
            "username": "bench",
            "date": "2000-01-01T00:00:00Z",
            "version": "5.3",
        }

    def submit(self, code: str) -> str:
        """Send an execute_request as a notebook does, and return its id."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        return self.request("execute_request", content | {"allow_stdin": False, "stop_on_error": True})

    def execute(self, code: str, timeout_seconds: float = 60.0) -> Outcome:
        """Run a cell, and wait for both its reply and the status idle."""
        deadline = time.monotonic() + timeout_seconds
        outputs, replied, idle = 0, False, False
        start = time.perf_counter()
        parent = self.submit(code)
        while not (replied and idle):
            message = self.receive(deadline)
            if message.parent != parent:
                continue
            if message.kind in OUTPUTS:
                outputs += 1
            elif message.kind == "status":
                idle = message.content["execution_state"] == "idle"
            elif message.kind == "execute_reply":
                replied = True
                if message.content["status"] != "ok":
                    raise BenchError(f"the cell failed: {message.content.get('evalue')}")
        return Outcome(time.perf_counter() - start, outputs)


@dataclass(frozen=True)
class WebSocketAddress:
    """A kernel behind a gateway; `url` is the ws:// address of its channels."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    session: str = ""
    """The page's session; by default every channel has its own."""

    def open(self, timeout_seconds: float = 60.0) -> WebSocketChannel:
        """Return a channel of the legacy JSON protocol; gateways open it once the kernel has answered."""
        return WebSocketChannel(self, timeout_seconds)


class WebSocketChannel(Channel):
    """The kernel websocket of Jupyter Server with the legacy protocol: one JSON text for each message."""

    def __init__(self, address: WebSocketAddress, timeout_seconds: float) -> None:
        super().__init__(address.session)
        url = f"{address.url}?session_id={self.session}"
        options = {"timeout": timeout_seconds, "header": address.headers, "http_no_proxy": ["127.0.0.1"]}
        # It would be done in Python, byte by byte; browsers do it, and json.loads here, at native speed.
        options["skip_utf8_validation"] = True
        try:
            self._socket = websocket.create_connection(url, **options)
        except websocket.WebSocketException as error:
            raise BenchError(f"the kernel's websocket cannot be opened: {error}") from error

    def send(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._socket.send(json.dumps(message | {"channel": "shell", "buffers": []}))

    def receive(self, deadline: float) -> Message:
        message = json.loads(self._text(deadline))
        return Message(message["header"]["msg_type"], _parent(message["parent_header"]), message["content"])

    def _text(self, deadline: float) -> bytes:
        """Return the next text. Pings are read too, because each of them would restart the socket's time-out."""
        try:
            while True:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                opcode, payload = self._socket.recv_data(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_TEXT:
                    return bytes(payload)
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    raise BenchError(f"the kernel's websocket was closed: {payload[2:]!r}")
        except websocket.WebSocketException as error:
            raise BenchError(f"no message from the kernel's websocket: {error}") from error

    def large_frame(self, size: int) -> tuple[str, bytes]:
        """Return the id and the whole websocket frame of a request of this size, which costs the kernel little."""
        header = self.header("comm_info_request")
        content = {"target_name": "none", "filler": "x" * size}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        frame = websocket.ABNF.create_frame(json.dumps(message), websocket.ABNF.OPCODE_TEXT)
        return header["msg_id"], frame.format()

    def send_frame(self, msg_id: str, frame: bytes, deadline: float) -> None:
        """Send a frame of `large_frame`, and wait for the reply to its request."""
        self._socket.sock.sendall(frame)
        while (message := self.receive(deadline)).kind != "comm_info_reply" or message.parent != msg_id:
            pass

    def discard(self) -> None:
        """Read everything and keep nothing, until the websocket is shut down."""
        self._socket.settimeout(None)
        connection = self._socket.sock
        with contextlib.suppress(OSError):
            while connection.recv(DISCARDED_BYTES):
                pass

    def shut_down(self) -> None:
        """Hang up without a closing frame; another thread that reads notices it."""
        with contextlib.suppress(OSError):
            self._socket.sock.shutdown(socket.SHUT_RDWR)
        self._socket.shutdown()

    def close(self) -> None:
        self._socket.close(timeout=2)


@dataclass(frozen=True)
class ZmqAddress:
    """A kernel without a gateway: the contents of its connection file (transport tcp)."""

    connection: dict[str, Any]

    def open(self, timeout_seconds: float = 60.0) -> Channel:
        """Return a channel whose iopub subscription has certainly arrived."""
        channel = ZmqChannel(self)
        channel.wait_subscribed(time.monotonic() + timeout_seconds)
        return channel


class ZmqChannel(Channel):
    """DEALER and SUB sockets connected directly to the kernel; messages are signed with HMAC-SHA256."""

    def __init__(self, address: ZmqAddress) -> None:
        super().__init__()
        self._key = address.connection["key"].encode()
        self._context = Context()
        self._shell = self._connect(DEALER, address.connection, "shell_port")
        self._iopub = self._connect(SUB, address.connection, "iopub_port")
        self._iopub.setsockopt(SUBSCRIBE, b"")
        self._poller = Poller()
        self._poller.register(self._shell, POLLIN)
        self._poller.register(self._iopub, POLLIN)

    def _connect(self, kind: int, connection: dict[str, Any], port: str) -> Any:
        sock = self._context.socket(kind)
        sock.setsockopt(LINGER, 0)
        sock.setsockopt(RECONNECT_IVL, RECONNECT_MILLISECONDS)
        sock.connect(f"{connection['transport']}://{connection['ip']}:{connection[port]}")
        return sock

    def send(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        frames = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        signature = hmac.new(self._key, b"".join(frames), hashlib.sha256).hexdigest().encode()
        self._shell.send_multipart([DELIMITER, signature, *frames])

    def receive(self, deadline: float) -> Message:
        ready = self._poller.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ready:
            raise BenchError("no message from the kernel's sockets in time")
        frames = ready[0][0].recv_multipart()
        frames = frames[frames.index(DELIMITER) + 2 :]
        header, parent, content = (json.loads(frames[part]) for part in (0, 1, 3))
        return Message(header["msg_type"], _parent(parent), content)

    def wait_reply(self, deadline: float) -> None:
        """Return once kernel_info is answered: the kernel then accepts work."""
        parent = self.request("kernel_info_request", {})
        while True:
            message = self.receive(deadline)
            if message.kind == "kernel_info_reply" and message.parent == parent:
                return

    def wait_subscribed(self, deadline: float) -> None:
        """Return once an iopub message has arrived; a SUB socket never gets earlier messages."""
        while True:
            self.request("kernel_info_request", {})
            patience = min(deadline, time.monotonic() + 0.2)
            while patience > time.monotonic() and self._poller.poll(50):
                if self.receive(patience).kind == "status":
                    return
            if time.monotonic() > deadline:
                raise BenchError("the kernel's iopub socket sends nothing")

    def close(self) -> None:
        self._context.destroy(linger=0)


def _parent(header: dict[str, Any]) -> str:
    return str(header.get("msg_id", ""))
