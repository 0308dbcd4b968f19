"""Users who do not trust each other, on a cluster: a host and a user id for each, and one who is revoked."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import kube
import pytest
import yaml
from click.testing import CliRunner
from cluster_site import IMAGES
from deployed import ADMIN, Deployed, certificate, deployed, new_folder
from tries import service_address

from kernelpod.cli.main import main
from kernelpod.demo.client import Browser, wait_until
from kernelpod.deploy.settings import SMOKE_USER
from kernelpod.errors import KernelpodError

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]
IDS = {"alice": (20001, 30001), "bob": (20002, 30002), ADMIN: (20003, 30003), SMOKE_USER: (20009, 30009)}


class Forward(ThreadingTCPServer):
    """A port of loopback that leads to the hub's service, so that names below `localhost` are the hub's."""

    daemon_threads = True

    def __init__(self, namespace: str) -> None:
        super().__init__(("127.0.0.1", 0), Forwarded)
        self.namespace = namespace
        self.port = int(self.server_address[1])


class Forwarded(BaseRequestHandler):
    """One connection."""

    server: Forward

    def handle(self) -> None:
        """Pass bytes on both ways until one side has ended."""
        service = service_address("proxy-public", self.server.namespace)
        with socket.create_connection((service, 443), 30) as there:
            there.settimeout(None)
            back = threading.Thread(target=passed_on, args=(there, self.request), daemon=True)
            back.start()
            passed_on(self.request, there)
            back.join()


def passed_on(source: socket.socket, target: socket.socket) -> None:
    """Send what arrives, and say the end of it."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side has gone away: nothing more comes from it either.
        for one in (source, target):
            one.close()


class Apart(Deployed):
    """A deployment with subdomains, a wildcard certificate and user ids."""

    port = 0

    @property
    def files(self) -> Path:
        """The folder of the export that holds the file of user ids."""
        return self.homes.with_name(f"{self.homes.name}-files")

    def write(self, **changes: Any) -> None:
        """Write deploy.yaml, and the file of user ids."""
        super().write(**changes)
        data = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        data["nfs"]["courses_files"] = f"{self.export}-files"
        # The role of docs/hub.md, "Revoking a user".
        role = {"name": "kernelpod-admin", "users": [ADMIN]}
        data["hub"]["config"]["JupyterHub"] = {"load_roles": [role]}
        url = f"https://hub.localhost:{self.port}"
        data["hub"] |= {"url": url, "subdomains": True, "https_secret": "wildcard", "user_ids": "passwd"}
        self.file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")

    def publish(self) -> None:
        """Put kernelspecs and user ids on the NFS server."""
        super().publish()
        self.files.mkdir()
        lines = [f"{name}:x:{uid}:{gid}::/home/{name}:/bin/sh\n" for name, (uid, gid) in IDS.items()]
        (self.files / "passwd").write_text("".join(lines), encoding="utf-8")
        certificate(self.folder, "DNS:hub.localhost,DNS:*.hub.localhost,IP:127.0.0.1")
        space, pair = self.namespaces["hub"], (f"--cert={self.folder}/tls.crt", f"--key={self.folder}/tls.key")
        kube.kubectl("create", "namespace", space)
        kube.kubectl("create", "secret", "tls", "wildcard", "-n", space, *pair)

    def remove(self) -> None:
        """Remove everything, whatever state it is in."""
        super().remove()
        kube.kubectl("delete", "namespace", self.namespaces["hub"], "--ignore-not-found")
        shutil.rmtree(self.files)


@contextmanager
def forwarded(namespace: str) -> Iterator[int]:
    """Return a port of loopback that leads to the hub's service of a namespace."""
    with Forward(namespace) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.port
        server.shutdown()


@pytest.fixture(scope="module")
def site(need: Any) -> Iterator[Apart]:
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    apart = Apart(new_folder(), "pvc")
    with pytest.MonkeyPatch.context() as patched, forwarded(apart.namespaces["hub"]) as apart.port:
        patched.setenv("SSL_CERT_FILE", str(apart.folder / "ca.crt"))
        with deployed(apart):
            yield apart


def test_each_server_has_a_host(site: Apart) -> None:
    alice, bob = site.server("alice"), site.server("bob")
    assert [alice.server, bob.server] == [f"https://{name}.hub.localhost:{site.port}" for name in ("alice", "bob")]
    # By it, a logout at the hub ends the logins at all servers. It opens nothing.
    shared = {cookie.name for cookie in alice.session.cookies if cookie.domain_specified}
    assert shared <= {"jupyterhub-session-id"}
    assert bob.session.get(f"{alice.server}{alice.base}/api/contents", timeout=60).status_code == 403


