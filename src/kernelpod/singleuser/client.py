"""A client of a kernel at the gateway for programs in the server: nbclient, and with it nbconvert and papermill.

jupyter_server's own (gateway/managers.py, GatewayKernelClient) sends no token, ends at a message with buffers, and
does not connect again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable
from threading import Thread

import websocket
from jupyter_core.utils import ensure_async
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelClient
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from jupyter_server.utils import url_path_join
from tornado.escape import url_escape

from kernelpod.base.retry import back_off
from kernelpod.singleuser.asking import connection_args
from kernelpod.singleuser.connection import FINAL_STATUSES, MAX_WAITING_BYTES, POLICY_VIOLATION, RETRY_SECONDS


class Line:
    """A websocket that is opened again when it is lost, until it is closed. Used by one reader and one writer."""

    def __init__(self, opened: Callable[[], websocket.WebSocket]) -> None:
        self._opened, self._socket = opened, opened()
        self._closed, self._sending = threading.Event(), threading.Lock()
        self._waiting: deque[str] = deque()

    def send(self, message: str) -> None:
        """Send a message, now or when the websocket is open again. Raises ConnectionError if too much waits."""
        with self._sending:
            if self._waiting and sum(map(len, self._waiting)) + len(message) > MAX_WAITING_BYTES:
                raise ConnectionError("The kernels' gateway is away, and too much waits for it. Try again later.")
            self._waiting.append(message)
            self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(
            OSError, websocket.WebSocketException
        ):  # the reader opens it again, and calls this
            while self._waiting:
                self._socket.send(self._waiting[0])
                self._waiting.popleft()

    def receive(self) -> str | bytes:
        """Return the next message; an empty one when the websocket is closed and stays so."""
        while not self._closed.is_set():
            try:
                kind, data = self._socket.recv_data()
            except websocket.WebSocketTimeoutException:
                continue
            except (OSError, websocket.WebSocketException):
                kind, data = websocket.ABNF.OPCODE_CLOSE, b""
            if kind == websocket.ABNF.OPCODE_TEXT:
                return str(data, "utf-8")
            if kind == websocket.ABNF.OPCODE_BINARY:
                return bytes(data)
            if int.from_bytes(data[:2], "big") == POLICY_VIOLATION or not self._open_again():
                break
        return ""

    def _open_again(self) -> bool:
        for pause in back_off(*RETRY_SECONDS, jitter=0.5):
            if self._closed.wait(pause):
                break
            try:
                made = self._opened()
            except websocket.WebSocketBadStatusException as error:
                if error.status_code in FINAL_STATUSES:
                    break
            except (OSError, websocket.WebSocketException):
                continue
            else:
                with self._sending:
                    self._socket = made
                    self._flush()
                return True
        return False

    def close(self) -> None:
        """Close the websocket, and wake the reader."""
        self._closed.set()
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self._socket.send_close()
            self._socket.abort()


class RemoteKernelClient(GatewayKernelClient):
    """Talks to one kernel over one websocket, which carries the server's token."""

    async def start_channels(
        self, shell: bool = True, iopub: bool = True, stdin: bool = True, hb: bool = True, control: bool = True
    ) -> None:
        """Open the websocket, and a thread that sorts what it brings. Raises WebSocketException, OSError."""
        self.channel_socket = await asyncio.to_thread(Line, self._opened)
        wanted = {"shell": shell, "iopub": iopub, "stdin": stdin, "hb": hb, "control": control}
        await ensure_async(super(GatewayKernelClient, self).start_channels(**wanted))
        self.response_router = Thread(target=self._route_responses, daemon=True)
        self.response_router.start()

    def _opened(self) -> websocket.WebSocket:
        client, args = GatewayClient.instance(), connection_args()
        url = url_path_join(client.ws_url, client.kernels_endpoint, url_escape(self.kernel_id), "channels")
        return websocket.create_connection(
            f"{url}?session_id={url_escape(self.session.session)}",
            timeout=client.KERNEL_LAUNCH_TIMEOUT,
            enable_multithread=True,
            skip_utf8_validation=True,  # in Python it takes seconds for a large output, which then comes too late
            header=[f"{name}: {value}" for name, value in (args.get("headers") or {}).items()],
            sslopt={"ca_certs": client.ca_certs, "certfile": client.client_cert, "keyfile": client.client_key},
        )

    def _route_responses(self) -> None:
        queues = self._channel_queues or {}
        while message := self.channel_socket.receive():
            whole = deserialize_binary_message(message) if isinstance(message, bytes) else json.loads(message)
            if queue := queues.get(whole["channel"]):
                queue.put_nowait(whole)
        for queue in queues.values():
            queue.response_router_finished = True
