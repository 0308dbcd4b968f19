"""hub/logins/remote-user.yaml at a real hub behind nginx, and every forgery of the header by name."""

from __future__ import annotations

import http.client
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from nginx import ADDRESS, NGINX, Nginx
from traitlets import TraitError

from doubles import eventually
from hubs import Browser, Hub, example
from kernelpod.errors import SettingsError

SECRET = secrets.token_hex(32)
NAMES = ["alice", "Alice", "ALICE@Example.org", "john.doe", "ünal", "admin", "\N{PANDA FACE}", "a" * 255]
PEOPLE = dict.fromkeys([*NAMES, "a" * 256, "a/b", "a,b", "a;b", "two words"], "the password")
USER, PROOF = "X-Remote-User", "X-Remote-User-Secret"
NAMED = (USER, "alice")
PROVEN = (PROOF, SECRET)


def started(folder: Path, secret_file: Path, **further: Any) -> Hub:
    sections = example(
        "remote-user",
        RemoteUserAuthenticator__secret_file=str(secret_file),
        RemoteUserAuthenticator__trusted_proxies=[f"{ADDRESS}/32"],
    )
    sections["RemoteUserAuthenticator"].update(further)
    return Hub(folder, sections)


@dataclass
class Front:
    """What the browser talks to."""

    url: str


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.touch(mode=0o600)
    path.write_text(SECRET + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hub(secret_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with started(tmp_path_factory.mktemp("remote") / "hub", secret_file) as running:
        yield running


@pytest.fixture(scope="module")
def nginx(hub: Hub, tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Nginx]:
    need(NGINX.exists(), "nginx", "apt-get install --no-install-recommends nginx-light")
    with Nginx(tmp_path_factory.mktemp("nginx"), hub.url, SECRET, PEOPLE) as running:
        yield running


def logged_in(front: Any, name: str, password: str, headers: dict[str, str] | None = None) -> str | None:
    """Return as whom the hub takes a browser that nginx has asked for a password."""
    with Browser(front) as browser:
        auth = (name.encode(), password.encode())
        browser.get("/hub/login", auth=auth, headers=headers or {}, allow_redirects=False)
        return browser.user


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("alice", "alice"),
        ("Alice", "alice"),
        ("ALICE@Example.org", "alice@example.org"),
        ("john.doe", "john.doe"),
        ("ünal", "ünal"),
        ("admin", "admin"),
        ("\N{PANDA FACE}", "\N{PANDA FACE}"),
        ("a" * 255, "a" * 255),
        ("a" * 256, None),
        ("a/b", None),
        ("a,b", None),
        ("a;b", None),
        ("two words", None),
    ],
)
def test_whom_nginx_names_is_logged_in(nginx: Nginx, name: str, becomes: str | None) -> None:
    assert logged_in(nginx, name, "the password") == becomes


def test_whom_nginx_does_not_know_is_nobody(nginx: Nginx) -> None:
    assert logged_in(nginx, "alice", "wrong") is None


def test_headers_of_a_browser_do_not_get_past_nginx(nginx: Nginx) -> None:
    forged = {USER: "carol", PROOF: SECRET}
    assert logged_in(nginx, "alice", "the password", forged) == "alice"
    with Browser(nginx) as browser:
        assert browser.get("/hub/login", headers=forged).status_code == 401


def test_a_logout_leads_to_the_web_servers(nginx: Nginx) -> None:
    with Browser(nginx) as browser:
        browser.get("/hub/login", auth=("alice", "the password"), allow_redirects=False)
        assert browser.user == "alice"
        answer = browser.get("/hub/logout", allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/Shibboleth.sso/Logout")
        assert browser.user is None


def asked(url: str, source: str, *headers: tuple[str, str | bytes]) -> int:
    """Return what the hub's login answers to headers that are sent as they are, from an address."""
    place = url.removeprefix("http://")
    connection = http.client.HTTPConnection(place, timeout=60, source_address=(source, 0))
    try:
        connection.putrequest("GET", "/hub/login")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["root", "system:x", "u\u0308nal"])
def test_further_names_that_a_web_server_may_send(hub: Hub, name: str) -> None:
    assert asked(hub.url, ADDRESS, (USER, name.encode()), PROVEN) == 302


def test_what_all_forgeries_are_derived_from_is_accepted(hub: Hub) -> None:
    assert asked(hub.url, ADDRESS, NAMED, PROVEN) == 302


