"""The page of a kernel's websocket: its channels, for the owner only, with limits on size and backlog."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
from functools import cached_property
from typing import Any

from enterprise_gateway.services.kernels import handlers as stock
from jupyter_client.jsonutil import date_default

from kernelpod.errors import HubUnavailable, UserError
from kernelpod.gateway.messages import OfflineBuffer, as_text, parts_of
from kernelpod.gateway.proven import OwnKernel

log = logging.getLogger(__name__)

# Exceptions that jupyter_server raises for data that is not a Jupyter message.
NOT_A_MESSAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, struct.error)


class ChannelsPage(OwnKernel, stock.ZMQChannelsHandler):
    """A kernel's channels over one websocket."""

    _rechecks: asyncio.Task[None] | None = None
    _unsent = 0
    _asked = ""
    """The client's last execute_request."""
    _last_write: asyncio.Future[None] | None = None
    _held: asyncio.Task[None] | None = None
    _opened = False
    _replaced = False
    """Whether the same client connected again before this websocket was open."""

    def set_default_headers(self) -> None:
        """Set no headers, because a websocket does not use them."""

    def select_subprotocol(self, subprotocols: list[str]) -> None:
        """Return None: with the v1 protocol, jupyter_server does not check the signatures of messages.

        A kernel can replace its socket by a link to another kernel's. Then only signatures show whose messages
        they are.
        """

    def open(self, kernel_id: str) -> Any:
        """Connect the websocket to the kernel, without Nagle's delay."""
        if self._replaced:
            self.ws_connection.stream.close()
            return None
        self._opened = True
        self.set_nodelay(True)
        self._rechecks = asyncio.ensure_future(self._recheck())
        return super().open(kernel_id)

    @property
    def ping_interval(self) -> float:
        """The interval of pings in seconds, as tornado expects it."""
        return self.services.settings.gateway.ping_interval_seconds

    ping_timeout = ping_interval

    def send_ping(self) -> None:
        """Stop jupyter_server's own pings, which would take the same number as milliseconds."""
        self.ping_callback.stop()

    async def _recheck(self) -> None:
        """Close the websocket when its token is no longer valid, or could not be checked for too long."""
        while True:
            await asyncio.sleep(self.services.settings.identity.recheck_seconds)
            try:
                await self.prover().prove(self.caller_token, fresh=True)
            except HubUnavailable as error:
                return self.close_with(1013, error.code)
            except UserError as error:
                return self.close_with(1008, error.code)

    def close_with(self, status: int, reason: str) -> None:
        """Close the websocket with a status (RFC 6455, 7.4) and a reason."""
        log.info("websocket of kernel %s closed: %s", self.kernel_id, reason)
        if self.ws_connection is not None:
            self.ws_connection.close(status, reason)

    def close(self, *_: Any) -> Any:
        """Close without waiting for the peer, because the same client has connected again.

        If a browser disconnects while its server connects, the server never reads from that connection. Waiting
        for its closing frame would keep the notebook at "Connecting" for five seconds. A connection that still
        waits for its kernel is closed when it opens; waiting for it here would keep the notebook at "Unknown" for
        ever.
        """
        connection = self.ws_connection
        if not (self._opened or self._replaced):
            self._replaced = True
            self._open_sessions.pop(self.session_key, None)
            self._close_future.set_result(None)
        closed = super().close()
        if connection is not None:
            connection.stream.close()
        return closed

    def on_message(self, message: str | bytes) -> None:
        """Pass a client's message to the kernel. Data that is not a Jupyter message closes the connection."""
        if isinstance(message, str) and '"execute_request"' in message:
            self._asked = message
        try:
            super().on_message(message)
        except NOT_A_MESSAGE as error:
            log.info("kernel %s: not a Jupyter message (%s)", self.kernel_id, type(error).__name__)
            self.close_with(1007, "not a Jupyter message")

    def on_restart_failed(self) -> None:
        """Tell the client that the kernel is dead, and show the reason in the cell that was running."""
        if self._asked and (reason := self.kernel_manager.kernel(self.kernel_id).notes):
            with contextlib.suppress(*NOT_A_MESSAGE):
                header = json.loads(self._asked)["header"]
                content = {"ename": "KernelEnded", "evalue": reason, "traceback": [reason]}
                said = self.session.msg("error", content, parent=header)
                self.write_message(json.dumps({**said, "channel": "iopub"}, default=date_default))
        super().on_restart_failed()

    def write_message(self, message: Any, binary: bool = False) -> Any:
        """Send a message to the client, and count the bytes that are not sent yet."""
        size = len(message)
        future = super().write_message(message, binary)
        self._unsent += size

        def sent(done: asyncio.Future[None]) -> None:
            self._unsent -= size
            if not done.cancelled():
                done.exception()

        future.add_done_callback(sent)
        self._last_write = future
        return future

    @cached_property
    def _looks_inside(self) -> bool:
        """Whether jupyter_server must read or change the messages of this connection."""
        limited = self.iopub_msg_rate_limit > 0 or self.iopub_data_rate_limit > 0
        return limited or not self.kernel_manager.allow_tracebacks

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        """Pass a kernel's message to the client, unparsed if possible, else in jupyter_server's way."""
        if self.ws_connection is None or self.ws_connection.is_closing():
            return  # the client has just disconnected; writing would raise in the event loop
        text = None
        if not (self._looks_inside or stream.closed()):
            text = as_text(self.session, stream.channel, parts_of(msg_list))
        if text is not None:
            self.write_message(text)
        else:
            try:
                super()._on_zmq_reply(stream, msg_list)
            except ValueError as error:  # a signature that is wrong, missing, or was seen before
                log.warning("kernel %s: message dropped: %s", self.kernel_id, str(error)[:100])
        if self._unsent > self.services.settings.gateway.max_backlog_bytes and self._held is None:
            self._held = asyncio.ensure_future(self._hold_output())

    async def _hold_output(self) -> None:
        """Until the client has received what is queued, keep only the newest output and drop older output.

        If the gateway stopped reading instead, output would queue in ZeroMQ, which limits the number of messages
        and not their size. Then the kernel would drop the newest messages, such as the end of the cell.
        """
        iopub = self.channels.get("iopub")
        if iopub is not None and not iopub.closed():
            newest = OfflineBuffer(self.services.settings.gateway.max_backlog_bytes)
            iopub.on_recv(lambda frames: newest.append(("iopub", frames)))
            log.info("kernel %s: output is held back because the client reads too slowly", self.kernel_id)
            if self._last_write is not None:
                await asyncio.wait({self._last_write})
            if self.channels.get("iopub") is iopub and not iopub.closed():
                iopub.on_recv_stream(self._on_zmq_reply)
                for _, frames in newest:
                    self._on_zmq_reply(iopub, frames)
        self._held = None

    def on_close(self) -> None:
        """Release everything that belongs to this connection."""
        for task in (self._rechecks, self._held):
            if task is not None:
                task.cancel()
        if not self._replaced:  # a replaced websocket was never connected
            super().on_close()
