"""Hosts of servers: what the proxy makes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

pytestmark = pytest.mark.hub
HUB_URL = "http://hub.example.org:8000"


@pytest.fixture
async def asked(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A function that asks the proxy for a page of a host and returns status, text and Location."""
    from configurable_http_proxy import configproxy
    from tornado.httpclient import AsyncHTTPClient
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.web import Application, RequestHandler

    from kernelpod.hub import proxy

    def serving(app: Any) -> str:
        server, sockets = HTTPServer(app), bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        servers.append(server)
        return f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    def answering(name: str) -> str:
        class Page(RequestHandler):
            def get(self) -> None:
                self.write(f"{name} {self.request.path}")

        return serving(Application([(".*", Page)]))

    servers: list[Any] = []
    monkeypatch.setattr(configproxy, "ProxyHandler", proxy.SamePathHandler)
    words = proxy.with_host_routing([f"--hub-url={HUB_URL}", "--host-routing", "--ip=127.0.0.1"])
    assert words == ["--ip=127.0.0.1", "--host-routing=1"]
    made = proxy.UtcProxy({"host_routing": True})
    made.add_route("/", {"target": answering("hub")})
    made.add_route("/alice.hub.example.org/user/alice", {"target": answering("alice")})
    url = serving(made.proxy_app)

    async def ask(host: str, path: str) -> tuple[int, str, str]:
        headers = {"Host": host}
        client = AsyncHTTPClient()
        answer = await client.fetch(f"{url}{path}", headers=headers, follow_redirects=False, raise_error=False)
        return answer.code, answer.body.decode(), answer.headers.get("Location", "")

    yield ask
    proxy.with_host_routing([])
    for server in servers:
        server.stop()


@pytest.mark.parametrize(
    ("host", "path", "status", "text"),
    [
        ("hub.example.org:8000", "/hub/login", 200, "hub /hub/login"),
        ("10.0.0.1:8000", "/hub/health", 200, "hub /hub/health"),
        ("hub.example.org:8000", "/user/alice/lab", 200, "hub /user/alice/lab"),
        ("alice.hub.example.org:8000", "/user/alice/lab", 200, "alice /user/alice/lab"),
        ("ALICE.hub.example.org", "/user/alice/a%40b", 200, "alice /user/alice/a%40b"),
        ("alice.hub.example.org", "/hub/login?next=x", 302, f"{HUB_URL}/hub/login?next=x"),
        ("alice.hub.example.org", "//hub/login", 302, f"{HUB_URL}//hub/login"),
        ("bob.hub.example.org", "/user/alice/lab", 302, f"{HUB_URL}/user/alice/lab"),
        ("nothub.example.org", "/hub/login", 200, "hub /hub/login"),
    ],
)
async def test_the_hub_has_no_page_on_the_hosts_of_servers(
    asked: Any, host: str, path: str, status: int, text: str
) -> None:
    code, said, location = await asked(host, path)
    assert (code, location or said) == (status, text)


def test_without_subdomains_the_arguments_are_the_same() -> None:
    from kernelpod.hub import proxy

    assert proxy.with_host_routing(["--hub-url=http://x", "--ip=127.0.0.1"]) == ["--ip=127.0.0.1"]
    assert proxy.SamePathHandler.hub_url == ""
