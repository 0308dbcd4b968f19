"""What is done at a real hub is in the audit log, in lines that fit the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from doubles import eventually
from hubs import CHECKOUT, LIGHT_SERVER, Browser, Hub, cleaned, example, start_server

PASSWORD = "only for this test"
ADMIN_PASSWORD = "only for the admin of this test, who needs a long one"
SCHEMA = json.loads((CHECKOUT / "docs" / "audit.schema.json").read_text(encoding="utf-8"))


class Audited:
    """A hub, and the lines that it has written since they were read last."""

    def __init__(self, hub: Hub, file: Path) -> None:
        self.hub, self.file = hub, file
        self._read = 0

    def _new(self) -> list[str]:
        return self.file.read_text(encoding="ascii").splitlines()[self._read :]

    def lines(self, count: int) -> list[dict[str, Any]]:
        """Return the new lines once there are so many: the hub answers first."""
        eventually(lambda: len(self._new()) >= count, what=f"{count} lines are written")
        texts = self._new()
        self._read += len(texts)
        made = [json.loads(text) for text in texts]
        for line in made:
            jsonschema.validate(line, SCHEMA, jsonschema.Draft202012Validator)
        return made

    def told(self, count: int) -> list[tuple[Any, ...]]:
        """Return of each new line who did what to whom, and with which result."""
        return [
            (
                line["who"] and line["who"]["name"],
                line["action"],
                line["owner"] and line["owner"]["name"],
                line["what"],
                line["outcome"],
                line["code"],
                line["admin"],
            )
            for line in self.lines(count)
        ]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    file, settings = folder / "audit.jsonl", folder / "settings.yaml"
    settings.write_text(yaml.safe_dump({"audit": {"hub_file": str(file)}}), encoding="utf-8")
    sections = example("dummy")
    sections["Authenticator"]["admin_users"] = ["alice"]
    sections["SharedPasswordAuthenticator"]["admin_password"] = ADMIN_PASSWORD
    sections["JupyterHub"] = {**sections.get("JupyterHub", {}), "allow_named_servers": True}
    sections["SimpleLocalProcessSpawner"] = {"home_dir_template": str(folder / "homes" / "{username}")}
    sections["Spawner"] = {"cmd": LIGHT_SERVER}
    environment = {"DEMO_PASSWORD": PASSWORD, "KERNELPOD_SETTINGS": str(settings)}
    with cleaned(folder), Hub(folder / "hub", sections, **environment) as hub:
        yield Audited(hub, file)


@pytest.fixture
def alice(audited: Audited) -> Iterator[Browser]:
    with Browser(audited.hub) as browser:
        browser.submit(username="alice", password=ADMIN_PASSWORD)
        audited.lines(1)
        yield browser


@pytest.fixture
def bob(audited: Audited) -> Iterator[Browser]:
    with Browser(audited.hub) as browser:
        browser.submit(username="bob", password=PASSWORD)
        audited.lines(1)
        yield browser


def test_a_login_and_one_that_fails(audited: Audited) -> None:
    with Browser(audited.hub) as browser:
        browser.submit(username="bob", password="wrong")
        browser.submit(username="bo\x1bb\N{PANDA FACE}" + "x" * 400, password="wrong")
        browser.submit(username="bob", password=PASSWORD)
        browser.get("/hub/home")
        failed, odd, done = audited.lines(3)
    assert (failed["who"], failed["owner"]["name"], failed["outcome"], failed["code"]) == (
        None, "bob", "denied", "forbidden"
    )  # fmt: skip
    assert (odd["owner"]["name"][:5], len(odd["owner"]["name"])) == ("bo\x1bb\N{PANDA FACE}", 255)
    assert (done["who"], done["owner"]["name"], done["admin"]) == (
        {"hub": "hub", "kind": "user", "name": "bob"}, "bob", False
    )  # fmt: skip
    assert failed["address"] == done["address"] == "127.0.0.1"


def test_what_is_only_looked_at_is_not_in_it(audited: Audited, bob: Browser) -> None:
    for path in ("/hub/home", "/hub/logo", "/hub/static/css/style.min.css", "/hub/nothing", "/hub/api/info"):
        bob.get(path)
    bob.call("DELETE", "/users/bob/tokens/none")
    assert [line[1] for line in audited.told(1)] == ["token_end"]
    assert "could not be written into the audit log" not in audited.hub.log


def test_servers_started_by_a_page_and_stopped_by_an_admin(audited: Audited, alice: Browser, bob: Browser) -> None:
    bob.get("/hub/spawn")
    eventually(lambda: alice.call("GET", "/users/bob").json()["server"], what="bob's server runs")
    bob.get("/hub/spawn")  # it runs, so nothing is started
    assert audited.told(1) == [("bob", "server_start", "bob", None, "done", "ok", False)]
    alice.call("DELETE", "/users/bob/server")
    assert audited.told(1) == [("alice", "server_stop", "bob", None, "done", "ok", True)]
    eventually(lambda: not alice.call("GET", "/users/bob").json()["servers"], what="bob's server has ended")


def test_a_server_with_a_name_is_started_by_the_api(audited: Audited, alice: Browser) -> None:
    start_server(alice, "alice")
    for name in ("gpu%20one", "gpu"):
        alice.call("POST", f"/users/alice/servers/{name}", json={})
    assert audited.told(3) == [
        ("alice", "server_start", "alice", None, "done", "ok", False),
        ("alice", "server_start", "alice", "gpu one", "failed", "refused", False),
        ("alice", "server_start", "alice", "gpu", "done", "ok", False),
    ]


def test_tokens_are_named_by_their_ids(audited: Audited, bob: Browser) -> None:
    made = bob.call("POST", "/users/bob/tokens", json={"note": "for a script"}).json()
    bob.call("DELETE", f"/users/bob/tokens/{made['id']}")
    assert made["token"] not in audited.file.read_text(encoding="ascii")
    assert audited.told(2) == [
        ("bob", "token_new", "bob", None, "done", "ok", False),
        ("bob", "token_end", "bob", made["id"], "done", "ok", False),
    ]


def test_an_admin_changes_users_and_groups(audited: Audited, alice: Browser) -> None:
    alice.call("POST", "/users", json={"usernames": ["dave", "erin"]})
    alice.call("PATCH", "/users/dave", json={"admin": True, "name": "david"})
    alice.call("POST", "/groups/staff", json={})
    alice.call("POST", "/groups/staff/users", json={"users": ["david", "erin"]})
    alice.call("DELETE", "/users/erin")
    assert audited.told(7) == [
        ("alice", "user_change", "dave", None, "done", "ok", True),
        ("alice", "user_change", "erin", None, "done", "ok", True),
        ("alice", "user_change", "dave", 'admin=true, name="david"', "done", "ok", True),
        ("alice", "group_change", None, "staff", "done", "ok", False),
        ("alice", "group_change", "david", "staff", "done", "ok", True),
        ("alice", "group_change", "erin", "staff", "done", "ok", True),
        ("alice", "user_change", "erin", None, "done", "ok", True),
    ]


def test_a_long_request_hides_nothing(audited: Audited, alice: Browser, bob: Browser) -> None:
    alice.call("POST", "/users", json={"usernames": ["frank"]})
    for who in (alice, bob):
        xsrf = next(str(one.value) for one in who.cookies if one.name == "_xsrf" and one.path == "/hub/")
        headers = {"X-XSRFToken": xsrf, "Content-Type": "application/json"}
        long = '{"admin": true' + " " * 100_000 + "}"
        who.request("PATCH", "/hub/api/users/frank", data=long, headers=headers)
    assert [(*line[:3], line[3], line[4]) for line in audited.told(3)[1:]] == [
        ("alice", "user_change", "frank", "admin=true", "done"),
        ("bob", "user_change", "frank", None, "denied"),
    ]


def test_who_tries_what_is_not_theirs(audited: Audited, bob: Browser) -> None:
    bob.call("PATCH", "/users/bob", json={"admin": True})
    bob.call("DELETE", "/users/alice/server")
    bob.call("GET", "/users")
    assert [(*line[:4], line[4]) for line in audited.told(2)] == [
        ("bob", "user_change", "bob", "admin=true", "denied"),
        ("bob", "server_stop", "alice", None, "denied"),
    ]


def test_many_users_have_a_line_each_up_to_a_bound(audited: Audited, alice: Browser) -> None:
    alice.call("POST", "/users", json={"usernames": [f"student-{number}" for number in range(53)]})
    told = audited.told(51)
    assert [line[2] for line in told] == [*(f"student-{number}" for number in range(50)), None]
    assert told[-1][3] == "and 3 more users"
