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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ssl-key=/k"], "--ssl-key needs --ssl-cert"),
        (["--api-ssl-key=/k"], "--api-ssl-key needs --api-ssl-cert"),
        (["--client-ssl-ca=/a"], "--client-ssl-key needs --client-ssl-cert"),
        (["--api-ssl-cert=/c", "--api-ssl-key=/k"], "--api-ssl-cert needs --api-ssl-ca"),
        (["--client-ssl-cert=/c"], "--client-ssl-cert needs --client-ssl-ca"),
        (
            ["--client-ssl-cert=/c", "--client-ssl-key=/k", "--client-ssl-ca=/a"],
            "certificate /c and key /k cannot be used",
        ),
    ],
)
def test_half_a_certificate_stops_the_proxy(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would serve or ask without checking anybody."""
    from kernelpod.hub.proxy import with_https

    with pytest.raises(SystemExit):
        with_https([*words, "--port=1"])
    assert said in capsys.readouterr().err


def test_when_a_route_was_used_is_told_in_utc_wherever_the_proxy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub takes it for UTC; by the clock on the wall an idle server would be active for hours to come."""
    import time
    from datetime import datetime, timedelta, timezone

    from kernelpod.hub.proxy import UtcProxy

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        proxy = UtcProxy({})
        proxy.add_route("/user/alice", {"target": "http://127.0.0.1:1"})
        used = proxy.get_routes()["/user/alice"]["last_activity"]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs(datetime.now(timezone.utc).replace(tzinfo=None) - used) < timedelta(minutes=5)
    proxy.update_last_activity("/user/nobody")
