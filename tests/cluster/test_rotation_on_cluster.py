"""`kernelpod hub secrets rotate` on a cluster: a kernel goes on, former secrets open nothing, the rest stays."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import kube
import pytest
import requests
import yaml
from click.testing import CliRunner
from deployed import ADMIN, Deployed, deployed, new_folder
from tries import service_address

from kernelpod.cli.main import main
from kernelpod.demo.client import Browser, wait_until
from kernelpod.deploy.rotation import ROTATING, SECRETS
from kernelpod.errors import KernelpodError
from kernelpod.grading.submissions.keys import read_keys
from kernelpod.grading.submissions.receipt import Receipt

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]
# Prints the status with which the proxy of the hub's pod answers to who asks for its routes.
ROUTES = """
import urllib.error, urllib.request
request = urllib.request.Request("http://127.0.0.1:8001/api/routes", headers={{"Authorization": "token {token}"}})
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


class Encrypting(Deployed):
    """A deployment whose hub encrypts what the authenticator knows of users."""

    def write(self, **changes: Any) -> None:
        """Write deploy.yaml, with that switched on."""
        super().write(**changes)
        data = yaml.safe_load(self.file.read_text(encoding="utf-8"))
        data["hub"]["config"]["Authenticator"] = {"enable_auth_state": True}
        self.file.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")

    def asked(self, token: str, path: str = "/user", method: str = "GET", body: Any = None) -> requests.Response:
        """Return what the hub's API answers to somebody with this token."""
        headers = {"Authorization": f"token {token}"}
        return requests.request(method, f"{self.url}/hub/api{path}", headers=headers, json=body, timeout=30)

    def routes(self, token: str) -> str:
        """Return the status of the proxy's answer to somebody with this token."""
        hub = ("-n", self.namespaces["hub"], "deployment/hub", "-c", "hub")
        return kube.kubectl("exec", *hub, "--", "python", "-c", ROUTES.format(token=token)).strip()

    def copy(self) -> str:
        """Return the gateway's copy of the service token."""
        space = self.namespaces["gateway"]
        secret = json.loads(kube.kubectl("get", "secret", "kernelpod-hub", "-n", space, "-o", "json"))
        return base64.b64decode(secret["data"]["token"]).decode()

    def note(self) -> str:
        """Return the names of secrets whose rotation is not complete."""
        text = kube.kubectl("get", "secret", "hub", "-n", self.namespaces["hub"], "-o", "json")
        return str(json.loads(text)["metadata"].get("annotations", {}).get(ROTATING, ""))


@dataclass
class Before:
    """What there was before the rotation."""

    secrets: dict[str, str]
    kernel_id: str
    pod: str
    pid: str
    tokens: dict[str, str]
    said: str
    """What the command printed."""


@pytest.fixture(scope="module")
def site(need: Any) -> Iterator[Encrypting]:
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    with deployed(Encrypting(new_folder(), "pvc")) as site:
        yield site


@pytest.fixture(scope="module")
def before(site: Encrypting) -> Before:
    """Everything is rotated while a kernel of alice runs; what was before is returned."""
    kernel = site.kernel("alice")
    pid = kernel.run("import os; x = 'still here'; print(os.getpid())").strip()
    kernel.close()
    tokens = {
        user: site.browser(user).hub("POST", f"/users/{user}/tokens", {"note": "mine"}, ok=(201,)).json()["token"]
        for user in ("alice", ADMIN)
    }
    answer = site.asked(tokens[ADMIN], "/users/bob", "PATCH", {"auth_state": {"refresh": "of bob"}})
    assert answer.status_code == 200, answer.text
    secrets = site.secret("hub")
    assert site.asked(secrets["service_token"]).json()["name"] == "kernelpod"
    assert site.routes(secrets["proxy_token"]) == "200"
    (pod,) = site.kernel_pods("alice")
    said = site.succeeded("hub secrets rotate", "--yes")
    return Before(secrets, kernel.kernel_id, pod["metadata"]["uid"], pid, tokens, said)


def test_a_kernel_goes_on(site: Encrypting, before: Before) -> None:
    (pod,) = site.kernel_pods("alice")
    assert pod["metadata"]["uid"] == before.pod
    alice = site.browser("alice")
    wait_until(lambda: alice.api("GET", "kernels").ok, "the way to her server, where she is logged in")
    kernel = alice.connect(before.kernel_id)
    assert kernel.run("print(x, os.getpid())").split() == ["still", "here", before.pid]
    kernel.close()


