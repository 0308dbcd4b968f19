"""Every example of hub/databases at a real hub and, but for SQLite, at a real server."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import yaml
from servers import EXAMPLES, PASSWORD, MariaDB, PostgreSQL, Server

from hubs import LIGHT_SERVER, Browser, Hub, cleaned, start_server
from ports import free_port

LOGIN = "only for this test"
# MariaDB's own default takes the first two for one name, and the two emojis as well.
NAMES = ["ünal", "unal", "\N{PANDA FACE}", "\N{BEAR FACE}", "a" * 255]


def sections(name: str, folder: Path) -> dict[str, Any]:
    """Return an example of hub/databases, with a login and light servers; SQLite's file is in a folder."""
    given: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    if name == "sqlite":
        given["JupyterHub"]["db_url"] = given["JupyterHub"]["db_url"].replace("/srv/jupyterhub", str(folder))
    given["JupyterHub"]["authenticator_class"] = "dummy"
    given["Authenticator"] = {"allow_all": True, "admin_users": ["alice"]}
    given["DummyAuthenticator"] = {"password": {"from_env": "LOGIN"}}
    given["SimpleLocalProcessSpawner"] = {
        "cmd": LIGHT_SERVER,
        "home_dir_template": str(folder / "homes" / "{username}"),
    }
    return given


@dataclass
class Running:
    """A hub, and the server of its database unless it is a file."""

    hub: Hub
    server: Server | None

    def ask(self, method: str, path: str, token: str, **options: Any) -> requests.Response:
        """Return what the hub's API answers."""
        headers = {"Authorization": f"token {token}"}
        return requests.request(method, f"{self.hub.url}/hub/api{path}", headers=headers, timeout=30, **options)


@pytest.fixture(scope="module", params=["sqlite", MariaDB, PostgreSQL], ids=["sqlite", "mariadb", "postgresql"])
def running(request: Any, tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Running]:
    """A hub of each kind."""
    folder = tmp_path_factory.mktemp("databases")
    with contextlib.ExitStack() as stack:
        server = None
        if request.param != "sqlite":
            need(request.param.program, request.param.__name__, f"apt-get install {request.param.package}")
            server = stack.enter_context(request.param())
        name = request.param.__name__.lower() if server else "sqlite"
        url = {"HUB_DATABASE_URL": server.url()} if server else {}
        hub = Hub(folder / "hub", sections(name, folder), LOGIN=LOGIN, **url)
        stack.enter_context(cleaned(folder))
        stack.enter_context(hub)
        yield Running(hub, server)


def a_token(browser: Browser) -> str:
    """Return a new token of alice, who is logged in."""
    made = browser.call("POST", "/users/alice/tokens", json={})
    assert made.status_code == 201, made.text
    return str(made.json()["token"])


def test_users_tokens_and_servers_outlive_a_hub_that_is_killed(running: Running) -> None:
    hub = running.hub
    with Browser(hub) as browser:
        browser.submit(username="alice", password=LOGIN)
        token = a_token(browser)
        assert running.ask("POST", "/users", token, json={"usernames": NAMES}).status_code == 201
        start_server(browser, "alice")
        os.kill(hub.process.pid, signal.SIGKILL)
        hub.process.wait(timeout=10)
        hub.__enter__()
        assert browser.user == "alice"
    known = {user["name"]: user for user in running.ask("GET", "/users", token).json()}
    assert set(known) == {"alice", *NAMES}
    assert known["alice"]["server"] == "/user/alice/"
    assert requests.get(f"{hub.url}/user/alice/api", timeout=30).status_code == 200


def test_names_with_umlauts_and_emojis_log_in_as_themselves(running: Running) -> None:
    for name in NAMES:
        with Browser(running.hub) as browser:
            browser.submit(username=name, password=LOGIN)
            assert browser.user == name


def test_a_hub_whose_database_was_away_goes_on(running: Running) -> None:
    if running.server is None:
        pytest.skip("a file does not go away")
    hub = running.hub
    with Browser(hub) as browser:
        browser.submit(username="alice", password=LOGIN)
        token = a_token(browser)
        running.server.stop()
        try:
            # As docs/databases.md says.
            assert running.ask("GET", "/users", token).status_code == 403
            assert browser.user is None
            assert browser.submit(username="bob", password=LOGIN).status_code == 500
            assert requests.get(f"{hub.url}/user/alice/api", timeout=30).status_code == 200
            assert requests.get(f"{hub.url}/hub/health", timeout=30).status_code == 200
        finally:
            running.server.start()
        assert running.ask("GET", "/users", token).status_code == 200
        assert browser.user == "alice"
        assert hub.process.poll() is None


def test_with_the_wrong_password_no_hub_starts(running: Running, tmp_path: Path) -> None:
    if running.server is None:
        pytest.skip("a file has no password")
    given, server = sections(type(running.server).__name__.lower(), tmp_path), running.server
    hub = Hub(tmp_path / "hub", given, LOGIN=LOGIN, HUB_DATABASE_URL=server.url("not/her:own@"))
    with pytest.raises(AssertionError), hub:
        pass
    assert hub.process.returncode == 1
    place = f"{server.scheme}://jupyterhub:[redacted]@127.0.0.1:{server.port}/jupyterhub"
    assert f"Failed to connect to db: {place}" in hub.log
    assert "Traceback" not in hub.log
    for part in ("not/her", "not%2Fher", "her%3Aown"):
        assert part not in hub.log


def test_without_its_database_no_hub_starts(running: Running, tmp_path: Path) -> None:
    if running.server is None:
        pytest.skip("a file is always there")
    given, server = sections(type(running.server).__name__.lower(), tmp_path), running.server
    nowhere = server.url().replace(f":{server.port}/", f":{free_port()}/")
    hub = Hub(tmp_path / "hub", given, LOGIN=LOGIN, HUB_DATABASE_URL=nowhere)
    with pytest.raises(AssertionError), hub:
        pass
    assert hub.process.returncode == 1
    assert "Failed to connect to db: " in hub.log
    assert quote(PASSWORD, safe="") not in hub.log


def test_the_password_is_in_no_log(running: Running) -> None:
    for text in (PASSWORD, quote(PASSWORD, safe="")):
        assert text not in running.hub.log
