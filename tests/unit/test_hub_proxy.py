"""The proxy in front of hub and servers: slow answers, and many of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.hub
SLOW = 30


@pytest.fixture
def patient() -> Iterator[Any]:
    """The proxy's HTTP client, configured as the proxy does."""
    from tornado.httpclient import AsyncHTTPClient

    from kernelpod.hub.proxy import be_patient

    saved = AsyncHTTPClient._save_configuration()
    be_patient()
    yield AsyncHTTPClient
    AsyncHTTPClient._restore_configuration(saved)


async def test_many_slow_starts_do_not_block_a_quick_answer(patient: Any) -> None:
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    waiting, go = [], asyncio.Event()

    class Slow(RequestHandler):
        async def get(self) -> None:
            waiting.append(self)
            await go.wait()

    class Quick(RequestHandler):
        def get(self) -> None:
            self.write("quick")

    server = HTTPServer(Application([("/slow", Slow), ("/quick", Quick)]))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    client = patient(force_instance=True)
    starts = [asyncio.ensure_future(client.fetch(f"{url}/slow")) for _ in range(SLOW)]
    assert (await asyncio.wait_for(client.fetch(f"{url}/quick"), 20)).body == b"quick"
    go.set()
    await asyncio.gather(*starts)
    assert len(waiting) == SLOW
    client.close()
    server.stop()


def test_a_start_may_take_longer_than_twenty_seconds(patient: Any) -> None:
    assert patient(force_instance=True).defaults["request_timeout"] > 60
