"""HTTPS of hub/https: the proxy with certificate files, and nginx in front."""

from __future__ import annotations

import contextlib
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from nginx import NGINX, WebServer
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from certificates import certificates
from doubles import eventually
from hubs import CHECKOUT, LIGHT_SERVER, Browser, Hub, cleaned, start_server
from ports import free_port

EXAMPLES = CHECKOUT / "hub" / "https"
LOGIN = "only for this test"


def sections(folder: Path) -> dict[str, Any]:
    """Return a hub whose users start light servers."""
    return {
        "JupyterHub": {"authenticator_class": "dummy"},
        "Authenticator": {"allow_all": True},
        "DummyAuthenticator": {"password": {"from_env": "LOGIN"}},
        "SimpleLocalProcessSpawner": {"cmd": LIGHT_SERVER, "home_dir_template": f"{folder}/homes/{{username}}"},
    }


@contextlib.contextmanager
def with_files(folder: Path, **environment: str) -> Iterator[Hub]:
    """A hub as hub/https/files.yaml says."""
    given = yaml.safe_load((EXAMPLES / "files.yaml").read_text(encoding="utf-8"))["JupyterHub"]
    assert sorted(given) == ["ssl_cert", "ssl_key"]
    shutil.copy(folder / "server.pem", folder / "tls.crt")
    shutil.copy(folder / "server.key", folder / "tls.key")
    whole = sections(folder)
    whole["JupyterHub"] |= {key: str(folder / Path(place).name) for key, place in given.items()}
    hub = Hub(folder / "hub", whole, LOGIN=LOGIN)
    hub.url = hub.environment["TEST_HUB_URL"] = hub.url.replace("http:", "https:")
    hub.verify = str(folder / "ca.pem")
    with cleaned(folder), hub:
        yield hub


@contextlib.contextmanager
def behind_nginx(folder: Path) -> Iterator[WebServer]:
    """A hub behind nginx as hub/https/nginx.conf says; only addresses are others."""
    (folder / "nginx").mkdir()
    with cleaned(folder), Hub(folder / "hub", sections(folder), LOGIN=LOGIN) as hub:
        text, plain, secure = (EXAMPLES / "nginx.conf").read_text(encoding="utf-8"), free_port(), free_port()
        for old, new in {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen 443 ssl;": f"listen 127.0.0.1:{secure} ssl;",
            "/etc/nginx/tls/tls.crt": f"{folder}/server.pem",
            "/etc/nginx/tls/tls.key": f"{folder}/server.key",
            "http://192.0.2.20:8000": hub.url,
        }.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        server = WebServer(folder / "nginx", f"https://127.0.0.1:{secure}", text)
        server.verify = str(folder / "ca.pem")
        with server:
            answer = requests.get(f"http://127.0.0.1:{plain}/hub/x?y=z", timeout=60, allow_redirects=False)
            assert (answer.status_code, answer.headers["Location"]) == (301, "https://127.0.0.1/hub/x?y=z")
            yield server


@pytest.fixture(scope="module", params=["files", "nginx"])
def front(request: Any, tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Any]:
    """What browsers talk to, by HTTPS."""
    folder = tmp_path_factory.mktemp("https")
    certificates(folder)
    if request.param == "nginx":
        need(NGINX.exists(), "nginx", "apt-get install --no-install-recommends nginx-light")
    with (with_files if request.param == "files" else behind_nginx)(folder) as running:
        yield running


def test_a_login_gets_cookies_that_are_sent_by_https_only(front: Any) -> None:
    with Browser(front) as browser:
        browser.submit(username="alice", password=LOGIN)
        assert browser.user == "alice"
        cookies = [cookie for cookie in browser.cookies if cookie.name != "_xsrf"]
        assert cookies
        assert all(cookie.secure for cookie in cookies), cookies


def test_whom_the_authority_is_unknown_to_is_not_let_in(front: Any) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{front.url}/hub/login", timeout=60)


async def test_pages_and_websockets_of_servers_know_what_the_browser_speaks(front: Any) -> None:
    with Browser(front) as browser:
        browser.submit(username="alice", password=LOGIN)
        start_server(browser, "alice")
        assert browser.get("/user/alice/page").text == "https"
    trust = ssl.create_default_context(cafile=front.verify)
    url = front.url.replace("https:", "wss:") + "/user/alice/echo"
    socket = await websocket_connect(HTTPRequest(url, ssl_options=trust, request_timeout=60))
    assert await socket.read_message() == "https"
    await socket.write_message("\N{PANDA FACE}" * 10_000)
    assert await socket.read_message() == "\N{PANDA FACE}" * 10_000
    socket.close()
    assert await socket.read_message() is None  # it is closed before the test ends


def connected(url: str) -> tuple[str, int]:
    place = urlsplit(url)
    return str(place.hostname), int(place.port or 443)


@pytest.mark.parametrize("front", ["files"], indirect=True)
def test_a_certificate_that_is_renewed_is_used_without_a_restart(front: Hub, tmp_path: Path) -> None:
    before = ssl.get_server_certificate(connected(front.url))
    certificates(tmp_path)
    shutil.copy(tmp_path / "server.pem", front.folder.parent / "tls.crt")
    shutil.copy(tmp_path / "server.key", front.folder.parent / "tls.key")
    eventually(lambda: ssl.get_server_certificate(connected(front.url)) != before, 100, what="the new one is used")
    assert front.process.poll() is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ssl-key", "k"], "--ssl-key needs --ssl-cert"),
        (["--ssl-cert", "/nowhere/c"], "certificate /nowhere/c and key None cannot be used"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from kernelpod.hub.proxy import with_https

    with pytest.raises(SystemExit):
        with_https(words)
    assert said in capsys.readouterr().err
