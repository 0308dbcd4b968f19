"""The server's end of a kernel's websocket. Run in the hub's environment, for jupyter_server 2."""

from __future__ import annotations

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
