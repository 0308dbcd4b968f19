"""The server's end of a kernel's websocket at the gateway; jupyter_server's own, where that loses messages.

jupyter_server 2.14 to 2.21 ends the connection at a message with buffers or of more than 10 MiB, and drops what a
page sends while the gateway is away (gateway/connections.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import socket
from typing import Any

from jupyter_server.gateway.connections import GatewayWebSocketConnection
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.utils import url_path_join
from tornado.escape import url_escape
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketError, websocket_connect

from kernelpod.base.headers import COMEBACK, GATEWAY_ID, HEARD, IN_ORDER
from kernelpod.base.retry import back_off
from kernelpod.singleuser.asking import connection_args
from kernelpod.singleuser.place import LOOK_CHARACTERS, Place, place_of

# The gateway limits its messages itself (gateway.max_message_bytes), and so it limits what arrives here.
MAX_MESSAGE_BYTES = 2**31
# What waits for the gateway while it is away.
MAX_WAITING_BYTES = 16 * 1024 * 1024
RETRY_SECONDS = (0.2, 5.0)
# Answers after which asking again is useless: not allowed, or no such kernel.
FINAL_STATUSES = frozenset({401, 403, 404})
# The gateway closes a websocket with this status when its user may no longer use the kernel.
POLICY_VIOLATION = 1008
GOING_AWAY = 1001
# A gateway whose machine is without power ends no connection. How long it may be silent, how often it is asked
# then whether it is there, and how many times it may give no answer; and how long what is sent may be on its way.
SILENT_SECONDS, ASK_SECONDS, MOST_ASKED, SENT_SECONDS = 10, 5, 3, 60
_REPLIES = re.compile('"(execute|kernel_info)_reply"')
TOO_MUCH = "The kernel's gateway is away, and too much waits for it. Run this cell again later."
LOST = "The kernel was not heard for {} s while this cell ran. It has ended, and its output of that time is lost."
MISSED = "\n[The gateway was away for {} s. Output of that time may be missing.]\n"
GONE = "the kernel was stopped, or is not yours"
FAILED = (
    "The server has lost the connection to the kernel. Reload the page; an admin can find why in the server's log."
)


class GatewayConnection(GatewayWebSocketConnection):
    """A page's connection to its kernel at the gateway. It is made again until the page leaves.

    The gateway knows the page by its session, and continues where it stopped. A cell that ended while no gateway
    listened to the kernel is ended here: once connected again, the kernel is asked for something, and what it was
    asked before and has not answered by then, it never will.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._task: asyncio.Task[None] | None = None
        self._over = ""
        self._place = Place()
        self._question = ""
        self._doubtful: list[str] = []

    async def connect(self) -> None:
        """Begin to connect, in place of an earlier connection of this page. What the page sends before waits."""
        self._place = place_of(self.kernel_id, self.session_id)
        if self._place.connection is not None:
            self._place.connection.give_way()
        self._place.connection = self
        self._task = asyncio.ensure_future(self._stay_connected())
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Tell the page if its connection has ended by a fault of this code, and nobody makes it again."""
        if not task.cancelled() and (error := task.exception()):
            self.log.error("kernel %s: the connection has failed", self.kernel_id, exc_info=error)
            self._give_up(FAILED)

    def disconnect(self) -> None:
        """End the connection, because the page has left."""
        self.disconnected = True
        if self._place.connection is self:
            self._place.connection = None
            self._place.unheard.begins(anew=not self._place.running)
        if self._task is not None:
            self._task.cancel()
        if self.ws is not None:
            self.ws.close()

    def give_way(self) -> None:
        """End the connection, because the page has come back on another websocket."""
        self.log.info("kernel %s: a page has connected again and replaces its old connection", self.kernel_id)
        self.disconnect()
        self.websocket_handler.close(GOING_AWAY, "the same page has connected again")

    def handle_incoming_message(self, message: str | bytes) -> None:
        """Send a page's message to the gateway, now or when it is back."""
        place = self._place
        if self._over or (place.waiting and place.waiting_bytes + len(message) > MAX_WAITING_BYTES):
            self._end(_execute_header(message), self._over or TOO_MUCH)
            return
        place.wait(message)
        self._flush()

    def _flush(self) -> None:
        while self._place.waiting and self.ws is not None:
            message = self._place.waiting[0]
            try:
                self.ws.write_message(message, binary=isinstance(message, bytes))
            except WebSocketClosedError:
                return
            self._place.sent()
            if header := _execute_header(message):
                self._place.running[header["msg_id"]] = header

    async def _stay_connected(self) -> None:
        pauses = back_off(*RETRY_SECONDS, jitter=0.5)
        while True:
            try:
                # Not cancelled with this task: then a websocket that opens belongs to nobody, and stays open.
                opening = asyncio.ensure_future(self._open())
                opening.add_done_callback(self._close_if_left)
                self.ws = await asyncio.shield(opening)
            except HTTPClientError as error:
                if error.code in FINAL_STATUSES:
                    return self._give_up(_sentence(error))
                self.log.warning("kernel %s: the gateway answers %d", self.kernel_id, error.code)
            except (OSError, WebSocketError) as error:
                self.log.warning("kernel %s: the gateway cannot be reached: %s", self.kernel_id, error)
            else:
                pauses = back_off(*RETRY_SECONDS, jitter=0.5)
                self._place.unheard.ends()
                self._say_what_is_missing()
                self._ask_whether_cells_run()
                self._flush()
                await self._read()
                if self.disconnected:
                    return None
                code, reason = self.ws.close_code, self.ws.close_reason
                self.set_trait("ws", None)
                self._place.unheard.begins(anew=not self._place.running)
                if code == POLICY_VIOLATION:
                    return self._give_up(f"The gateway has closed the connection: {reason}")
                self.log.warning("kernel %s: the connection to the gateway is lost: %s", self.kernel_id, code)
            await asyncio.sleep(next(pauses))

    async def _open(self) -> WebSocketClientConnection:
        opened = await websocket_connect(self._request(), max_message_size=MAX_MESSAGE_BYTES)
        stream = opened.protocol.stream if opened.protocol is not None else None
        if stream is not None and not stream.closed():  # a gateway that ends closes it at once
            notice_silence(stream.socket)
        return opened

    def _close_if_left(self, opening: asyncio.Future[Any]) -> None:
        if self.disconnected and not opening.cancelled() and opening.exception() is None:
            opening.result().close()

    def _request(self) -> HTTPRequest:
        client = GatewayClient.instance()
        url = url_path_join(client.ws_url, client.kernels_endpoint, url_escape(self.kernel_id), "channels")
        # A gateway that counts as well sends what this end has not received, although it was sent.
        session = f"session_id={url_escape(self.session_id)}&" if self.session_id else ""
        args = connection_args()
        headers = {**(args.pop("headers", None) or {}), COMEBACK: self._place.comeback()}
        return HTTPRequest(f"{url}?{session}received={self._place.received}", headers=headers, **args)

    async def _read(self) -> None:
        assert self.ws is not None  # noqa: S101 - for the type checker
        while (message := await self.ws.read_message()) is not None:
            # Waits for a page that reads slowly: then the gateway keeps its output, within its budget.
            try:
                await self._receive(message)
            except WebSocketClosedError:  # the page has left, and gets this and the rest if it comes back
                self.disconnect()
                break
            self._place.receive(message)

    def _say_what_is_missing(self) -> None:
        """Say in the running cells that nobody heard them, if this gateway is not the one before."""
        assert self.ws is not None  # noqa: S101 - for the type checker
        assert self.ws.headers is not None  # noqa: S101 - for the type checker
        before, self._place.gateway_id = self._place.gateway_id, self.ws.headers.get(GATEWAY_ID, "")
        if before not in ("", self._place.gateway_id) and HEARD not in self.ws.headers:
            said = MISSED.format(math.ceil(self._place.unheard.seconds))
            for header in self._place.running.values():
                self._say("stream", {"name": "stderr", "text": said}, header)

    def _ask_whether_cells_run(self) -> None:
        # A subshell answers by itself, so the kernel's answer says nothing of its cells.
        self._doubtful = [
            msg_id for msg_id, header in self._place.running.items() if not header.get("subshell_id")
        ]
        if self._doubtful and self.ws is not None:
            question = self._message("kernel_info_request", {}, {}, "shell")
            question["header"][IN_ORDER] = True
            self._question = question["msg_id"]
            with contextlib.suppress(WebSocketClosedError):  # then it is connected again, and asked again
                self.ws.write_message(json.dumps(question))

    async def _receive(self, message: str | bytes) -> None:
        """Pass a message on to the page, except for the answer to the connection's own question."""
        if self._place.running and isinstance(message, str) and _REPLIES.search(message, 0, LOOK_CHARACTERS):
            answered = _parent_id(message)
            self._place.running.pop(answered, None)
            if answered and answered == self._question:
                for msg_id in self._doubtful:
                    self._end(
                        self._place.running.pop(msg_id, None), LOST.format(math.ceil(self._place.unheard.seconds))
                    )
                return
        await self.websocket_handler.write_message(message, binary=isinstance(message, bytes))

    def _to_page(self, message: str) -> None:
        try:
            self.websocket_handler.write_message(message)
        except WebSocketClosedError:
            self.log.debug("kernel %s: a message came after its page had left", self.kernel_id)

    def _give_up(self, reason: str) -> None:
        """End what waits, and all that the page still sends, with the reason, and show the kernel as dead."""
        self.log.warning("kernel %s: %s", self.kernel_id, reason)
        self._over = reason
        while self._place.waiting:
            self._end(_execute_header(self._place.sent()), reason)
        for header in self._place.running.values():
            self._end(header, reason)
        self._place.running.clear()
        self._say("status", {"execution_state": "dead"}, {})

    def _end(self, header: dict[str, Any] | None, reason: str) -> None:
        """Answer a page's execute_request with an error in its cell."""
        if header is None:
            return
        error = {"ename": "KernelUnreachable", "evalue": reason, "traceback": [reason]}
        self._say("error", error, header)
        self._say("execute_reply", {"status": "error", "execution_count": 0, **error}, header, "shell")
        self._say("status", {"execution_state": "idle"}, header)

    def _say(self, msg_type: str, content: Any, parent: Any, channel: str = "iopub") -> None:
        self._to_page(json.dumps(self._message(msg_type, content, parent, channel)))

    def _message(self, msg_type: str, content: Any, parent: Any, channel: str) -> dict[str, Any]:
        header = self.session.msg_header(msg_type)
        header["date"] = header["date"].isoformat()
        return {"header": header, "msg_id": header["msg_id"], "msg_type": msg_type, "parent_header": parent,
                "metadata": {}, "content": content, "buffers": [], "channel": channel}  # fmt: skip


