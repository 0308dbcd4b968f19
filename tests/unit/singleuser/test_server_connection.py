"""The server's end of a kernel's websocket. Run in the hub's environment, for jupyter_server 2."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytestmark = pytest.mark.hub


def test_outages_of_one_cell_are_added_and_those_without_a_cell_forgotten() -> None:
    from kernelpod.singleuser.connection import LOST
    from kernelpod.singleuser.place import Unheard

    now = [0.0]
    unheard = Unheard(lambda: now[0])

    def outage(seconds: float, *, anew: bool) -> float:
        unheard.begins(anew=anew)
        now[0] += seconds
        unheard.ends()
        now[0] += 100
        return unheard.seconds

    unheard.ends()
    assert unheard.seconds == 0
    assert [outage(5, anew=True), outage(2, anew=False), outage(1, anew=True)] == [5, 7, 1]
    assert "for 7 s" in LOST.format(7)


def test_what_a_page_tells_the_next_gateway_fits_in_a_header() -> None:
    from kernelpod.singleuser.place import Place

    place = Place(running={f"{number}-{'x' * number}": {} for number in range(1000)})
    told = place.comeback()
    assert len(told) < 8000
    assert "0-" in told
    for _ in range(100):
        place.receive('{"header": {"msg_id": "' + 100 * "y" + '"')
    assert len(place.comeback()) < 8000


def _connection(session_id: str) -> tuple[Any, Any]:
    """Return a page's connection to a gateway, and the page, which notes what it is told."""
    from tornado.websocket import WebSocketHandler
    from traitlets.config import LoggingConfigurable

    from kernelpod.singleuser.connection import GatewayConnection

    class Kernel(LoggingConfigurable):
        kernel_id = "11111111-2222-4333-8444-555555555555"

    class Page(WebSocketHandler):
        def __init__(self) -> None:
            self.told: list[dict[str, Any]] = []

        def write_message(self, message: Any, binary: bool = False) -> Any:
            assert not binary
            self.told.append(json.loads(message))

    page = Page()
    made = GatewayConnection(parent=Kernel(), websocket_handler=page)
    made.session.session = session_id
    return made, page


CELL = json.dumps(
    {
        "header": {"msg_id": "cell", "msg_type": "execute_request"},
        "channel": "shell",
        "content": {},
        "metadata": {},
    }
)


async def test_what_a_page_sends_while_the_gateway_is_away_waits_for_its_next_websocket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from kernelpod.singleuser.connection import GatewayConnection

    async def away(_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(GatewayConnection, "_open", away)
    first, _ = _connection("a page")
    await first.connect()
    first.handle_incoming_message(CELL)
    first.disconnect()
    again, page = _connection("a page")
    await again.connect()
    assert list(again._place.waiting) == [CELL]
    again._give_up("the gateway is gone")
    assert [one["msg_type"] for one in page.told] == ["error", "execute_reply", "status", "status"]
    again.disconnect()


async def test_a_page_is_told_when_its_connection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a fault of our own, which must not leave its cells without an end."""
    from kernelpod.singleuser.connection import FAILED, GatewayConnection

    async def faulty(_: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr(GatewayConnection, "_open", faulty)
    connection, page = _connection("another page")
    await connection.connect()
    connection.handle_incoming_message(CELL)
    await asyncio.wait({connection._task}, timeout=20)
    await asyncio.sleep(0)
    assert [one["msg_type"] for one in page.told] == ["error", "execute_reply", "status", "status"]
    assert page.told[0]["content"]["evalue"] == FAILED
    connection.disconnect()


async def test_a_gateway_that_closes_at_once_is_connected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from kernelpod.singleuser import connection as module

    async def closed(*_: object, **__: object) -> Any:
        return SimpleNamespace(protocol=SimpleNamespace(stream=SimpleNamespace(socket=None, closed=lambda: True)))

    monkeypatch.setattr(module, "websocket_connect", closed)
    monkeypatch.setattr(module.GatewayConnection, "_request", lambda _: None)
    assert await module.GatewayConnection._open(object.__new__(module.GatewayConnection))


async def test_a_connection_ends_when_the_gateways_machine_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from tornado.httpclient import HTTPRequest
    from tornado.httpserver import HTTPServer
    from tornado.testing import bind_unused_port
    from tornado.web import Application
    from tornado.websocket import WebSocketHandler

    from kernelpod.singleuser.connection import GatewayConnection

    listening, port = bind_unused_port()
    server = HTTPServer(Application([("/", WebSocketHandler)]))
    server.add_socket(listening)
    request = HTTPRequest(f"ws://127.0.0.1:{port}/")
    monkeypatch.setattr(GatewayConnection, "_request", lambda _: request)
    opened: Any = await GatewayConnection._open(object.__new__(GatewayConnection))
    connection = opened.protocol.stream.socket
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    after = [
        connection.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
    ]
    assert after == [10, 5, 3, 60_000]
    opened.close()
    server.stop()
    await server.close_all_connections()