def test_servers_kernels_and_files_have_the_user_id(site: Apart) -> None:
    for user in ("alice", "bob"):
        kernel = site.kernel(user)
        told = kernel.run("import os; open('mine', 'w').close(); print(os.getuid(), os.getgid())")
        kernel.close()
        assert tuple(int(word) for word in told.split()) == IDS[user]
        assert site.server(user).terminal("id -u") == str(IDS[user][0])
        for path in (site.home(user), site.home(user) / "mine"):
            assert (path.stat().st_uid, path.stat().st_gid) == IDS[user], path


def test_who_has_no_id_starts_nothing(site: Apart) -> None:
    with pytest.raises(KernelpodError, match=r"answered 403: .*You have no user id of your own"):
        site.browser("dave").spawn()
    assert [name for name in site.pods("hub") if "dave" in name] == []
    assert not site.home("dave").exists()


def test_a_home_is_made_ahead_of_time_on_the_claim(site: Apart, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("erin:x:20005:30005\n", encoding="utf-8")
    settings = {"hubs": [{"user_ids": str(tmp_path / "passwd")}], "homes": {"root": site.export}}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    claim = ("--pvc", "homes", "--namespace", site.namespaces["hub"], "--pod-image", IMAGES.format("gateway"))
    for command, state in (("check", "missing"), ("make", "made"), ("check", "ok")):
        words = ["homes", command, "--settings", str(tmp_path / "settings.yaml"), *claim, "--json"]
        done = CliRunner().invoke(main, words)
        assert [one["state"] for one in json.loads(done.output)["homes"]] == [state], done.output
    found = site.home("erin").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (20005, 30005, 0o700)
    assert [name for name in site.pods("hub") if name.startswith("homes-")] == []


def test_a_revoked_user_has_nothing(site: Apart, tmp_path: Path) -> None:
    """All that alice has ends; bob keeps his kernel."""
    kernel = site.kernel("alice", "revoked.ipynb")
    assert site.kernel_pods("alice")
    bob = site.kernel("bob", "kept.ipynb")
    token = site.browser(ADMIN).hub("POST", f"/users/{ADMIN}/tokens", {"note": "mine"}, ok=(201,)).json()["token"]
    hub = {"api_url": f"https://127.0.0.1:{site.port}/hub/api", "ca_file": os.environ["SSL_CERT_FILE"]}
    settings = {"hubs": [hub]}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (tmp_path / "token").write_text(token, encoding="utf-8")
    gateway = f"http://{service_address('kernelpod', site.namespaces['gateway'])}:8888"
    files = ("--settings", str(tmp_path / "settings.yaml"), "--token-file", str(tmp_path / "token"))
    said = CliRunner().invoke(main, ["users", "revoke", "alice", *files, "--gateway-url", gateway, "--json"])
    assert {one["outcome"] for one in json.loads(said.output)["steps"]} == {"done"}, said.output
    wait_until(lambda: not site.kernel_pods("alice"), "the end of alice's kernels")
    wait_until(lambda: "jupyter-alice" not in site.pods("hub"), "the end of alice's server")
    kernel.close()
    assert site.browsers.pop("alice").api("GET", "kernels").status_code in (403, 404, 424, 503)
    assert bob.run("print('still here')") == "still here\n"
    bob.close()
    again = Browser(site.url, "alice")
    again.login(site.password)
    site.browsers["alice"] = again
    again.spawn()
    lines = site.gateways_said()
    assert '"revoke' in lines, lines[-3000:]


def test_an_admin_revokes_on_the_hubs_page(site: Deployed) -> None:
    site.kernel("alice", "revoked-again.ipynb").close()
    page = site.browser(ADMIN).submit("/hub/kernelpod/revoke", user="alice").text
    told = dict(re.findall(r'data-step="(\w+)" data-outcome="(\w+)"', page))
    assert told == dict.fromkeys(("logins", "tokens", "servers", "gateway"), "done"), page
    wait_until(lambda: not site.kernel_pods("alice"), "the end of alice's kernels")
    wait_until(lambda: "jupyter-alice" not in site.pods("hub"), "the end of alice's server")
    site.browsers.pop("alice").close()
    lines = [line for line in site.gateways_said().splitlines() if '"revoke"' in line]
    assert f'"name": "{ADMIN}"' in lines[-1]
