"""Secrets that somebody learned, after `kernelpod hub secrets rotate`: at a real hub with a proxy; receipts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from click.testing import CliRunner

from hubs import Browser, Hub
from kernelpod.cli.main import main
from kernelpod.deploy.hubsecrets import VARIABLES
from kernelpod.grading.submissions.keys import read_keys
from kernelpod.grading.submissions.receipt import Receipt

PASSWORD = "only for this test"
SECTIONS = {
    "JupyterHub": {"authenticator_class": "dummy"},
    "Authenticator": {
        "allowed_users": ["alice", "bob", "carol"],
        "admin_users": ["carol"],
        "enable_auth_state": True,
    },
    "DummyAuthenticator": {"password": PASSWORD},
}
TIMEOUT_SECONDS = 60


def command(*words: str) -> None:
    done = CliRunner().invoke(main, ["hub", "secrets", *words])
    assert done.exit_code == 0, done.output


@dataclass
class Rotated:
    """A hub, and what somebody knew of it before its secrets were rotated."""

    folder: Path
    hub: Hub = field(init=False)
    known: dict[str, str] = field(init=False)
    """The former secrets by name."""
    alice: Browser = field(init=False)
    """A browser that logged in before."""
    tokens: dict[str, str] = field(default_factory=dict)
    """API tokens of before, by user."""

    @property
    def secrets(self) -> dict[str, str]:
        """The secrets as they are now."""
        files = {name: self.folder / "secrets" / name for name in VARIABLES}
        files["service_token"] = self.folder / "service-token"
        return {name: file.read_text(encoding="utf-8").strip() for name, file in files.items()}

    def started(self, port: int = 0) -> Hub:
        """Return the hub, with what is in the files; `with` starts it."""
        environment = {variable: self.secrets[name] for name, variable in VARIABLES.items()}
        settings = str(self.folder / "settings.yaml")
        return Hub(self.folder / "hub", SECTIONS, port, KERNELPOD_SETTINGS=settings, **environment)

    def prepare(self) -> None:
        """Make the secrets and the settings."""
        command("--folder", str(self.folder / "secrets"))
        (self.folder / "service-token").touch(mode=0o600)
        (self.folder / "service-token").write_text("5e" * 32, encoding="utf-8")
        settings = {"hubs": [{"token_file": str(self.folder / "service-token")}]}
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def rotate(self) -> None:
        """Rotate all of them."""
        self.known = self.secrets
        token = str(self.folder / "service-token")
        command("rotate", "--folder", str(self.folder / "secrets"), "--token-file", token)

    def login(self, name: str) -> Browser:
        """Return a browser that has logged in."""
        browser = Browser(self.hub)
        browser.submit(username=name, password=PASSWORD)
        assert browser.user == name
        return browser

    def state(self, name: str, **new: Any) -> Any:
        """Return what the hub has encrypted of a user, or write it, as the admin."""
        asked = {"json": {"auth_state": new}} if new else {}
        answer = self.asked(self.tokens["carol"], f"/users/{name}", "PATCH" if new else "GET", **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()["auth_state"]

    def asked(self, token: str, path: str = "/user", method: str = "GET", **more: Any) -> requests.Response:
        """Return what the hub's API answers to somebody with this token."""
        return _ask(method, f"{self.hub.url}/hub/api{path}", token, **more)

    def routes(self, token: str) -> int:
        """Return the status of the proxy's answer to who asks for its routes."""
        return _ask("GET", f"{self.hub.environment['TEST_HUB_PROXY_API']}/api/routes", token).status_code


def _ask(method: str, url: str, token: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"token {token}"}
    return requests.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS, **more)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotated]:
    """A hub that runs again with new secrets, after everybody had used the former ones."""
    made = Rotated(tmp_path_factory.mktemp("rotated"))
    made.prepare()
    with made.started() as made.hub:
        former = made.secrets
        assert made.asked(former["service_token"]).json()["name"] == "kernelpod"
        assert made.routes(former["proxy_token"]) == 200
        for name in ("alice", "bob", "carol"):
            browser = made.login(name)
            answer = browser.call("POST", f"/users/{name}/tokens", json={})
            assert answer.status_code == 201, answer.text
            made.tokens[name] = answer.json()["token"]
            if name == "alice":
                made.alice = browser
            else:
                browser.close()
        for name in ("alice", "bob"):
            made.state(name, refresh=f"of {name}")
    made.rotate()
    with made.started(made.hub.port) as made.hub:
        made.alice.hub = made.hub
        yield made
    made.alice.close()


@pytest.mark.hub
def test_who_learned_a_former_service_token_cannot_ask_the_hub(rotated: Rotated) -> None:
    assert rotated.asked(rotated.known["service_token"]).status_code == 403
    assert rotated.asked(rotated.known["service_token"], "/users/alice").status_code in (403, 404)
    assert rotated.asked(rotated.secrets["service_token"]).json()["name"] == "kernelpod"


@pytest.mark.hub
def test_who_learned_a_former_proxy_token_cannot_see_or_change_routes(rotated: Rotated) -> None:
    assert rotated.routes(rotated.known["proxy_token"]) == 403
    assert rotated.routes(rotated.secrets["proxy_token"]) == 200


@pytest.mark.hub
def test_who_learned_a_former_cookie_cannot_use_it(rotated: Rotated) -> None:
    assert rotated.alice.user is None


@pytest.mark.hub
def test_users_keep_their_api_tokens_and_what_was_encrypted_and_log_in_again(rotated: Rotated) -> None:
    assert rotated.asked(rotated.tokens["alice"]).json()["name"] == "alice"
    assert rotated.state("alice") == {"refresh": "of alice"}
    rotated.login("carol").close()


@pytest.mark.hub
def test_what_only_a_forgotten_key_decrypts_is_lost_and_what_was_read_since_is_not(rotated: Rotated) -> None:
    """The last test of this hub: it starts again."""
    assert rotated.state("alice") == {"refresh": "of alice"}
    rotated.hub.__exit__()
    command("rotate", "--folder", str(rotated.folder / "secrets"), "--forget-old-keys")
    with rotated.started(rotated.hub.port) as rotated.hub:
        assert rotated.state("alice") == {"refresh": "of alice"}
        assert rotated.state("bob") is None


def test_who_learned_a_former_key_of_receipts_cannot_sign_later_ones(tmp_path: Path) -> None:
    file = tmp_path / "receipts.key"
    file.touch(mode=0o600)
    file.write_bytes(b"k" * 32)
    command("rotate", "--receipt-key-file", str(file))
    keys, now = read_keys(file), datetime.now(timezone.utc)
    made = Receipt(
        course="ml", assignment="ps1", student="alice", submission="x", arrived=now, collected=now, files="f"
    )
    assert keys.fault(made.signed(b"k" * 32)) is None
    later = made.model_copy(update={"collected": now + timedelta(hours=2)})
    assert keys.fault(later.signed(b"k" * 32)) is not None
    assert keys.fault(later.signed(keys.key)) is None
