"""`internal_tls` on a cluster: switched on, tried by strangers, deployed again, switched off, rolled back."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import kube
import pytest
import requests
from deployed import Deployed, deployed, new_folder
from tries import service_address

from kernelpod.demo.client import Browser, wait_until
from kernelpod.deploy.internaltls import SECRET
from kernelpod.deploy.tlssecrets import AUTHORITY

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(900)]
ASK = b"GET /hub/health HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"


class Inside(Deployed):
    """A deployment whose hub, servers and gateway may speak HTTPS to each other."""

    def switch(self, on: bool) -> str:
        """Deploy with or without it, and return what the command printed."""
        self.write(internal_tls=on)
        said = self.succeeded("upgrade", "--yes")
        assert "smoke: passed" in said
        return said

    def secrets(self) -> dict[str, dict[str, str]]:
        """Return the Secrets of it, by namespace and name."""
        places = [("gateway", AUTHORITY), ("gateway", SECRET), ("hub", SECRET)]
        made = {}
        for where, name in places:
            text = kube.kubectl("get", "secret", name, "-n", self.namespaces[where], "-o", "json")
            made[f"{where}/{name}"] = json.loads(text)["data"]
        return made

    def addresses(self) -> dict[str, tuple[str, int]]:
        """Return where gateway, hub and alice's server listen."""
        (server,) = kube.items("pods", self.namespaces["hub"], "hub.jupyter.org/username=alice")
        return {
            "gateway": (service_address("kernelpod", self.namespaces["gateway"]), 8888),
            "hub": (service_address("hub", self.namespaces["hub"]), 8081),
            "server": (server["status"]["podIP"], 8888),
        }

    def by_http(self, where: str) -> int | None:
        """Return the status that an address answers with to HTTP; None: it does not speak it."""
        host, port = self.addresses()[where]
        try:
            return requests.get(f"http://{host}:{port}/", timeout=60, allow_redirects=False).status_code
        except requests.ConnectionError:
            return None

    def seen(self, where: str, name: str, authority: str) -> bytes:
        """Return the answer to somebody who connects by TLS and has no certificate; empty if there is none."""
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        with socket.create_connection(self.addresses()[where], 20) as plain:
            told = context.wrap_socket(plain, server_hostname=name)
            with contextlib.closing(told), contextlib.suppress(ssl.SSLError, ConnectionError):
                told.sendall(ASK)
                return told.recv(100)
        return b""


@pytest.fixture(scope="module")
def site(need: Any) -> Iterator[Inside]:
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    with deployed(Inside(new_folder(), "pvc")) as site:
        yield site


@pytest.fixture(autouse=True)
def report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Say what the namespaces say when a test fails."""
    failed = request.session.testsfailed
    yield
    site = request.node.funcargs.get("site")
    if site and request.session.testsfailed > failed:
        print(site.report())


def runs_a_cell(site: Inside) -> None:
    """Start alice's server, unless it runs, and a kernel, and run a cell."""
    kernel = site.kernel("alice")
    assert kernel.run("6 * 7") == "42"
    kernel.close()


def ended(alice: Browser, kind: str) -> None:
    """Return when the hub has stopped alice's server, which it cannot reach; its pod has a time to end."""

    def gone() -> bool:
        return not alice.hub("GET", "/users/alice").json().get("servers")

    wait_until(gone, f"the end of the {kind} server", seconds=240)


@pytest.fixture(scope="module")
def inside(site: Inside) -> Inside:
    """It is switched on while alice's server runs, and she has started another one."""
    runs_a_cell(site)
    assert [site.by_http(where) is None for where in ("gateway", "hub", "server")] == [False] * 3
    site.switch(on=True)
    alice = site.browser("alice")
    ended(alice, "HTTP")
    runs_a_cell(site)
    return site


def test_a_stranger_cannot_speak_http_to_gateway_hub_or_server(inside: Inside) -> None:
    assert [inside.by_http(where) for where in ("gateway", "hub", "server")] == [None] * 3


def test_a_stranger_cannot_ask_hub_or_server_without_a_certificate(inside: Inside) -> None:
    """The certificates of all three are right. The gateway asks for none; there the token counts."""
    secrets, spaces = inside.secrets(), inside.namespaces
    gateway, hub = secrets[f"gateway/{SECRET}"], secrets[f"hub/{SECRET}"]
    assert inside.seen("hub", "hub", hub["hub-ca.crt"]) == b""
    assert inside.seen("server", f"jupyter-alice.{spaces['hub']}.svc", hub["notebooks-ca.crt"]) == b""
    answer = inside.seen("gateway", f"kernelpod.{spaces['gateway']}", gateway["ca.crt"])
    assert answer.startswith(b"HTTP/1.1 ")


def test_no_pod_mounts_the_authoritys_key(inside: Inside) -> None:
    for space in inside.namespaces.values():
        for pod in kube.items("pods", space):
            mounted = [volume.get("secret", {}).get("secretName") for volume in pod["spec"]["volumes"]]
            assert AUTHORITY not in mounted


def test_a_deploy_that_is_repeated_changes_nothing(inside: Inside) -> None:
    before, pods = inside.secrets(), (inside.pods("gateway"), [one for one in inside.pods("hub") if "hub-" in one])
    inside.switch(on=True)
    assert inside.secrets() == before
    assert (inside.pods("gateway"), [one for one in inside.pods("hub") if "hub-" in one]) == pods
    assert json.loads(inside.succeeded("status", "--json"))["problems"] == []


def test_switched_off_it_is_http_again_and_a_rollback_is_https(inside: Inside) -> None:
    before = inside.secrets()
    inside.switch(on=False)
    alice = inside.browser("alice")
    ended(alice, "HTTPS")
    runs_a_cell(inside)
    assert None not in [inside.by_http(where) for where in ("gateway", "hub", "server")]
    inside.succeeded("rollback", "--yes")
    assert inside.secrets() == before
    ended(alice, "HTTP")
    runs_a_cell(inside)
    assert [inside.by_http(where) for where in ("gateway", "hub", "server")] == [None] * 3
