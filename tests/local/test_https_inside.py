"""HTTPS between servers, gateway and hub, with an authority of the site's own."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from pydantic import SecretStr

from certificates import certificates
from client import Caller
from doubles import FakeHub, GatewayProcess, eventually
from kernelpod.hub.restapi import Api, NotDoneError
from local.conftest import USERS
from notebook_server import PYTHON, Server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an authority and a certificate."""
    folder = tmp_path_factory.mktemp("authority")
    certificates(folder)
    return folder


@pytest.fixture(scope="module")
def trusted(authority: Path) -> Iterator[None]:
    """Let the tests' own clients trust the authority."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):
            patch.setenv(variable, str(authority / "ca.pem"))
        yield


@pytest.fixture(scope="module")
def secure(make_site: Any, authority: Path, trusted: None) -> Iterator[Any]:
    """A gateway that serves HTTPS and asks its hub by HTTPS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    with FakeHub(https=context) as hub:
        hub.users.update(USERS)
        files = {"cert_file": str(authority / "server.pem"), "key_file": str(authority / "server.key")}
        site = make_site(gateway=files, hubs=[{"api_url": hub.api_url, "ca_file": str(authority / "ca.pem")}])
        assert site.gateway.url.startswith("https://")
        yield site
        site.stop_kernels()


def test_a_kernel_runs_by_https(secure: Any) -> None:
    assert secure.alice.run(secure.alice.start(), "print(1)") == "1\n"
    secure.stop_kernels()


def test_a_gateway_passes_requests_on_by_https_to_its_own_certificate_only(
    make_site: Any, authority: Path, trusted: None, tmp_path: Path
) -> None:
    files = {"cert_file": str(authority / "server.pem"), "key_file": str(authority / "server.key")}
    leader = make_site(gateway={**files, "replicated": True})
    certificates(tmp_path)
    others = {"cert_file": str(tmp_path / "server.pem"), "key_file": str(tmp_path / "server.key")}
    for number, given in enumerate((files, others)):
        folder = tmp_path / str(number)
        folder.mkdir()
        second = leader.gateway.twin(folder, gateway={"port": 0, **given, "replicated": True})
        second.start()
        try:
            caller = Caller(second.url, "alice-token")
            if given is files:
                assert caller.run(caller.start(), "print(1)") == "1\n"
                leader.stop_kernels()
            else:
                answer = caller.ask("GET", "kernels", verify=str(tmp_path / "ca.pem"))
                assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
                assert "it has another certificate than this gateway" in second.log
        finally:
            second.stop()
            GatewayProcess.running.remove(second)


def test_plain_http_and_an_unknown_authority_get_nothing(secure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = secure.gateway.url.replace("https", "http", 1)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{plain}/healthz", timeout=60)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{secure.gateway.url}/healthz", timeout=60)


def test_a_stranger_who_says_nothing_keeps_no_other_from_connecting(secure: Any) -> None:
    place = urlsplit(secure.gateway.url)
    silent = [socket.create_connection((place.hostname, place.port), 20) for _ in range(50)]
    try:
        assert secure.alice.ask("GET", "kernels").status_code == 200
    finally:
        for one in silent:
            one.close()


def test_a_server_trusts_the_authority_that_its_environment_names(
    secure: Any, authority: Path, tmp_path: Path, need: Any
) -> None:
    need(PYTHON.exists(), "the server's environment", "make env-hub, or make test-servers")
    with Server(secure, tmp_path, JUPYTER_GATEWAY_CA_CERTS=str(authority / "ca.pem")) as server:
        answer = server.session()
        assert answer.status_code == 201, server.log[-6000:]
        kernel_id = answer.json()["kernel"]["id"]
        assert server.caller.run(kernel_id, "print(2)") == "2\n"
    secure.stop_kernels()
    (tmp_path / "other").mkdir()
    with Server(secure, tmp_path / "other") as server:
        answer = server.session()
        assert (answer.status_code, "gateway cannot be reached" in answer.text) == (503, True)
    assert secure.admin.ids() == []


def test_an_admins_command_checks_the_gateway_by_the_authority(
    secure: Any, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    url, token = f"{secure.gateway.url}/api", SecretStr("admin-token")
    assert Api("the gateway", url, token, authority / "ca.pem").ask("GET", "/kernels") == []
    for elsewhere in (None, "/only/servers/have/ca.pem"):
        with pytest.raises(NotDoneError, match=r"does not answer \(SSLError\)"):
            Api("the gateway", url, token, elsewhere).ask("GET", "/kernels")


def test_a_hub_of_an_unknown_authority_is_asked_nothing(make_site: Any, authority: Path, tmp_path: Path) -> None:
    certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with FakeHub(https=context) as hub:
        hub.users.update(USERS)
        site = make_site(hubs=[{"api_url": hub.api_url, "ca_file": str(authority / "ca.pem")}])
        assert site.alice.post().json()["code"] == "hub_unavailable"
        assert hub.asked == 0
        assert "CERTIFICATE_VERIFY_FAILED" in site.gateway.log


def test_a_hub_that_asks_its_clients_for_a_certificate_is_shown_the_gateways(
    make_site: Any, authority: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority / "ca.pem")
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    files = {"cert_file": str(authority / "server.pem"), "key_file": str(authority / "server.key")}
    with FakeHub(https=context) as hub:
        hub.users.update(USERS)
        asked = {"api_url": hub.api_url, "ca_file": str(authority / "ca.pem")}
        site = make_site(hubs=[{**asked, **files}])
        assert site.alice.ask("GET", "kernels").status_code == 200
        for given in ({}, {"cert_file": "/nowhere/c", "key_file": "/nowhere/k"}):
            site = make_site(hubs=[{**asked, **given}])
            assert site.alice.post().json()["code"] == "hub_unavailable"


def served(url: str) -> str:
    """Return the certificate that a server shows."""
    place = urlsplit(url)
    return ssl.get_server_certificate((str(place.hostname), int(place.port or 443)))


def test_a_certificate_that_is_renewed_is_used_and_half_of_one_is_not(make_site: Any, tmp_path: Path) -> None:
    certificates(tmp_path)
    files = {"cert_file": str(tmp_path / "server.pem"), "key_file": str(tmp_path / "server.key")}
    site = make_site(gateway=files)
    before = served(site.gateway.url)
    (tmp_path / "new").mkdir()
    certificates(tmp_path / "new")
    shutil.copy(tmp_path / "new" / "server.pem", tmp_path / "server.pem")
    eventually(lambda: "could not be read again" in site.gateway.log, what="the half pair is noticed")
    assert served(site.gateway.url) == before
    shutil.copy(tmp_path / "new" / "server.key", tmp_path / "server.key")
    eventually(lambda: served(site.gateway.url) != before, what="the new certificate is used")


def test_a_gateway_without_its_certificate_does_not_start(make_site: Any, tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError, match=r"gateway.cert_file /nowhere/c and key_file /nowhere/k cannot be used"
    ):
        make_site(gateway={"cert_file": "/nowhere/c", "key_file": "/nowhere/k"})
