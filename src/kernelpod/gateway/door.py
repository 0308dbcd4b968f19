"""The gateway's door: how many connections are open, whose they are, and which give way.

A stranger costs the gateway descriptors before it knows that they are one. So connections that have proven nobody
have a share of their own: beyond it, those of the address with the most give way.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets

from kernelpod.base.logs import Seldom
from kernelpod.errors import SettingsError, TooMany
from kernelpod.settings.sections import Gateway

log = logging.getLogger(__name__)

# Of all connections, the share that may have proven nobody.
UNPROVEN_SHARE = 4
# The rest of the process's descriptors is for kernels.
DESCRIPTORS_SHARE = 2
ACCEPTS_AT_ONCE = 128
PAUSE_SECONDS = 1.0


@dataclass(eq=False)
class Guest:
    """An open connection, from its first byte to its end; a websocket is one as well."""

    stream: IOStream
    address: str
    owner: Hashable = None
    """Who was proven by its last request; None: nobody yet."""


class Guests:
    """All open connections, and the rooms for them."""

    def __init__(self, most: int, most_of_a_user: int) -> None:
        """`most` is the number of connections in all."""
        self._most, self._most_of_a_user = most, most_of_a_user
        self._most_unproven = max(1, most // UNPROVEN_SHARE)
        self._guests: dict[IOStream, Guest] = {}
        self._of: Counter[Hashable] = Counter()
        self._unproven: dict[str, dict[Guest, None]] = {}
        self._seldom = Seldom(log)

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._guests)

    def enter(self, stream: IOStream, address: str) -> bool:
        """Note a new connection. Return False if it must be closed, because all places are taken by users."""
        waiting = sum(map(len, self._unproven.values()))
        if waiting >= self._most_unproven or (waiting and len(self) >= self._most):
            self._close_one()
        elif len(self) >= self._most:
            self.say("all %d connections are taken; new ones are closed", self._most)
            return False
        guest = self._guests[stream] = Guest(stream, address)
        self._unproven.setdefault(address, {})[guest] = None
        return True

    def prove(self, stream: IOStream, owner: Hashable) -> None:
        """Note whose connection it is. Raises TooMany if this user has too many."""
        guest = self._guests.get(stream)
        if guest is None or guest.owner == owner:
            return
        if self._of[owner] >= self._most_of_a_user:
            raise TooMany(
                "too_many_connections",
                f"You have {self._most_of_a_user} connections to the gateway, and may not have more. "
                "Close some notebooks, and try again.",
            )
        self._leave_place(guest)
        guest.owner = owner
        self._of[owner] += 1

    def leave(self, stream: IOStream) -> None:
        """Forget a connection that has ended."""
        if guest := self._guests.pop(stream, None):
            self._leave_place(guest)

    def say(self, text: str, *values: object) -> None:
        """Log a warning, each text once a minute at most."""
        self._seldom.say(logging.WARNING, text, *values)

    def _close_one(self) -> None:
        """Close the oldest unproven connection of the address that has the most."""
        address = max(self._unproven, key=lambda address: len(self._unproven[address]))
        guest = next(iter(self._unproven[address]))
        self.say("too many connections without a token, most from %s: the oldest are closed", guest.address)
        self.leave(guest.stream)
        guest.stream.close()

    def _leave_place(self, guest: Guest) -> None:
        if guest.owner is None:
            self._unproven[guest.address].pop(guest)
            if not self._unproven[guest.address]:
                del self._unproven[guest.address]
        else:
            self._of[guest.owner] -= 1
            if not self._of[guest.owner]:
                del self._of[guest.owner]


class Door(HTTPServer):
    """An HTTP server that knows its guests."""

    def initialize(self, request_callback: Any, guests: Guests, **options: Any) -> None:  # type: ignore[override]
        """As HTTPServer, whose constructor calls this."""
        super().initialize(request_callback, **options)
        self._guests = guests

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections. An error is logged once in a minute, and then they wait for a moment.

        tornado would try again at once and log each time: at the limit of open files, thousands of times a second.
        """
        loop = IOLoop.current().asyncio_loop  # type: ignore[attr-defined]
        for listening in sockets:
            self._sockets[listening.fileno()] = listening
            self._handlers[listening.fileno()] = partial(loop.remove_reader, listening.fileno())
            loop.add_reader(listening, self._accept, loop, listening)

    def _accept(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                connection, address = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._guests.say("no connection can be accepted: %s", error.strerror)
                loop.remove_reader(listening)
                loop.call_later(PAUSE_SECONDS, self._accept_again, loop, listening)
                return
            self._handle_connection(connection, address)

    def _accept_again(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        if listening.fileno() in self._sockets:
            loop.add_reader(listening, self._accept, loop, listening)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a connection, if there is a place for it."""
        if self._guests.enter(stream, str(address[0])):
            super().handle_stream(stream, address)
        else:
            stream.close()

    def on_close(self, server_conn: Any) -> None:
        """Forget a connection, unless a websocket goes on with it."""
        super().on_close(server_conn)
        if server_conn.stream.closed():
            self._guests.leave(server_conn.stream)


def listening(settings: Gateway) -> list[socket.socket]:
    """Return sockets that listen on the address and port; port 0 picks a free one. Raises SettingsError."""
    try:
        return bind_sockets(settings.port, settings.ip)
    except OSError as error:
        raise SettingsError(
            f"The gateway cannot listen on {settings.ip}:{settings.port} (gateway.ip, gateway.port): "
            f"{error.strerror}. Another gateway may run here: end it, or choose another port."
        ) from error


def most_connections(settings: Gateway) -> int:
    """Return how many connections may be open, so that descriptors are left for kernels.

    One that is passed on to another gateway takes two of them.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    each = 2 if settings.replicated else 1
    return min(int(settings.max_connections), descriptors // DESCRIPTORS_SHARE // each)
