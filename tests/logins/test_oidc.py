"""hub/logins/oidc.yaml at a real hub, against the OpenID provider oidc-provider-mock."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from doubles import eventually
from hubs import TIMEOUT_SECONDS, Browser, Hub, ended, example
from ports import free_port

NAMES = {
    "1": "alice",
    "2": "ALICE@Example.org",
    "3": "john.doe",
    "4": "ünal",
    "5": "admin",
    "6": "root",
    "7": "system:x",
    "8": "\N{PANDA FACE}",
    "9": "a" * 255,
    "10": "alice/..",
    "11": "Alice",
    "12": "a" * 300,
}
CALLBACK = "/hub/oauth_callback"


class Provider:
    """The provider as its own process; `with` starts and ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Provider:
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port)]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--require-registration", "true"], stdout=log, stderr=log, start_new_session=True
            )
        try:
            eventually(self._answers, what="the provider answers")
            for sub, name in NAMES.items():
                self.know(sub, preferred_username=name, groups=["students"], email=f"{sub}@example.org")
            self.know("carol", preferred_username="carol", groups=["staff"])
            self.know("nameless", groups=["students"])
        except BaseException:
            ended(self.process)
            raise
        return self

    def know(self, sub: str, **claims: Any) -> None:
        """Tell the provider about a person."""
        answer = requests.put(f"{self.url}/users/{sub}", json=claims, timeout=TIMEOUT_SECONDS)
        assert answer.ok, answer.text

    def client(self, callback: str) -> dict[str, str]:
        """Register a client, as an admin of the provider would for the hub."""
        asked = {"redirect_uris": [callback]}
        made = requests.post(f"{self.url}/oauth2/clients", json=asked, timeout=TIMEOUT_SECONDS)
        return dict(made.json())

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            about = requests.get(f"{self.url}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS).json()
            return bool(about["issuer"].rstrip("/") == self.url)
        return False

    def __exit__(self, *_: object) -> None:
        ended(self.process)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with Provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


def started(provider: Provider, folder: Path, secret: str = "", **replaced: Any) -> Hub:
    """Return a hub with the example, the provider's addresses in it, and a client of its own at the provider."""
    port = free_port()
    callback = f"http://127.0.0.1:{port}{CALLBACK}"
    client = provider.client(callback)
    sections = example(
        "oidc",
        GenericOAuthenticator__client_id=client["client_id"],
        GenericOAuthenticator__oauth_callback_url=callback,
        GenericOAuthenticator__authorize_url=f"{provider.url}/oauth2/authorize",
        GenericOAuthenticator__token_url=f"{provider.url}/oauth2/token",
        GenericOAuthenticator__userdata_url=f"{provider.url}/userinfo",
        **replaced,
    )
    return Hub(folder, sections, port, OIDC_CLIENT_SECRET=secret or client["client_secret"])


@pytest.fixture(scope="module")
def hub(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with started(provider, tmp_path_factory.mktemp("oidc") / "hub") as running:
        yield running


def back_from_provider(browser: Browser, sub: str, action: str = "") -> str:
    """Go to the provider as the hub says, log in there, and return where the provider sends the browser."""
    asked = browser.get("/hub/oauth_login", allow_redirects=False).headers["Location"]
    answer = browser.post(asked, data={"sub": sub, "action": action}, allow_redirects=False)
    return answer.headers["Location"]


def logged_in(hub: Hub, sub: str) -> str | None:
    with Browser(hub) as browser:
        browser.get(back_from_provider(browser, sub), allow_redirects=False)
        return browser.user


BECOMES = {
    "1": "alice",
    "2": "alice@example.org",
    "3": "john.doe",
    "4": "ünal",
    "5": "admin",
    "6": "root",
    "7": "system:x",
    "8": "\N{PANDA FACE}",
    "9": "a" * 255,
    "10": None,
    "11": "alice",
    "12": "a" * 300,
    "carol": None,
    "nameless": None,
}


@pytest.mark.parametrize(("sub", "name"), BECOMES.items())
def test_the_claim_becomes_the_name(hub: Hub, sub: str, name: str | None) -> None:
    assert logged_in(hub, sub) == name


def test_the_groups_of_the_claim_are_the_hubs(hub: Hub) -> None:
    with Browser(hub) as browser:
        browser.get(back_from_provider(browser, "1"), allow_redirects=False)
        xsrf = next(str(one.value) for one in browser.cookies if one.name == "_xsrf" and one.path == "/hub/")
        me = browser.get("/hub/api/user", headers={"X-XSRFToken": xsrf}).json()
    assert (me["name"], me["groups"], me["admin"]) == ("alice", ["students"], False)


def test_who_says_no_at_the_provider_is_nobody(hub: Hub) -> None:
    with Browser(hub) as browser:
        assert browser.get(back_from_provider(browser, "1", "deny")).status_code == 400
        assert browser.user is None


def test_a_code_that_the_provider_never_gave_is_refused(hub: Hub) -> None:
    with Browser(hub) as browser:
        back = back_from_provider(browser, "1")
        code = parse_qs(urlsplit(back).query)["code"][0]
        assert browser.get(back.replace(code, "forged")).status_code >= 400
        assert browser.user is None


def test_a_code_in_another_browser_is_refused(hub: Hub) -> None:
    """Somebody is sent a link that would log her in as its sender: the state belongs to another browser."""
    with Browser(hub) as sender, Browser(hub) as receiver:
        back = back_from_provider(sender, "1")
        receiver.get("/hub/oauth_login", allow_redirects=False)
        assert receiver.get(back).status_code == 400
        assert receiver.user is None


def test_a_code_counts_once(hub: Hub) -> None:
    with Browser(hub) as browser, Browser(hub) as again:
        back = back_from_provider(browser, "1")
        browser.get(back, allow_redirects=False)
        again.cookies.update(browser.cookies)
        again.cookies.clear(domain="127.0.0.1", path="/hub/", name="jupyterhub-hub-login")
        assert again.user is None
        assert again.get(back).status_code >= 400


def test_a_hub_with_the_wrong_client_secret_lets_nobody_in(provider: Provider, tmp_path: Path) -> None:
    with started(provider, tmp_path / "hub", secret="not the secret") as hub:
        assert logged_in(hub, "1") is None


def test_an_address_as_name_is_kept_whole(provider: Provider, tmp_path: Path) -> None:
    with started(provider, tmp_path / "hub", GenericOAuthenticator__username_claim="email") as hub:
        assert logged_in(hub, "1") == "1@example.org"


def test_no_secret_is_in_the_log(hub: Hub) -> None:
    assert hub.environment["OIDC_CLIENT_SECRET"] not in hub.log
    assert "invalid_client" not in hub.log
