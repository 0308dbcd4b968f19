"""TLS between hub, proxy, servers and gateway with what `deploy` makes: a real hub with a real server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import SecretStr

from doubles import eventually
from hubs import Browser, Hub, start_server
from kernelpod.deploy import internaltls, overlay, tlssecrets
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.hubs import Hub as SettingsHub
from kernelpod.settings.sections import Settings
from podspawner import a_spawner
from ports import free_port

pytestmark = [pytest.mark.hub, pytest.mark.timeout(180)]
PASSWORD, TOKEN = "only for this test", "5e" * 32
CULLER = {"name": "culler", "command": [sys.executable, "-m", "kernelpod.hub.culler", "0", "--cull-every=1"]}
DEPLOYMENT = Deployment.model_validate(
    {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}, "internal_tls": True}
)


def empty(command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
    """Stand in for kubectl in an empty cluster."""
    return subprocess.CompletedProcess(command, 0, "", "")


@dataclass
class Inside:
    """A hub with what `deploy` makes for it, and the files of its deployment's gateway."""

    folder: Path
    hub: Hub = field(init=False)

    @property
    def store(self) -> Path:
        """The folder of the certificates that the hub makes."""
        return self.folder / "store"

    def prepare(self, **traits: Any) -> None:
        """Write the Secrets of an empty cluster as files, and the hub's configuration."""
        settings = Settings.model_validate({"servers": {"gateway_url": "https://localhost:8888"}})
        cluster = Cluster(("kubectl",), ("helm",), run=empty)
        for secret in tlssecrets.plan(cluster, DEPLOYMENT, settings, datetime.now(timezone.utc)):
            place = self.folder / secret.namespace
            place.mkdir(exist_ok=True)
            for name, value in secret.values.items():
                (place / name).write_text(value, encoding="utf-8")
                (place / name).chmod(0o440)  # as in a Secret
        text = json.dumps(internaltls.hub_traits(DEPLOYMENT.hubs()[0])["JupyterHub"])
        text = text.replace(internaltls.PLACE, str(self.folder / "hub"))
        hub = {
            **json.loads(text.replace(internaltls.CERTIFICATES, str(self.store))),
            "authenticator_class": "dummy",
            **traits,
            "services": [CULLER, {"name": "kernelpod", "api_token": TOKEN}],
            "load_roles": [
                {
                    "name": "cull",
                    "services": ["culler"],
                    "scopes": ["list:users", "read:servers", "delete:servers"],
                }
            ],
        }
        sections = {
            "JupyterHub": hub,
            "Authenticator": {"allowed_users": ["alice", "bob"]},
            "DummyAuthenticator": {"password": PASSWORD},
            "SimpleLocalProcessSpawner": {"home_dir_template": f"{self.folder}/homes/{{username}}"},
            "Spawner": {
                "cmd": [str(Path(sys.executable).with_name("jupyterhub-singleuser"))],
                "args": ["--allow-root"],
                "http_timeout": 60,
            },
        }
        self.hub = Hub(self.folder / "h", sections)
        proxy = self.hub.environment["TEST_HUB_PROXY_API"].replace("http:", "https:")
        self.hub.environment |= {"TEST_HUB_PROXY_API": proxy, "JUPYTER_PLATFORM_DIRS": "1"}

    @property
    def api(self) -> str:
        """The hub's API, not through the proxy."""
        return f"{self.hub.inner_url.replace('http:', 'https:')}/hub/api"

    def of_gateway(self, **changes: Any) -> SettingsHub:
        """Return the hub as the gateway's settings have it."""
        text = json.dumps(internaltls.hub_settings(DEPLOYMENT.hubs()[0]))
        files = json.loads(text.replace(internaltls.PLACE, str(self.folder / "gateway")))
        return SettingsHub.model_validate({**files, "api_url": self.api, **changes})

    def server(self) -> tuple[str, int]:
        """Return where alice's server listens."""
        routes = requests.get(
            f"{self.hub.environment['TEST_HUB_PROXY_API']}/api/routes",
            headers={"Authorization": f"token {PROXY_TOKEN}"},
            timeout=60,
            **self.as_hub(),
        ).json()
        place = urlsplit(next(one["target"] for path, one in routes.items() if path.startswith("/user/alice")))
        assert place.scheme == "https"
        return str(place.hostname), int(place.port or 0)

    def as_hub(self) -> dict[str, Any]:
        """Return what a request of the hub's is made with."""
        return self.shown("hub-internal", "hub-ca")

    def shown(self, name: str, trust: str) -> dict[str, Any]:
        """Return what a request with a certificate of the store is made with."""
        files = (str(self.store / name / f"{name}.crt"), str(self.store / name / f"{name}.key"))
        return {"cert": files, "verify": str(self.store / f"{trust}_trust.crt")}


