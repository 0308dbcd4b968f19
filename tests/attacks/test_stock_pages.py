"""What advisories about the jupyter_server below Enterprise Gateway name: the gateway has none of it.

docs/supply-chain.md answers them one by one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, stream_request_body

pytest.importorskip("enterprise_gateway", reason="the hub's environment has no gateway")
from kernelpod.gateway.app import log_request
from kernelpod.gateway.handlers import ROUTES, KernelActionPage, KernelPage, KernelsPage

# Only these modules of jupyter_server have code below a page, and not those of logins, files, contents, nbconvert,
# static files, terminals and sessions.
BASES = {"jupyter_server.base.handlers", "jupyter_server.services.kernels.handlers"}
PAGES = [
    "/login?next=//evil.example",
    "/login?next=https:evil.example",
    "/logout?next=//evil.example",
    "/tree?next=//evil.example",
    "/%2F%2Fevil.example/%2e%2e",
    "//evil.example/",
    "/files/notes.txt",
    "/view/notes.txt",
    "/api/contents/notes.txt",
    "/api/contents/..%2Fkernelpod2/secret.txt",
    "/nbconvert/html/notes.ipynb",
    "/nbconvert/html?download=true",
    "/static/%5C%5Cevil.example%5Cshare",
    "/custom/custom.css",
    "/api/sessions",
    "/api/terminals",
    "/api/config/notebook",
    "/api/spec.yaml",
    "/api/me",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_user_cannot_reach_a_page_of_jupyter_server(site: Any, path: str) -> None:
    for method in ("GET", "POST"):
        answer = site.alice.ask(method, path, allow_redirects=False)
        assert (answer.status_code, answer.json()["code"]) == (404, "page_not_found")
        assert "evil" not in answer.text
        assert not {"Location", "Set-Cookie", "Access-Control-Allow-Origin"} & set(answer.headers)


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_cannot_even_learn_that(site: Any, path: str) -> None:
    answer = site.by(None).ask("GET", path, allow_redirects=False, headers={"Cookie": "username-127-0-0-1=alice"})
    assert answer.status_code == 401
    assert not {"Location", "Set-Cookie"} & set(answer.headers)


def test_a_foreign_site_cannot_read_an_answer(site: Any) -> None:
    answer = site.alice.ask("GET", "/api/kernels", headers={"Origin": "https://localhost.evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_no_page_has_other_code_of_jupyter_server() -> None:
    bases = {base.__module__ for _, page in ROUTES for base in page.__mro__}
    assert {one for one in bases if one.startswith("jupyter_server")} == BASES


@pytest.fixture
async def broken() -> Any:
    """A server whose pages fail as nothing foresaw, with the gateway's own way to answer and to log."""

    def pages() -> Iterator[tuple[str, Any]]:
        for page in (KernelsPage, KernelPage, KernelActionPage):

            async def fail(self: Any) -> None:
                raise RuntimeError("/srv/a-path")

            yield f"/{page.__name__}", stream_request_body(type(page.__name__, (page,), {"prepare": fail}))

    services = SimpleNamespace(audit=SimpleNamespace(write=lambda *_, **__: None))
    application = Application(list(pages()), log_function=log_request, kernelpod=services)
    server, sockets = HTTPServer(application), bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server.stop()
    await server.close_all_connections()


@pytest.mark.parametrize("page", ["KernelsPage", "KernelPage", "KernelActionPage"])
async def test_a_user_cannot_get_a_traceback_nor_a_reader_of_logs_a_token(
    broken: str, page: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = {"Referer": "http://hub/lab?token=s3cret", "Cookie": "token=s3cret", "User-Agent": "s3cret"}
    answer = await AsyncHTTPClient().fetch(f"{broken}/{page}", headers=told, raise_error=False)
    assert (answer.code, json.loads(answer.body)["code"]) == (500, "internal")
    assert b"a-path" not in answer.body
    assert b"Traceback" not in answer.body
    assert "/srv/a-path" in caplog.text
    assert "s3cret" not in caplog.text
