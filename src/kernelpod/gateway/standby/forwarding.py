"""Passes requests on to the gateway that leads, as they are: one connection there for each request.

The caller is authenticated here first, so that strangers take no place at the other gateway, which authenticates
them again. What follows the request's head is not looked at, and so websockets go on as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado import httputil
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.routing import Router
from tornado.tcpclient import TCPClient
from tornado.web import Application, RequestHandler, stream_request_body

from kernelpod.audit import Action
from kernelpod.base.addresses import split_address
from kernelpod.base.headers import FORWARDED_FOR, LEADS
from kernelpod.base.logs import Seldom
from kernelpod.errors import GatewayUnavailable, UserError
from kernelpod.gateway.proven import HUB_PREFIX, Proven, bearer_token, path_of, prover_of
from kernelpod.gateway.services import Services
from kernelpod.gateway.standby.leadership import Leadership

log = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
# How long a request waits for a gateway that leads.
PATIENCE_SECONDS = 15.0
CHUNK_BYTES = 256 * 1024
# How long after its first part the rest of an answer may take that refuses a websocket.
REFUSAL_SECONDS = 1.0
# How long the gateway that led before may take to answer. Until then this one does not speak to the kernels.
DEPOSE_SECONDS = 1.0
LEADER = "/api/leader"
ACCEPTED = b"HTTP/1.1 101 "
# What needs the kernels, or every user's rights.
_PATHS = re.compile(rf"(?:{HUB_PREFIX})?/api/(?:kernels|users)(?:/|\Z)")

_ACTIONS: dict[str, Action] = {
    "POST kernels": "start",
    "POST restart": "restart",
    "POST interrupt": "interrupt",
    "POST revoke": "revoke",
    "GET channels": "connect",
}


@dataclass(frozen=True)
class Leader:
    """A connection to the gateway that leads."""

    address: str
    stream: IOStream


class Forwarding(Router):
    """Finds who answers a request: this gateway's pages, or the gateway that leads."""

    def __init__(
        self, pages: Application, services: Services, leadership: Callable[[], Leadership], cert: Path | None
    ) -> None:
        """`cert` is the certificate of all these gateways if they serve HTTPS."""
        self.pages, self.services, self._part, self._cert = pages, services, leadership, cert
        self._tunnels: dict[asyncio.Task[None], tuple[IOStream, Leader]] = {}
        # The other gateways serve the last one until each of them has the new one.
        self._certificates: deque[bytes] = deque(maxlen=2)
        if cert is not None:
            self._read_certificate(cert)
        self._seldom = Seldom(log)
        self.requests: set[asyncio.Task[None]] = set()
        """What is passed on and ends with an answer, unlike websockets."""

    def find_handler(self, request: Any, **kwargs: Any) -> httputil.HTTPMessageDelegate | None:
        """Return what answers the request; tornado calls this when it has read the head."""
        if self._part().leads or not _PATHS.match(path_of(request, self.pages.settings)):
            return self.pages.find_handler(request, **kwargs)
        return _Forwarded(self, request)

    async def reach(self) -> Leader | None:
        """Return a new connection to the gateway that leads, or None if that is this one.

        Raises GatewayUnavailable if none leads for too long.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (part := self._part()).leads:
            host, port = split_address(part.leader)
            if host:
                try:
                    return Leader(part.leader, await self._connect(host, port))
                except (OSError, StreamClosedError, asyncio.TimeoutError, ValueError) as error:
                    said = "the gateway that leads, at %s, cannot be reached: %s"
                    self._seldom.say(logging.INFO, said, host, error)
            if time.monotonic() > deadline:
                raise GatewayUnavailable(
                    "gateway_unavailable",
                    "The kernels' gateway is being replaced. Running kernels continue. Try again in a minute.",
                )
            await part.news(0.1)
        return None

    async def depose(self, address: str, term: int) -> None:
        """Tell the gateway that led before that this one leads, since that change of the lease.

        It may only have lost the API server, and then would go on to speak to the kernels. Most often it is gone.
        """
        host, port = split_address(address)
        proof = self.services.origin.signed_term(term)
        head = f"POST {LEADER} HTTP/1.1\r\nHost: {address}\r\n{LEADS}: {proof}\r\n"
        with contextlib.suppress(OSError, StreamClosedError, asyncio.TimeoutError, ValueError):
            stream = await asyncio.wait_for(self._connect(host, port), DEPOSE_SECONDS)
            try:
                await stream.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii"))
                await asyncio.wait_for(stream.read_until(b"\r\n"), DEPOSE_SECONDS)
            finally:
                stream.close()

    async def _connect(self, host: str, port: int) -> IOStream:
        if self._cert is None:
            return await TCPClient().connect(host, port, timeout=CONNECT_SECONDS)
        self._read_certificate(self._cert)
        context = ssl.create_default_context()
        # The certificate names the Service and not this address. It is ours, and nobody else has its key.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        stream = await TCPClient().connect(host, port, ssl_options=context, timeout=CONNECT_SECONDS)
        assert isinstance(stream, SSLIOStream)  # noqa: S101 - for the type checker
        if stream.socket.getpeercert(binary_form=True) not in self._certificates:
            stream.close()
            raise ConnectionError("it has another certificate than this gateway")
        return stream

    def _read_certificate(self, path: Path) -> None:
        """Note the first certificate in the file. Raises OSError, or ValueError if it holds none."""
        pem = path.read_text(encoding="utf-8")
        begin, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        ours = ssl.PEM_cert_to_DER_cert(pem[begin:end])
        if ours not in self._certificates:
            self._certificates.append(ours)

    def tunnel(self, caller: IOStream, leader: Leader, head: bytes, *, lasts: bool) -> None:
        """Send the head to the leader, and pass on what both send until one of them ends. A websocket `lasts`."""
        task = asyncio.ensure_future(self._tunnel(caller, leader.stream, head, lasts=lasts))
        self._tunnels[task] = caller, leader
        task.add_done_callback(self._tunnels.pop)
        if not lasts:
            self.requests.add(task)
            task.add_done_callback(self.requests.discard)

    async def _tunnel(self, caller: IOStream, leader: IOStream, head: bytes, *, lasts: bool) -> None:
        try:
            await leader.write(head)
            if lasts and not await _is_accepted(caller, leader):
                return
            ways = [
                asyncio.ensure_future(_pass_on(caller, leader)),
                asyncio.ensure_future(_pass_on(leader, caller)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        except StreamClosedError:
            log.info("a request was not passed on: its caller or the gateway that leads is gone")
        finally:
            caller.close()
            leader.close()
            self.services.guests.leave(caller)

    def close(self, *, unless_to: str = "") -> None:
        """End all that is passed on, or all that goes to other addresses. Pages connect again, elsewhere.

        A machine that is cut off closes no connections, and says nothing on them any more.
        """
        for caller, leader in self._tunnels.values():
            if leader.address != unless_to:
                leader.stream.close()
                caller.close()


async def _pass_on(source: IOStream, target: IOStream) -> None:
    """Pass on what arrives, as fast as the target takes it, until one of them is closed."""
    with contextlib.suppress(StreamClosedError):
        while True:
            await target.write(await source.read_bytes(CHUNK_BYTES, partial=True))


async def _is_accepted(caller: IOStream, leader: IOStream) -> bool:
    """Pass on whether the leader accepts a websocket. If it does not, return False when it has said all.

    Nothing of the caller is passed on before: it could be another request, which nobody has looked at.
    """
    caller.set_close_callback(leader.close)
    answer = await leader.read_until(b"\r\n")
    caller.set_close_callback(None)  # from now on, what it has sent before is passed on
    await caller.write(answer)
    accepted = answer.startswith(ACCEPTED)
    with contextlib.suppress(asyncio.TimeoutError, StreamClosedError):
        while not accepted:
            more = leader.read_bytes(CHUNK_BYTES, partial=True)
            await caller.write(await asyncio.wait_for(more, REFUSAL_SECONDS))
    return accepted


class _Forwarded(httputil.HTTPMessageDelegate):
    """One request. If this gateway leads by now, or must refuse it, a page answers it."""

    def __init__(self, forwarding: Forwarding, request: Any) -> None:
        self._forwarding, self._request = forwarding, request
        self._page: httputil.HTTPMessageDelegate | None = None
        said = request.headers.get("Connection", "").lower()
        self._upgrades = request.method == "GET" and "upgrade" in said

    async def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> None:
        """Authenticate the caller, and pass the request on."""
        pages = self._forwarding.pages
        try:
            leader = await self._reach()
        except UserError as error:
            self._page = pages.get_handler_delegate(self._request, Refusal, {"error": error})
        else:
            if leader is not None:
                caller = self._request.connection.detach()
                self._forwarding.tunnel(caller, leader, self._head(), lasts=self._upgrades)
                return
            self._page = pages.find_handler(self._request)
        begun = self._page.headers_received(start_line, headers)
        if begun is not None:
            await begun

    async def _reach(self) -> Leader | None:
        services, request = self._forwarding.services, self._request
        token = bearer_token(request)
        proof = await prover_of(services, path_of(request, self._forwarding.pages.settings)).prove(token)
        services.guests.prove(request.connection.stream, proof.identity.owner)
        return await self._forwarding.reach()

    def _head(self) -> bytes:
        """Return the request line and the headers for the leader. The connection is for this request alone."""
        request = self._request
        lines = [f"{request.method} {request.uri} {request.version}"]
        left_out = {FORWARDED_FOR.lower(), *([] if self._upgrades else ["connection"])}
        lines += [f"{name}: {value}" for name, value in request.headers.get_all() if name.lower() not in left_out]
        lines += [] if self._upgrades else ["Connection: close"]
        origin = self._forwarding.services.origin
        lines.append(f"{FORWARDED_FOR}: {origin.signed(origin.address(request))}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Give the page a part of the body."""
        return self._page.data_received(chunk) if self._page else None

    def finish(self) -> None:
        """Tell the page that the request is complete."""
        if self._page:
            self._page.finish()

    def on_connection_close(self) -> None:
        """Tell the page that the caller is gone."""
        if self._page:
            self._page.on_connection_close()


@stream_request_body
class Refusal(Proven, RequestHandler):
    """Answers a request that is not passed on with the error, and writes it into the audit log."""

    def initialize(self, error: UserError) -> None:
        """As RequestHandler, whose constructor calls this."""
        self._error = error

    async def prepare(self) -> None:
        """Raise the error."""
        self.stream = self.request.connection.stream
        method, what = self.request.method, self.request.path.rpartition("/")[2]
        self.action = _ACTIONS.get(f"{method} {what}", "stop" if method == "DELETE" else "read")
        raise self._error
