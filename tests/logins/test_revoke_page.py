"""The page of a real hub on which admins revoke users, before a gateway that counts what it is asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
import requests
import yaml

from doubles import eventually
from hubs import LIGHT_SERVER, Browser, Hub, cleaned, example, start_server

PASSWORD = "only for this test"
ADMIN_PASSWORD = "only for the admins of this test, who need a long one"
PAGE = "/hub/kernelpod/revoke"
SCOPES = {"custom:kernelpod:admin", "access:services!service=kernelpod"}


class Gateway(ThreadingHTTPServer):
    """Knows what each user has, and asks the hub about tokens, as the gateway does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.hub_url = ""
        self.has: dict[str, int] = {}
        self.asked: list[tuple[str, str, str]] = []
        """Method, user, and who asked."""
        self.tokens: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Gateway

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        token = self.headers["Authorization"].removeprefix("token ")
        self.server.tokens.append(token)
        answer = requests.get(
            f"{self.server.hub_url}/hub/api/user", headers={"Authorization": f"token {token}"}, timeout=60
        )
        me = answer.json()
        assert set(me["scopes"]) >= SCOPES
        assert "tokens" not in me["scopes"]
        user = unquote(self.path.split("/")[3])
        self.server.asked.append((self.command, user, me["name"]))
        holdings = {"kernels": self.server.has.get(user, 0)}
        if self.command == "POST":
            self.server.has[user] = 0
        body = {"has": holdings} if self.command == "GET" else {"had": holdings, "left": {"kernels": 0}}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def hub(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub whose admins are carol and dave; only carol is in the role of those who revoke."""
    folder = tmp_path_factory.mktemp("revoking")
    settings = folder / "settings.yaml"
    settings.write_text(
        yaml.safe_dump(
            {"servers": {"gateway_url": gateway.url}, "audit": {"hub_file": str(folder / "audit.jsonl")}}
        ),
        encoding="utf-8",
    )
    sections = example("dummy")
    sections["Authenticator"]["admin_users"] = ["carol", "dave"]
    sections["SharedPasswordAuthenticator"]["admin_password"] = ADMIN_PASSWORD
    sections["JupyterHub"] = {
        **sections.get("JupyterHub", {}),
        "allow_named_servers": True,
        "load_roles": [{"name": "kernelpod-admin", "users": ["carol"]}],
    }
    sections["SimpleLocalProcessSpawner"] = {"home_dir_template": str(folder / "homes" / "{username}")}
    sections["Spawner"] = {"cmd": LIGHT_SERVER}
    environment = {"DEMO_PASSWORD": PASSWORD, "KERNELPOD_SETTINGS": str(settings)}
    with cleaned(folder), Hub(folder / "hub", sections, **environment) as made:
        gateway.hub_url = made.url
        yield made


@pytest.fixture
def alice(hub: Hub, gateway: Gateway) -> Iterator[Browser]:
    gateway.asked.clear()
    gateway.has["alice"] = 2
    with Browser(hub) as browser:
        browser.submit(username="alice", password=PASSWORD)
        yield browser


@pytest.fixture
def carol(hub: Hub) -> Iterator[Browser]:
    with Browser(hub) as browser:
        browser.submit(username="carol", password=ADMIN_PASSWORD)
        yield browser


def revoke(
    browser: Browser, user: str, *, place: str = PAGE, omit: bool = False, **form: str
) -> requests.Response:
    """Press the button of the page; with `omit`, the form does not say whom it is about."""
    page = browser.get(PAGE)
    if not page.ok:
        return page
    hidden = re.search(r'xsrf_token: "([^"]+)"', page.text)
    assert hidden, page.text
    about = {} if omit else {"user": user}
    return browser.post(place, data={**about, "_xsrf": hidden[1], **form})


def told(page: requests.Response) -> dict[str, tuple[str, int]]:
    """Return of each step its outcome and count."""
    assert page.status_code in (200, 502), page.text
    found = re.findall(r'data-step="(\w+)" data-outcome="(\w+)".*?<td[^>]*>(\d+)</td>', page.text, re.DOTALL)
    return {step: (outcome, int(count)) for step, outcome, count in found}


def test_the_page_tells_and_then_ends_what_a_user_has(
    hub: Hub, gateway: Gateway, alice: Browser, carol: Browser
) -> None:
    start_server(alice, "alice")
    token = alice.call("POST", "/users/alice/tokens", json={"note": "mine"}).json()["token"]
    shown = told(carol.get(f"{PAGE}?user=alice"))
    assert {step: outcome for step, (outcome, _) in shown.items()} == dict.fromkeys(
        ("logins", "tokens", "servers", "gateway"), "planned"
    )
    assert (shown["servers"][1], shown["gateway"][1]) == (1, 2)
    assert alice.user == "alice"
    ended = told(revoke(carol, "alice"))
    assert ended == {
        "logins": ("done", 1),
        "tokens": ("done", shown["tokens"][1]),
        "servers": ("done", 1),
        "gateway": ("done", 2),
    }
    assert gateway.asked[0] == ("GET", "alice", "carol")
    assert gateway.asked[-2:] == [("POST", "alice", "carol")] * 2
    assert alice.user is None
    headers = {"Authorization": f"token {token}"}
    assert requests.get(f"{hub.url}/hub/api/user", headers=headers, timeout=60).status_code == 403
    assert carol.call("GET", "/users/alice").json()["servers"] == {}


def test_the_token_for_the_gateway_ends_with_the_request(
    hub: Hub, gateway: Gateway, alice: Browser, carol: Browser
) -> None:
    assert alice.user == "alice"
    revoke(carol, "alice")
    headers = {"Authorization": f"token {gateway.tokens[-1]}"}
    assert requests.get(f"{hub.url}/hub/api/user", headers=headers, timeout=60).status_code == 403
    assert gateway.tokens[-1] not in hub.log


def last_line(hub: Hub) -> tuple[Any, ...]:
    """Return who has revoked whom last and how that ended, by the hub's audit log."""
    lines = (hub.folder.parent / "audit.jsonl").read_text(encoding="ascii").splitlines()
    told = [line for line in map(json.loads, lines) if line["action"] == "revoke"]
    return (told[-1]["who"]["name"], told[-1]["owner"]["name"], told[-1]["outcome"]) if told else ()


def test_the_audit_log_of_the_hub_tells_who_revoked_whom(hub: Hub, alice: Browser, carol: Browser) -> None:
    assert alice.user == "alice"
    revoke(carol, "alice")
    eventually(lambda: last_line(hub) == ("carol", "alice", "done"), what="the audit log tells")


def test_only_the_form_says_who_is_revoked(alice: Browser, carol: Browser) -> None:
    page = revoke(carol, "alice", place=f"{PAGE}?user=bob", omit=True)
    assert page.status_code == 400
    assert alice.user == "alice"


def test_a_name_that_nobody_has_is_said(carol: Browser) -> None:
    page = revoke(carol, "Nobody")
    assert "The hub has no user Nobody" in page.text
    assert "was revoked" not in page.text


def test_a_user_of_whom_the_hub_knows_nothing(gateway: Gateway, carol: Browser) -> None:
    gateway.has["gone"] = 1
    assert told(revoke(carol, "gone")) == {
        "logins": ("done", 0),
        "tokens": ("done", 0),
        "servers": ("done", 0),
        "gateway": ("done", 1),
    }


def test_what_a_name_holds_is_shown_as_text(carol: Browser) -> None:
    page = carol.get(PAGE, params={"user": "<script>alert(1)</script>"})
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


def test_a_gateway_that_is_away_is_said_and_the_rest_ends(
    hub: Hub, alice: Browser, carol: Browser, gateway: Gateway
) -> None:
    assert alice.user == "alice"
    gateway.hub_url, kept = "http://127.0.0.1:9", gateway.hub_url  # its answer never comes
    try:
        page = revoke(carol, "alice")
    finally:
        gateway.hub_url = kept
    assert page.status_code == 502
    assert told(page)["gateway"] == ("failed", 0)
    assert "Not everything that alice has is ended" in page.text
    eventually(lambda: last_line(hub) == ("carol", "alice", "failed"), what="the audit log tells")
    assert "the gateway at" in page.text
    assert "does not answer" in page.text
    assert "Revoke alice again" in page.text
    assert alice.user is None


def test_a_user_cannot_open_it(gateway: Gateway, alice: Browser) -> None:
    for page in (alice.get(PAGE), alice.get(f"{PAGE}?user=carol"), alice.post(PAGE, data={"user": "carol"})):
        assert page.status_code == 403
    assert gateway.asked == []


def test_an_admin_whom_the_gateway_does_not_know_is_told_what_is_missing(
    hub: Hub, gateway: Gateway, alice: Browser
) -> None:
    with Browser(hub) as dave:
        dave.submit(username="dave", password=ADMIN_PASSWORD)
        page = revoke(dave, "alice")
    assert page.status_code == 403
    assert "custom:kernelpod:admin" in page.text
    assert (alice.user, gateway.asked) == ("alice", [])


def test_nobody_revokes_themselves(carol: Browser) -> None:
    assert revoke(carol, "carol").status_code == 400
    assert carol.user == "carol"


def test_another_site_cannot_press_the_button(gateway: Gateway, alice: Browser, carol: Browser) -> None:
    for wrong in ("", "x", "2|00000000|00000000000000000000000000000000|0"):
        assert revoke(carol, "alice", _xsrf=wrong).status_code == 403
    assert [method for method, _, _ in gateway.asked if method == "POST"] == []
    assert alice.user == "alice"


def test_a_stranger_is_asked_to_log_in(hub: Hub) -> None:
    with Browser(hub) as nobody:
        page = nobody.get(f"{PAGE}?user=alice", allow_redirects=False)
    assert (page.status_code, page.headers["Location"].startswith("/hub/login")) == (302, True)