PROXY_TOKEN = "7a" * 32


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A hub with TLS inside, at which alice has a server."""
    made = Inside(tmp_path_factory.mktemp("inside"))
    made.prepare()
    made.hub.environment["CONFIGPROXY_AUTH_TOKEN"] = PROXY_TOKEN
    with made.hub:
        yield made


@pytest.fixture(scope="module")
def alice(inside: Inside) -> Iterator[Browser]:
    """Alice's browser; her server runs."""
    with Browser(inside.hub) as browser:
        browser.submit(username="alice", password=PASSWORD)
        start_server(browser, "alice")
        yield browser
        browser.call("DELETE", "/users/alice/server")


def test_a_hub_takes_all_that_deploy_writes_without_a_warning(tmp_path: Path) -> None:
    from kernelpod.hub.configfile.traits import check_traits

    (file := tmp_path / "config.yaml").write_text(
        overlay.hub_overlay(DEPLOYMENT.hubs()[0], "{}", [])["config.yaml"], encoding="utf-8"
    )
    assert internaltls.CERTIFICATES in file.read_text(encoding="utf-8")
    assert check_traits(file) == []


def test_the_hub_changes_no_file_of_the_secret(inside: Inside) -> None:
    """It could not, as a Secret is mounted read-only, and would not start."""
    files = [*(inside.folder / "hub").iterdir()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o440}
    copies = inside.store.with_name(f"{inside.store.name}-authorities")
    assert copies.stat().st_mode & 0o777 == 0o700
    assert len([*copies.iterdir()]) == len(files)


def test_a_user_reaches_their_server_and_the_server_the_hub(inside: Inside, alice: Browser) -> None:
    """The page is shown after the server has asked the hub who the browser is."""
    page = alice.get("/user/alice/lab")
    assert (page.status_code, urlsplit(page.url).path) == (200, "/user/alice/lab"), page.text[:2000]
    assert alice.get("/user/alice/api/status").json()["kernels"] == 0


def reached(browser: Browser) -> bool:
    """Return whether alice's server answers, and not the hub in its place."""
    return browser.get("/user/alice/api/status", allow_redirects=False).status_code == 200


def test_servers_go_on_when_the_hub_starts_again_and_makes_its_certificates_anew(tmp_path: Path) -> None:
    """As in its next pod: the folder of its certificates is another one, the Secret is the same."""
    made = Inside(tmp_path)
    made.prepare(cleanup_servers=False)
    try:
        with made.hub:
            browser = Browser(made.hub)
            browser.submit(username="alice", password=PASSWORD)
            start_server(browser, "alice")
            assert browser.get("/user/alice/lab").ok
            assert reached(browser)
        config = made.hub.folder / "config.yaml"
        text = config.read_text(encoding="utf-8").replace(str(made.store), f"{made.store}-of-next")
        config.write_text(text, encoding="utf-8")
        with made.hub, browser:
            eventually(lambda: reached(browser), what="the server is reached")
    finally:
        with contextlib.closing(sqlite3.connect(tmp_path / "h" / "jupyterhub.sqlite")) as database:
            states = [json.loads(state) for (state,) in database.execute("SELECT state FROM spawners") if state]
        for state in states:
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(state["pid"], signal.SIGKILL)