def notice_silence(connection: socket.socket) -> None:
    """Let a connection end when its other end is away. TCP notices it, however slowly both ends read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in [
        (socket.TCP_KEEPIDLE, SILENT_SECONDS),
        (socket.TCP_KEEPINTVL, ASK_SECONDS),
        (socket.TCP_KEEPCNT, MOST_ASKED),
        (socket.TCP_USER_TIMEOUT, 1000 * SENT_SECONDS),
    ]:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _sentence(error: HTTPClientError) -> str:
    """Return what the gateway says of a refused websocket."""
    try:
        return str(json.loads(error.response.body)["message"]) if error.response else GONE
    except (ValueError, LookupError, TypeError, RecursionError):
        return f"The gateway answers {error.code}: {GONE}."


def _parent_id(message: str) -> str:
    """Return the id of the request that a message answers; "" if it says none."""
    try:
        return str(json.loads(message)["parent_header"]["msg_id"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def _execute_header(message: str | bytes) -> dict[str, Any] | None:
    """Return the header of a page's execute_request; None for other messages, and for what is no message."""
    if isinstance(message, bytes) or '"execute_request"' not in message:
        return None
    try:
        header: dict[str, Any] = json.loads(message)["header"]
        return header if header["msg_type"] == "execute_request" and isinstance(header["msg_id"], str) else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
