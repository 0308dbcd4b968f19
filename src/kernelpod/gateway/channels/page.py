"""The page of a kernel's websocket: for callers who may access the kernel, and as long as they may."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from kernelpod.base.headers import COMEBACK, GATEWAY_ID, HEARD
from kernelpod.errors import HubUnavailable, UserError, access_revoked
from kernelpod.gateway.channels import wire
from kernelpod.gateway.channels.batch import Batch
from kernelpod.gateway.channels.comeback import Comeback, read_comeback
from kernelpod.gateway.proven import OwnKernel
from kernelpod.start.identity import Owner

if TYPE_CHECKING:
    from kernelpod.gateway.channels.connection import KernelConnection
    from kernelpod.gateway.channels.subscriber import Subscriber

log = logging.getLogger(__name__)

MAX_SESSION_LENGTH = 200
MAX_REASON_BYTES = 120
# How long after a frame its receipt is asked for. Until then it is kept, in case the page is cut off.
RECEIPT_SECONDS = 2
MAX_COUNT_DIGITS = 15
LARGE_BYTES = 1024 * 1024


class ChannelsPage(OwnKernel, WebSocketHandler):
    """A kernel's channels over one websocket."""

    action = "connect"
    _rechecks: asyncio.Task[None] | None = None
    _connection: KernelConnection | None = None
    _subscriber: Subscriber | None = None
    _closed = False
    _counts = False
    _frames = 0
    _batch: Batch
    _comeback: Comeback
    _question: asyncio.TimerHandle | None = None

    def set_default_headers(self) -> None:
        """Say which process this is; a websocket uses no other headers."""
        self.set_header(GATEWAY_ID, self.services.gateway_id)

    async def prepare(self) -> None:
        """Authenticate the caller, and say whether a page of another gateway misses nothing here."""
        await super().prepare()
        self._comeback = read_comeback(self.request.headers.get(COMEBACK))
        kernel = self.services.kernels.kernel(self.path_kwargs["kernel_id"])
        if kernel.connection.has_heard(self._comeback):
            self.set_header(HEARD, "complete")

    @property
    def ping_interval(self) -> float:
        """The interval of pings in seconds."""
        return self.services.settings.gateway.ping_interval_seconds

    ping_timeout = ping_interval

    def open(self, kernel_id: str) -> None:
        """Subscribe the page to its kernel's messages. It is sent what it has missed under the same session."""
        if self._closed:  # tornado tells this of a client that hung up at once before it opens the websocket
            return
        self.set_nodelay(True)
        self._batch = Batch(self._write)
        session = self.get_query_argument("session_id", "")
        if not 0 < len(session) <= MAX_SESSION_LENGTH:
            session = uuid.uuid4().hex
        try:
            self._connection = self.services.kernels.kernel(kernel_id).connection
        except UserError as error:  # the kernel was stopped during the handshake
            self.close_with(1008, error.message)
            return
        if self.prover().is_revoked(self.proof):  # during the handshake
            self.revoke()
            return
        if self.is_foreign:
            self.services.audit.write("connect", self.actor, about=self.record)
        self.services.visits.websockets.add(self)
        self._rechecks = asyncio.ensure_future(self._recheck())
        count = self._count()
        self._counts, self._frames = count is not None, count or 0
        self._subscriber = self._connection.subscribe(session, self._send, self.close_with, count, self._comeback)

    def _count(self) -> int | None:
        """Return how many frames the page says it has received; 0: it begins to count, None: it does not count."""
        said = self.get_query_argument("received", None)
        if said is None:
            return None
        return int(said) if said.isascii() and said.isdigit() and len(said) <= MAX_COUNT_DIGITS else 0

    def _ask_for_receipt(self) -> None:
        """Ping the page with the number of frames it was sent: its pong says that it has received them."""
        self._question = None
        self._batch.flush()
        with contextlib.suppress(WebSocketClosedError):
            self.ping(str(self._frames).encode())

    def on_pong(self, data: bytes) -> None:
        """Note what the page has received."""
        if self._counts and not self._closed and self._subscriber is not None and data.isdigit():
            self._subscriber.confirm(min(int(data[:MAX_COUNT_DIGITS]), self._frames))

    async def on_message(self, message: str | bytes) -> None:
        """Pass a client's message to the kernel. Data that is not a Jupyter message closes the websocket.

        The next message is read when this returns.
        """
        if self._closed or self._connection is None or self._subscriber is None:
            return
        try:
            if len(message) < LARGE_BYTES:
                read = wire.from_page(message)
            else:  # in a thread, so that the others' messages pass meanwhile
                read = await asyncio.to_thread(wire.from_page, message)
        except ValueError as error:
            log.info("kernel %s: not a Jupyter message (%s)", self.path_kwargs["kernel_id"], type(error).__name__)
            self.close_with(1007, "not a Jupyter message")
            return
        if read.channel in wire.TO_KERNEL and not self._closed:
            self._connection.send(self._subscriber.session, read)

    def on_connection_close(self) -> None:
        """Release everything, also of a request with a body, which a websocket's has not."""
        super().on_connection_close()
        RequestHandler.on_connection_close(self)

    def on_close(self) -> None:
        """Release everything that belongs to this websocket."""
        self._closed = True
        self.services.visits.websockets.discard(self)
        if self.stream is not None:
            self.services.guests.leave(self.stream)
        if self._rechecks is not None:
            self._rechecks.cancel()
        if self._question is not None:
            self._question.cancel()
        if self._connection is not None and self._subscriber is not None:
            self._connection.leave(self._subscriber, self._send)

    async def check(self) -> None:
        """Raise UserError unless the caller may access the kernel, and may still run it if it is theirs."""
        await super().check()
        await self.check_still_allowed()

    async def _recheck(self) -> None:
        """Close the websocket when the caller may no longer use the kernel, or the hub is silent too long."""
        while True:
            await asyncio.sleep(self.services.settings.identity.recheck_seconds)
            try:
                self.proof = await self.prover().prove(self.caller_token, fresh=True)
                await self.check()
            except HubUnavailable as error:
                return self.close_with(1013, error.message)
            except UserError as error:
                if self.path_kwargs["kernel_id"] in self.services.kernels:  # else it has ended meanwhile
                    self.services.audit.write("withdraw", self.actor, code=error.code, about=self.record)
                return self.close_with(1008, error.message)

    def is_of(self, user: Owner) -> bool:
        """Return whether the user opened the websocket, or owns the kernel."""
        owners = [self.proof.identity.owner, *([self.record.owner] if self.record else [])]
        return any(owner.named() == user for owner in owners)

    def revoke(self) -> None:
        """Close the websocket, because its user or the kernel's owner is revoked."""
        mine = self.prover().is_revoked(self.proof)
        owners = "An admin has ended the access of the kernel's owner."
        self.close_with(1008, access_revoked().message if mine else owners)

    def close_with(self, status: int, reason: str) -> None:
        """Close the websocket with a status (RFC 6455, 7.4) and a reason, without waiting for the client.

        If a browser disconnects while its server connects, the server never reads from that connection. Waiting
        for its closing frame would keep the notebook at "Connecting" for five seconds.
        """
        if self._subscriber is not None:
            self._batch.flush()
        self.services.visits.websockets.discard(self)
        self._closed = True  # tornado passes messages on until the client answers the closing frame
        log.info("websocket of kernel %s closed: %s", self.path_kwargs["kernel_id"], reason)
        if self.ws_connection is not None:
            self.ws_connection.close(status, reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore"))

    def _send(self, frame: wire.Frame) -> Any:
        if self._counts:
            self._frames += 1
            if self._question is None:
                loop = asyncio.get_running_loop()
                self._question = loop.call_later(RECEIPT_SECONDS, self._ask_for_receipt)
        return self._batch.add(frame)

    def _write(self, data: bytes) -> Any:
        websocket = self.ws_connection
        if websocket is None or websocket.is_closing() or websocket.stream is None:
            raise WebSocketClosedError  # the client has just disconnected
        return websocket.stream.write(data)
