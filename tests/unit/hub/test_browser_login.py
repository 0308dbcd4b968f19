"""The smoke test's browser at a real hub, of the version of this environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
import requests

from doubles import eventually
from hubs import ended
from ports import free_port

pytestmark = pytest.mark.hub

# Browsers talk to the hub itself: what is tried here needs no proxy.
CONFIG = """\
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {{}}

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.base_url = {base!r}
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.db_url = "sqlite:///:memory:"
c.Authenticator.allowed_users = {{"alice"}}
c.DummyAuthenticator.password = "secret"
"""


@pytest.fixture(params=["/", "/jupyter/"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a running hub."""
    port = free_port()
    (tmp_path / "config.py").write_text(CONFIG.format(port=port, base=request.param), encoding="utf-8")
    words = [sys.executable, "-m", "jupyterhub", "--config", "config.py"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    made = f"http://127.0.0.1:{port}{request.param}".rstrip("/")

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
        try:
            return requests.get(f"{made}/hub/health", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    try:
        eventually(answers)
        yield made
    finally:
        ended(process)


def test_after_a_login_the_hub_takes_what_the_page_posts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterHub 5.2 binds the token against forged requests to the login, and tells it with the next page."""
    monkeypatch.setitem(sys.modules, "websocket", ModuleType("websocket"))
    from kernelpod.demo.client import Browser

    with closing(Browser(url, "alice")) as browser:
        browser.login("secret")
        assert not browser.has_server()
        made = browser.hub("POST", "/users/alice/tokens", {"note": "mine"}, ok=(200, 201))
        assert made.json()["note"] == "mine"