def test_all_are_new_and_in_use_and_none_is_printed(site: Encrypting, before: Before) -> None:
    now = site.secret("hub")
    assert [name for name in SECRETS if now[name] == before.secrets[name]] == []
    assert now["trial_password"] == before.secrets["trial_password"]
    assert now["crypt_key"].split(";")[1:] == [before.secrets["crypt_key"]]
    assert site.copy() == now["service_token"]
    assert site.note() == ""
    assert site.asked(now["service_token"]).json()["name"] == "kernelpod"
    assert site.routes(now["proxy_token"]) == "200"
    for value in (*before.secrets.values(), *now.values(), now["crypt_key"].split(";")[0]):
        assert value not in before.said
    gateway = site.gateways_said()
    assert "does not know the gateway's own token" not in gateway


def test_who_learned_a_former_token_cannot_use_it(site: Encrypting, before: Before) -> None:
    assert site.asked(before.secrets["service_token"]).status_code == 403
    assert site.routes(before.secrets["proxy_token"]) == "403"


def test_users_log_in_again_and_keep_their_api_tokens(site: Encrypting, before: Before) -> None:
    with pytest.raises(KernelpodError, match="answered 403"):
        site.browser("alice").hub("GET", "/user")
    assert site.asked(before.tokens["alice"]).json()["name"] == "alice"
    again = Browser(site.url, "alice")
    again.login(site.password)
    assert again.hub("GET", "/user").json()["name"] == "alice"
    again.close()


def test_what_was_encrypted_before_is_read(site: Encrypting, before: Before) -> None:
    answer = site.asked(before.tokens[ADMIN], "/users/bob")
    assert answer.json()["auth_state"] == {"refresh": "of bob"}


def test_the_gateway_asks_with_the_new_token(site: Encrypting, before: Before) -> None:
    """A kernel that her server does not know of is ended by the gateway alone, which asks the hub for servers."""
    token = site.browser("alice").terminal("echo $JUPYTER_GATEWAY_AUTH_TOKEN")
    gateway = f"http://{service_address('kernelpod', site.namespaces['gateway'])}:8888"
    headers = {"Authorization": f"token {token}"}
    started = requests.post(f"{gateway}/api/kernels", json={"name": "python-pod"}, headers=headers, timeout=60)
    assert started.status_code == 201, started.text
    # The hub stops her server first, and says 400 when that takes longer than it waits.
    wait_until(
        lambda: site.asked(before.tokens[ADMIN], "/users/alice", "DELETE").status_code == 204, "her deletion"
    )
    site.browsers.pop("alice").close()
    wait_until(lambda: not site.kernel_pods("alice"), "the end of alice's kernels")
    said = site.gateways_said()
    assert f"kernel {started.json()['id']} of hub:alice is ended: its server is gone" in said, said[-3000:]


def test_an_interrupted_rotation_is_completed(site: Encrypting, before: Before) -> None:
    """As if the command had ended behind the first step."""
    space, stored = site.namespaces["hub"], site.secret("hub")
    pods = set(site.pods("hub"))
    kube.kubectl("annotate", "secret", "hub", "-n", space, f"{ROTATING}=crypt_key")
    said = json.loads(site.succeeded("hub secrets rotate", "--only", "crypt_key", "--yes", "--json"))
    assert (said["ok"], {one["outcome"] for one in said["steps"]}) == (True, {"done"})
    assert site.secret("hub") == stored
    assert site.note() == ""
    assert {name for name in site.pods("hub") if name.startswith("hub-")}.isdisjoint(pods)


def test_it_is_deployed_and_works_as_before(site: Encrypting, before: Before) -> None:
    stored = site.secret("hub")
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")
    assert site.secret("hub") == stored


def test_a_receipt_of_before_verifies(tmp_path: Path) -> None:
    """Its key is a file of graders, which the same command rotates."""
    file, now = tmp_path / "receipts.key", datetime.now(timezone.utc)
    file.touch(mode=0o600)
    file.write_bytes(b"k" * 32)
    made = Receipt(
        course="ml", assignment="ps1", student="alice", submission="x", arrived=now, collected=now, files="f"
    ).signed(b"k" * 32)
    done = CliRunner().invoke(main, ["hub", "secrets", "rotate", "--receipt-key-file", str(file)])
    assert done.exit_code == 0, done.output
    assert read_keys(file).key != b"k" * 32
    assert read_keys(file).fault(made) is None