FORGERIES: dict[str, tuple[str, list[tuple[str, str | bytes]]]] = {
    "sent by a browser directly": ("127.0.0.1", [NAMED]),
    "with the secret from an unlisted address": ("127.0.0.1", [NAMED, PROVEN]),
    "with the web server's address written by the browser": (
        "127.0.0.1",
        [NAMED, PROVEN, ("X-Forwarded-For", ADDRESS)],
    ),
    "with two X-Forwarded-For": (
        "127.0.0.1",
        [NAMED, PROVEN, ("X-Forwarded-For", ADDRESS), ("X-Forwarded-For", ADDRESS)],
    ),
    "with X-Real-Ip": ("127.0.0.1", [NAMED, PROVEN, ("X-Real-Ip", ADDRESS)]),
    "without the secret": (ADDRESS, [NAMED]),
    "with the wrong secret": (ADDRESS, [NAMED, (PROOF, "0" * 64)]),
    "with an empty secret": (ADDRESS, [NAMED, (PROOF, "")]),
    "with the secret twice": (ADDRESS, [NAMED, PROVEN, PROVEN]),
    "without a name": (ADDRESS, [PROVEN]),
    "doubled": (ADDRESS, [NAMED, (USER, "carol"), PROVEN]),
    "doubled with the same name": (ADDRESS, [NAMED, NAMED, PROVEN]),
    "doubled in other letters": (ADDRESS, [NAMED, ("x-remote-user", "carol"), PROVEN]),
    "doubled in one line": (ADDRESS, [(USER, "alice, carol"), PROVEN]),
    "with several values as Shibboleth writes them": (ADDRESS, [(USER, "alice;carol"), PROVEN]),
    "folded": (ADDRESS, [(USER, "alice\r\n carol"), PROVEN]),
    "empty": (ADDRESS, [(USER, ""), PROVEN]),
    "of spaces": (ADDRESS, [(USER, "   "), PROVEN]),
    "over-long": (ADDRESS, [(USER, "a" * 256), PROVEN]),
    "very over-long": (ADDRESS, [(USER, "a" * 30_000), PROVEN]),
    "in Latin-1": (ADDRESS, [(USER, "ünal".encode("latin-1")), PROVEN]),
    "with a control character": (ADDRESS, [(USER, b"al\x01ice"), PROVEN]),
    "with a slash": (ADDRESS, [(USER, "alice/.."), PROVEN]),
    "of dots": (ADDRESS, [(USER, ".."), PROVEN]),
    "with underscores": (ADDRESS, [("X_Remote_User", "alice"), PROVEN]),
}


@pytest.mark.parametrize(("source", "headers"), FORGERIES.values(), ids=FORGERIES)
def test_a_header_is_refused(hub: Hub, source: str, headers: list[tuple[str, str | bytes]]) -> None:
    assert asked(hub.url, source, *headers) in (400, 403, 431, 502)


@pytest.mark.parametrize("source", ["127.0.0.1", ADDRESS])
def test_a_form_has_no_say(hub: Hub, source: str) -> None:
    with Browser(hub) as browser:
        browser.get("/hub/api/user")
        data = {"username": "alice", "password": "x", USER: "alice", PROOF: SECRET}
        assert browser.post("/hub/login", data=data).status_code == 403
        assert browser.user is None


def test_who_reaches_the_hub_without_its_proxy_is_refused(secret_file: Path, tmp_path: Path) -> None:
    """A user's server may reach the hub's port, and write any address of a proxy into X-Forwarded-For."""
    with started(tmp_path / "hub", secret_file, hub_proxies=["192.0.2.1/32"]) as hub:
        forwarded = ("X-Forwarded-For", f"192.0.2.1,{ADDRESS}")
        assert asked(hub.inner_url, "127.0.0.1", NAMED, PROVEN, forwarded) == 403
        assert "127.0.0.1 is not the hub's proxy" in hub.log


def test_a_doubled_header_is_refused_without_the_proxy_too(hub: Hub) -> None:
    forwarded = ("X-Forwarded-For", ADDRESS)
    assert asked(hub.inner_url, "127.0.0.1", NAMED, PROVEN, forwarded) == 302
    assert asked(hub.inner_url, "127.0.0.1", NAMED, NAMED, PROVEN, forwarded) == 403
    assert f"the request contains {USER} 2 times" in hub.log


def test_reasons_are_in_the_log_and_the_secret_is_not(hub: Hub) -> None:
    for headers in FORGERIES.values():
        asked(hub.url, headers[0], *headers[1])
    for said in (
        "127.0.0.1 is not a trusted proxy",
        f"the request contains {PROOF} 0 times",
        f"{PROOF} does not contain the secret",
        f"{USER} has 256 characters",
        f"{USER} contains several names",
        f"{USER} is not UTF-8",
    ):
        assert said in hub.log, said
    assert SECRET not in hub.log


def test_a_login_that_fails_in_the_hub_leaves_no_secret_in_its_log(tmp_path: Path) -> None:
    """JupyterHub logs all headers of a request that ends with status 500."""
    (file := tmp_path / "secret").touch(mode=0o600)
    file.write_text(SECRET, encoding="utf-8")
    with started(tmp_path / "hub", file) as hub:
        file.chmod(0o644)  # now nobody can log in
        assert asked(hub.url, ADDRESS, NAMED, PROVEN) == 500
        # The answer is sent before it is logged.
        eventually(lambda: f'"{PROOF}": "[secret]"' in hub.log, what="the headers are logged")
        assert SECRET not in hub.log


@pytest.mark.parametrize(
    ("mode", "text", "said"),
    [
        (0o644, SECRET, "everybody may read"),
        (0o600, "short", "holds 5 bytes; write at least 32"),
        (0o600, None, "No such file or directory"),
    ],
)
def test_without_a_good_secret_no_hub_starts(tmp_path: Path, mode: int, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "secret").write_text(text, encoding="utf-8")
        os.chmod(tmp_path / "secret", mode)  # noqa: PTH101
    from kernelpod.hub.logins.remoteuser import RemoteUserAuthenticator

    with pytest.raises(SettingsError, match=said):
        RemoteUserAuthenticator(trusted_proxies=["192.0.2.1"], secret_file=str(tmp_path / "secret"))


def test_without_the_web_servers_address_no_hub_starts(secret_file: Path) -> None:
    from kernelpod.hub.logins.remoteuser import RemoteUserAuthenticator

    with pytest.raises(SettingsError, match="trusted_proxies must name the web server's addresses"):
        RemoteUserAuthenticator(secret_file=str(secret_file))
    with pytest.raises(TraitError, match=r"trusted_proxies: 192\.0\.2\.1/8 has host bits set"):
        RemoteUserAuthenticator(secret_file=str(secret_file), trusted_proxies=["192.0.2.1/8"])