def test_the_page_of_a_server_that_is_gone_is_the_hubs(inside: Inside) -> None:
    """The proxy asks the hub for it."""
    url = f"{inside.hub.environment['TEST_HUB_PROXY_API']}/api/routes/gone"
    headers = {"Authorization": f"token {PROXY_TOKEN}"}
    target = {"target": f"https://127.0.0.1:{free_port()}"}
    assert requests.post(url, json=target, timeout=60, headers=headers, **inside.as_hub()).status_code == 201
    page = requests.get(f"{inside.hub.url}/gone/", timeout=60)
    assert (page.status_code, "<title>JupyterHub</title>" in page.text) == (503, True), page.text[:500]


async def test_websockets_reach_the_server(inside: Inside, alice: Browser) -> None:
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    url = f"{inside.hub.url.replace('http', 'ws')}/user/alice/api/events/subscribe"
    alice.get("/user/alice/lab")
    cookie = "; ".join(f"{one.name}={one.value}" for one in alice.cookies if one.path == "/user/alice/")
    socket = await websocket_connect(HTTPRequest(url, headers={"Cookie": cookie}, request_timeout=60))
    socket.close()
    assert await socket.read_message() is None  # it is closed before the test ends


async def test_the_gateway_asks_the_hub(inside: Inside) -> None:
    from kernelpod.gateway.hubclient import ask_hub

    answer = await ask_hub(inside.of_gateway(), SecretStr(TOKEN))
    assert (answer.status, json.loads(answer.body)["name"]) == (200, "kernelpod")


def test_an_admins_command_shows_the_certificate(inside: Inside) -> None:
    from kernelpod.hub.restapi import Api, NotDoneError

    hub, token = inside.of_gateway(), SecretStr(TOKEN)
    shown = Api("the hub", hub.api_url, token, hub.ca_file, (hub.cert_file, hub.key_file))
    assert shown.ask("GET", "/user")["name"] == "kernelpod"
    with pytest.raises(NotDoneError, match="does not answer"):
        Api("the hub", hub.api_url, token, hub.ca_file).ask("GET", "/user")


def test_the_culler_asks_the_hub(inside: Inside) -> None:
    eventually(lambda: "200 GET /hub/api/users" in inside.hub.log, what="the culler has asked for users")


async def test_a_stranger_cannot_ask_the_hub_without_a_certificate(inside: Inside) -> None:
    """Nor with one that another authority has signed."""
    from kernelpod.gateway.hubclient import ask_hub
    from kernelpod.start.hubanswers import HubSilentError

    (inside.folder / "other").mkdir()
    stranger = Inside(inside.folder / "other")
    stranger.prepare()
    theirs = stranger.folder / "gateway"
    for certificate, key in ((None, None), (theirs / "tls.crt", theirs / "tls.key")):
        with pytest.raises(HubSilentError):
            await ask_hub(inside.of_gateway(cert_file=certificate, key_file=key), SecretStr(TOKEN))


def test_a_stranger_cannot_speak_http_to_the_hub(inside: Inside) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{inside.hub.inner_url}/hub/api", timeout=60)


async def test_a_student_cannot_pose_as_the_hub_with_the_certificate_of_their_server(
    inside: Inside, alice: Browser
) -> None:
    """They can read its key. It is for the same host here, as all are on loopback."""
    from kernelpod.gateway.hubclient import ask_hub
    from kernelpod.start.hubanswers import HubSilentError

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (certificate, key), _ = inside.shown("user-alice", "notebooks-ca").values()
    context.load_cert_chain(certificate, key)
    with posing(context) as (port, heard), pytest.raises(HubSilentError):
        await ask_hub(inside.of_gateway(api_url=f"https://127.0.0.1:{port}/hub/api"), SecretStr(TOKEN))
    assert TOKEN not in "".join(heard)


