"""What a gateway passes on to the one that leads: one request of a known caller for each connection."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from pydantic import SecretStr
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from doubles import PATIENCE_SECONDS, an_identity
from kernelpod.base.headers import FORWARDED_FOR
from kernelpod.gateway.door import Guests, most_connections
from kernelpod.gateway.standby.forwarding import LEADER, Forwarding
from kernelpod.gateway.standby.origin import Origin
from kernelpod.settings.sections import Gateway

TOKEN = "Authorization: token t"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket"


class Pair:
    """A gateway that passes requests on, and one that leads and gives the same answer to each."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.heard: list[bytes] = []
        self.leader = ""
        self.leads = False
        self.callers: list[asyncio.StreamWriter] = []
        self.ends: list[asyncio.StreamWriter] = []
        self.origin = Origin(SimpleNamespace(service_token=lambda: SecretStr("service")))  # type: ignore[arg-type]
        prover = SimpleNamespace(prove=self._prove)
        services: Any = SimpleNamespace(
            provers={"hub": prover},
            guests=Guests(100, 100),
            origin=self.origin,
            audit=SimpleNamespace(write=lambda *_, **__: None),
        )
        pages = Application([], base_url="/", kernelpod=services)
        self.forwarding = Forwarding(pages, services, lambda: self, None)  # type: ignore[arg-type, return-value]

    async def _prove(self, _: SecretStr) -> Any:
        return SimpleNamespace(identity=an_identity())

    async def open(self) -> None:
        """Listen with both."""
        self._leading = await asyncio.start_server(self._lead, "127.0.0.1", 0)
        self.leader = f"127.0.0.1:{self._leading.sockets[0].getsockname()[1]}"
        sock, self._port = bind_unused_port()
        self._server = HTTPServer(self.forwarding)
        self._server.add_socket(sock)

    async def close(self) -> None:
        """End everything."""
        self.forwarding.close()
        self._server.stop()
        await self._server.close_all_connections()
        self._leading.close()
        for end in (*self.callers, *self.ends):
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in (*self.callers, *self.ends)), return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ends.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.heard.append(data)
                writer.write(self.answer)
        writer.close()

    async def ask(self, path: str, *headers: str, more: bytes = b"") -> asyncio.StreamReader:
        """Send a request, and more."""
        reader, caller = await asyncio.open_connection("127.0.0.1", self._port)
        self.callers.append(caller)
        caller.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: h", *headers, "", ""]).encode() + more)
        return reader


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("path", ["/api/kernels", "/api/kernels/k/channels"])
async def test_one_request_is_passed_on_and_none_that_follows_it(pair: Pair, path: str) -> None:
    """The next one would be nobody's, and come from this gateway as far as the audit log knows."""
    reader = await pair.ask(path, TOKEN, UPGRADE, more=b"DELETE /api/kernels/k HTTP/1.1\r\nHost: h\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == pair.answer
    assert b"DELETE" not in b"".join(pair.heard)
    assert pair.heard[0].startswith(f"GET {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("headers", [[TOKEN], [TOKEN, UPGRADE]])
async def test_who_hangs_up_before_the_answer_leaves_nothing_behind(pair: Pair, headers: list[str]) -> None:
    pair.answer = b""
    await pair.ask("/api/kernels/k/channels", *headers)
    for is_open in (True, False):
        for _ in range(500):
            if bool(pair.forwarding._tunnels) is is_open and pair.heard:
                break
            await asyncio.sleep(0.01)
        assert bool(pair.forwarding._tunnels) is is_open
        pair.callers[0].close()


async def test_a_websocket_goes_on_in_both_directions(pair: Pair) -> None:
    pair.answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    reader = await pair.ask("/api/kernels/k/channels", TOKEN, UPGRADE, more=b"frame")
    assert await asyncio.wait_for(reader.readexactly(2 * len(pair.answer)), PATIENCE_SECONDS) == 2 * pair.answer
    assert pair.heard[1] == b"frame"


async def test_what_goes_to_a_leader_that_is_none_any_more_ends(pair: Pair) -> None:
    """A machine without power closes no connections."""
    pair.answer = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    reader = await pair.ask("/api/kernels/k/channels", TOKEN, UPGRADE)
    assert await asyncio.wait_for(reader.readexactly(len(pair.answer)), PATIENCE_SECONDS) == pair.answer
    pair.forwarding.close(unless_to=pair.leader)
    pair.callers[0].write(b"frame")
    assert await asyncio.wait_for(reader.readexactly(len(pair.answer)), PATIENCE_SECONDS) == pair.answer
    pair.forwarding.close(unless_to="10.0.0.2:8888")
    assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""


async def test_an_address_is_that_of_the_first_gateway_which_said_it(pair: Pair) -> None:
    for said, expected in [
        (pair.origin.signed("10.1.2.3"), "10.1.2.3"),
        (f"10.1.2.3 {64 * '0'}", "127.0.0.1"),
    ]:
        pair.heard.clear()
        reader = await pair.ask("/api/kernels", TOKEN, f"{FORWARDED_FOR}: {said}", "Connection: close")
        await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
        assert pair.heard[0].count(FORWARDED_FOR.encode()) == 1
        assert f"{FORWARDED_FOR}: {pair.origin.signed(expected)}\r\n".encode() in pair.heard[0]


async def test_who_shows_no_token_is_not_told_which_hubs_there_are(pair: Pair) -> None:
    for hub in ("hub", "no-such"):
        reader = await pair.ask(f"/hubs/{hub}/api/kernels", "Connection: close")
        assert b"no_token" in await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    assert pair.heard == []


@pytest.mark.parametrize(("replicated", "most"), [(False, 500), (True, 250)])
def test_half_of_the_descriptors_are_left_for_kernels(
    monkeypatch: pytest.MonkeyPatch, replicated: bool, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, 1000))
    assert most_connections(Gateway(replicated=replicated)) == most


def test_a_certificate_is_found_in_its_file_and_the_one_before_counts(tmp_path: Path) -> None:
    """The leader may not have read a renewed one yet. A file may also hold text and a key."""
    file = tmp_path / "tls.crt"
    services: Any = SimpleNamespace()
    for number in range(3):
        pem = ssl.DER_cert_to_PEM_cert(f"certificate {number}".encode())
        file.write_text(
            f"Bag Attributes: å\n{pem}{ssl.DER_cert_to_PEM_cert(b'of the authority')}", encoding="utf-8"
        )
        if number == 0:
            forwarding = Forwarding(Application(), services, lambda: services, file)
        for _ in range(2):
            forwarding._read_certificate(file)
    assert list(forwarding._certificates) == [b"certificate 1", b"certificate 2"]


async def test_the_one_that_led_before_is_told_who_leads_with_proof(pair: Pair) -> None:
    await pair.forwarding.depose(pair.leader, 7)
    (said,) = pair.heard
    assert said.startswith(f"POST {LEADER} HTTP/1.1\r\nHost: {pair.leader}\r\n".encode())
    headers = dict(line.split(": ") for line in said.decode().splitlines()[1:] if line)
    assert pair.origin.term(SimpleNamespace(headers=headers)) == 7


@pytest.mark.parametrize("address", ["127.0.0.1:1", "", "nonsense", "127.0.0.1:0"])
async def test_one_that_is_gone_is_not_waited_for(pair: Pair, address: str) -> None:
    await asyncio.wait_for(pair.forwarding.depose(address, 7), PATIENCE_SECONDS)
    assert pair.heard == []