@contextlib.contextmanager
def posing(context: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    """Listen with a certificate, and yield the port and what was heard there."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)

        def answer() -> None:
            try:
                with listening.accept()[0] as plain, context.wrap_socket(plain, server_side=True) as told:
                    heard.append(told.recv(65536).decode())
            except OSError as error:
                heard.append(str(error))

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1], heard
        thread.join(20)


def test_a_student_cannot_open_anothers_server_with_the_certificate_of_their_own(
    inside: Inside, alice: Browser
) -> None:
    """Here it is alice's own that is refused: servers trust the hub and the proxy, and no server."""
    host, port = inside.server()
    url = f"https://{host}:{port}/user/alice/api"
    trust = str(inside.store / "hub-ca_trust.crt")
    assert requests.get(url, timeout=60, **inside.as_hub()).status_code == 200
    own = inside.shown("user-alice", "hub-ca")
    for shown in (own, {"verify": trust}):
        with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
            requests.get(url, timeout=60, **shown)
    with pytest.raises(requests.ConnectionError):
        requests.get(url.replace("https:", "http:"), timeout=60)


def test_a_stranger_cannot_set_routes_without_a_certificate(inside: Inside) -> None:
    url = f"{inside.hub.environment['TEST_HUB_PROXY_API']}/api/routes"
    headers = {"Authorization": f"token {PROXY_TOKEN}"}
    assert requests.get(url, timeout=60, headers=headers, **inside.as_hub()).status_code == 200
    verify = inside.as_hub()["verify"]
    with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
        requests.get(url, timeout=60, headers=headers, verify=verify)
    with pytest.raises(requests.ConnectionError):
        requests.get(url.replace("https:", "http:"), timeout=60, headers=headers)


def test_a_student_cannot_make_servers_of_pods_trust_their_own(
    inside: Inside, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in a pod's Secret is what the store says servers trust, and the gateway's authority on its own."""
    spawner = a_spawner(monkeypatch, Settings())
    certificate, key = inside.shown("user-alice", "hub-ca")["cert"]
    trust = (inside.store / "notebooks-ca_trust.crt").read_text(encoding="utf-8")
    authority = inside.folder / "hub" / internaltls.GATEWAY_AUTHORITY
    spawner.cert_paths = {
        "keyfile": key,
        "certfile": certificate,
        "cafile": str(inside.store / "notebooks-ca_trust.crt"),
    }
    spawner.internal_trust_bundles = {"hub-ca": str(inside.store / "hub-ca_trust.crt")}
    spawner.gateway_ca_file = str(authority)
    data = spawner.get_secret_manifest({}).data
    found = {name: b64decode(value).decode() for name, value in data.items()}
    assert sorted(found) == ["gateway-ca.crt", "notebooks-ca_trust.crt", "ssl.crt", "ssl.key"]
    assert found["notebooks-ca_trust.crt"] == trust
    assert found["gateway-ca.crt"] == authority.read_text(encoding="utf-8")
    assert (inside.folder / "hub" / "notebooks-ca.crt").read_text(encoding="utf-8") not in trust


def test_a_server_trusts_the_gateway_and_a_student_cannot_pose_as_it(inside: Inside, alice: Browser) -> None:
    """Although their server's certificate is for the same host here."""
    authority = str(inside.folder / "hub" / internaltls.GATEWAY_AUTHORITY)
    ours = (inside.folder / "gateway/tls.crt", inside.folder / "gateway/tls.key")
    for (certificate, key), trusted in ((ours, True), (inside.shown("user-alice", "hub-ca")["cert"], False)):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        # Nobody answers to the request, which is only sent to who is trusted.
        with posing(context) as (port, heard), pytest.raises(requests.ConnectionError):
            requests.get(f"https://localhost:{port}/", headers={"X": TOKEN}, timeout=60, verify=authority)
        assert (TOKEN in "".join(heard)) == trusted
