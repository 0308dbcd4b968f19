"""The whole of it on a cluster: deployed by the command line, used by people through the hub."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kube
import pytest
import requests
import yaml
from deployed import ADMIN, NFS_SERVER, Deployed, deployed, new_folder

from kernelpod.demo.client import Browser, wait_until
from kernelpod.deploy.smoke import hub_answers
from kernelpod.errors import KernelpodError

pytestmark = pytest.mark.timeout(600)
# In a kernel or a server: prints for each place "open", "refused" or "dropped".
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def one(place):
    try:
        socket.create_connection(tuple(place), 3).close()
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "dropped"
with ThreadPoolExecutor() as pool:
    print(json.dumps(list(pool.map(one, json.loads({places!r})))))
"""


@pytest.fixture(scope="module")
def house(need: Any) -> Iterator[Deployed]:
    """A deployment whose homes are on a claim."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    with deployed(Deployed(new_folder(), "pvc")) as house:
        yield house


@pytest.fixture(autouse=True)
def report(request: pytest.FixtureRequest) -> Iterator[None]:
    """Say what the namespaces say when a test fails."""
    failed = request.session.testsfailed
    yield
    house = request.node.funcargs.get("house")
    if house and request.session.testsfailed > failed:
        print(house.report())


def tried(said: str) -> list[str]:
    """Return what TRY printed."""
    found: list[str] = json.loads(said[said.index("[") : said.index("]") + 1])
    return found


def service_address(name: str, namespace: str) -> str:
    """Return the address of a Service."""
    return kube.kubectl("get", "service", name, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")


def node_and_api_port() -> tuple[str, int]:
    """Return the address of a node that runs the API server, and the API server's port there."""
    text = kube.kubectl("get", "endpointslices", "kubernetes", "-n", "default", "-o", "json")
    found = json.loads(text)
    return found["endpoints"][0]["addresses"][0], found["ports"][0]["port"]


def test_a_kernel_is_one_pod_among_kernels_and_none_in_the_hub(house: Deployed) -> None:
    house.server("alice")
    before = set(house.pods("kernels")), set(house.pods("hub")), set(house.pods("gateway"))
    kernel = house.kernel("alice")
    assert len(set(house.pods("kernels")) - before[0]) == 1
    assert (set(house.pods("hub")), set(house.pods("gateway"))) == before[1:]
    assert kernel.run("6 * 7") == "42"
    kernel.close()
    assert house.browser("alice").api("DELETE", f"kernels/{kernel.kernel_id}").status_code == 204
    wait_until(lambda: not house.kernel_pods("alice"), "the end of the kernel's pod")


def test_server_kernel_and_nfs_server_have_the_same_home(house: Deployed) -> None:
    alice, kernel = house.server("alice"), house.kernel("alice")
    kernel.run("open('of kernel', 'w').write('grüße')")
    assert alice.api("GET", "contents/of kernel?type=file&format=text").json()["content"] == "grüße"
    body = {"type": "file", "format": "text", "content": "zurück"}
    assert alice.api("PUT", "contents/of server", body).status_code == 201
    assert kernel.run("print(open('of server').read(), end='')") == "zurück"
    assert house.over_nfs("alice/of kernel").decode() == "grüße"
    places = kernel.run("import os; print(os.getcwd(), os.getuid(), os.getgid())").strip()
    assert places == alice.terminal("echo $PWD $(id -u) $(id -g)") == "/home/jovyan 1000 100"
    owner = house.home("alice").stat()
    assert (owner.st_uid, owner.st_gid, owner.st_mode & 0o777) == (1000, 100, 0o700)
    kernel.close()


def test_nobody_sees_another_home(house: Deployed) -> None:
    house.server("alice")
    kernel = house.kernel("bob")
    (house.home("bob") / "bob was here").touch()
    look = "find / -xdev -name 'bob was here' -o -name 'of kernel' 2>/dev/null; ls -A /home"
    code = (
        f"import subprocess; print(subprocess.run(['sh', '-c', {look!r}], capture_output=True, text=True).stdout)"
    )
    mounts = "import re; print([line for line in open('/proc/mounts') if 'homes' in line.split()[1]])"
    assert kernel.run(code).split("\n")[:-2] == ["jovyan"]
    assert kernel.run(mounts).strip() == "[]"
    assert house.browser("bob").terminal(look).split() == ["jovyan"]
    assert "bob was here" in kernel.run("import os; print(os.listdir('.'))")
    kernel.close()


@pytest.mark.parametrize("name", ["john.doe", "Ünal", "a@b.org"])
def test_server_and_kernel_agree_on_the_home_of_every_name(house: Deployed, name: str) -> None:
    user = name.lower()
    kernel = house.kernel(user)
    kernel.run("open('who', 'w').write('me')")
    assert house.browser(user).api("GET", "contents/who?type=file&format=text").json()["content"] == "me"
    assert (house.home(user) / "who").read_text() == "me"
    kernel.close()
    house.browser(user).stop_server()


def test_two_people_start_at_once(house: Deployed) -> None:
    found: dict[str, str] = {}

    def start(user: str) -> None:
        kernel = house.kernel(user)
        found[user] = kernel.run("import os; print(os.environ['KERNEL_USERNAME'])").strip()
        kernel.close()

    threads = [threading.Thread(target=start, args=(user,)) for user in ("dave", "erin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert found == {"dave": "dave", "erin": "erin"}
    for user in found:
        house.browser(user).stop_server()


def test_a_stopped_server_takes_its_kernels_and_leaves_the_files(house: Deployed) -> None:
    kernels = [house.kernel("frank", f"{number}.ipynb") for number in range(3)]
    kernels[0].run("open('left', 'w').write('behind')")
    for kernel in kernels:
        kernel.close()
    assert len(house.kernel_pods("frank")) == 3
    house.browser("frank").stop_server()
    wait_until(lambda: not house.kernel_pods("frank"), "the end of the kernels' pods")
    assert "jupyter-frank" not in house.pods("hub")
    for where in ("hub", "kernels"):
        assert "homes" in kube.names("persistentvolumeclaims", house.namespaces[where])
    kernel = house.kernel("frank")
    assert kernel.run("print(open('left').read())").strip() == "behind"
    kernel.close()
    house.browser("frank").stop_server()


def test_servers_and_kernels_survive_a_restart_of_the_hub(house: Deployed) -> None:
    kernel = house.kernel("alice", "long.ipynb")
    kernel.run("x = 'still here'")
    kernel.close()
    (old,) = [name for name in house.pods("hub") if name.startswith("hub-")]
    space = house.namespaces["hub"]
    kube.kubectl("delete", "pod", old, "-n", space)
    alice = house.browser("alice")
    wait_until(lambda: hub_answers(house.url) and alice.api("GET", "kernels").ok, "the way to her server")
    again = house.browser("alice").connect(kernel.kernel_id)
    assert again.run("print(x)").strip() == "still here"
    again.close()
    house.kernel("alice", "after.ipynb").close()


def test_a_missing_home_is_said_within_five_seconds(house: Deployed) -> None:
    bob = house.server("bob")
    shutil.rmtree(house.home("bob"))
    began = time.monotonic()
    body = {"path": "b.ipynb", "name": "b", "type": "notebook", "kernel": {"name": "python-pod"}}
    answer = bob.api("POST", "sessions", body)
    took = time.monotonic() - began
    assert answer.status_code >= 400
    assert "home" in answer.json()["message"], answer.text
    assert f"{house.export}/bob" in answer.json()["message"], answer.text
    assert took < 5, took
    assert not house.home("bob").exists()
    bob.stop_server()
    house.kernel("bob").close()


def test_a_home_of_somebody_else_is_not_taken(house: Deployed) -> None:
    house.browser("dave").stop_server()
    shutil.rmtree(house.home("dave"), ignore_errors=True)
    house.home("dave").mkdir()
    shutil.chown(house.home("dave"), 4242, 100)
    try:
        with pytest.raises(KernelpodError, match="belongs to the user id 4242"):
            house.server("dave")
        assert house.home("dave").stat().st_uid == 4242
    finally:
        shutil.rmtree(house.home("dave"))


def test_kernels_of_a_deleted_user_are_ended(house: Deployed) -> None:
    """The kernel is one her server does not know of, so that nobody but the gateway can end it."""
    erin, carol = house.server("erin"), house.browser(ADMIN)
    token = erin.terminal("echo $JUPYTER_GATEWAY_AUTH_TOKEN")
    gateway = f"http://{service_address('kernelpod', house.namespaces['gateway'])}:8888"
    answer = requests.post(
        f"{gateway}/api/kernels",
        json={"name": "python-pod"},
        headers={"Authorization": f"token {token}"},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    carol.hub("DELETE", "/users/erin", ok=(204,))
    wait_until(lambda: "jupyter-erin" not in house.pods("hub"), "the end of erin's server")
    wait_until(lambda: not house.kernel_pods("erin"), "the end of erin's kernel")
    said = kube.kubectl("logs", "deployment/kernelpod", "-n", house.namespaces["gateway"])
    assert f"kernel {answer.json()['id']} of hub:erin is ended: its server is gone" in said, said[-3000:]
    del house.browsers["erin"]


def test_kernels_and_servers_reach_only_what_they_may(house: Deployed) -> None:
    """Real packets from real pods; from the node the same places answer."""
    gateway = kube.items("pods", house.namespaces["gateway"])[0]["status"]["podIP"]
    api = service_address("kubernetes", "default")
    node, port = node_and_api_port()
    hub = service_address("hub", house.namespaces["hub"])
    closed = [
        [NFS_SERVER, 2049],
        [node, port],
        [node, 10250],
        [api, 443],
        ["169.254.169.254", 80],
        [gateway, 9999],
    ]
    for place in closed[:4]:
        socket.create_connection((str(place[0]), int(place[1])), 5).close()
    kernel = house.kernel("alice")
    places = [*closed, [gateway, 8888], [hub, 8081]]
    assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == ["dropped"] * len(places)
    kernel.close()
    script = base64.b64encode(TRY.format(places=json.dumps(places)).encode()).decode()
    said = house.browser("alice").terminal(f"echo {script} | base64 -d | python3 -")
    assert tried(said) == ["dropped"] * len(closed) + ["open", "open"]


def test_another_users_server_is_not_reached(house: Deployed) -> None:
    house.server("bob")
    (pod,) = [
        pod for pod in kube.items("pods", house.namespaces["hub"]) if pod["metadata"]["name"] == "jupyter-bob"
    ]
    places = [[pod["status"]["podIP"], 8888]]
    kernel = house.kernel("alice")
    assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == ["dropped"]
    kernel.close()


def test_nobody_gets_in_who_is_not_named(house: Deployed) -> None:
    with pytest.raises(KernelpodError, match="login of mallory answered 403"):
        Browser(house.url, "mallory").login(house.password)
    with pytest.raises(KernelpodError, match="login of alice answered 403"):
        Browser(house.url, "alice").login("guess")


def test_deploying_again_changes_no_token_and_keeps_kernels(house: Deployed) -> None:
    kernel = house.kernel("alice", "kept.ipynb")
    kernel.run("y = 'kept'")
    kernel.close()
    tokens = house.secret("hub")
    hub = json.loads(house.succeeded("status", "--json"))
    assert hub["problems"] == []
    assert "smoke: passed" in house.succeeded("upgrade", "--yes")
    assert house.secret("hub") == tokens
    again = house.browser("alice").connect(kernel.kernel_id)
    assert again.run("print(y)").strip() == "kept"
    again.close()


def test_a_smoke_test_ends_nobody_s_server(house: Deployed) -> None:
    kernel = house.kernel("alice", "smoke.ipynb")
    house.write(smoke={"user": "alice"})
    try:
        done = house.run("smoke")
    finally:
        house.write()
    assert done.returncode == 1
    assert "name somebody else in smoke.user" in done.stderr
    assert kernel.run("print('here')").strip() == "here"
    kernel.close()


def test_rollback_takes_hub_and_gateway_one_step_back(house: Deployed) -> None:
    before = house.secret("hub-config")
    data = yaml.safe_load(house.file.read_text(encoding="utf-8"))
    house.write(hub={**data["hub"], "users": ["alice"]}, values={"podLabels": {"step": "two"}})
    try:
        house.succeeded("upgrade", "--yes")
        assert house.secret("hub-config") != before
        assert kube.names("pods", house.namespaces["gateway"], "step=two")
        house.succeeded("rollback", "--yes")
        assert house.secret("hub-config") == before
        wait_until(lambda: not kube.names("pods", house.namespaces["gateway"], "step=two"), "the former gateway")
        assert "smoke: passed" in house.succeeded("smoke")
    finally:
        house.write()


def test_a_network_that_is_not_enforced_must_be_accepted(house: Deployed) -> None:
    """Without the chart's policies it is as on a cluster that ignores them."""
    house.write(values={"networkPolicy": {"enabled": False}})
    try:
        done = house.run("upgrade", "--yes")
        assert done.returncode == 1
        assert "a kernel reaches the API server, the gateway, the NFS server" in done.stderr
        house.write(values={"networkPolicy": {"enabled": False}}, allow_unenforced_network=True)
        assert "smoke: passed" in house.succeeded("smoke")
    finally:
        house.write()
    assert "smoke: passed" in house.succeeded("upgrade", "--yes")


def test_a_hub_whose_namespace_was_deleted_by_hand_comes_back(house: Deployed) -> None:
    """Its volumes are bound to claims that are gone, and the gateway has a token of the former hub."""
    space = house.namespaces["hub"]
    house.server("alice")
    (house.home("alice") / "of before").touch()
    # Servers have half a minute to end; nobody here needs it.
    kube.kubectl("delete", "pods", "--all", "-n", space, "--grace-period=1", "--wait=false")
    kube.kubectl("delete", "namespace", space, "--timeout=100s")
    said = house.succeeded("deploy", "--yes")
    for volume in (f"{space}-homes", f"{space}-database"):
        assert f"volume {volume}, freed of a claim that is gone" in said
    assert "smoke: passed" in said
    assert "kernelpod-homes" not in said, "the kernels' volume is bound to a living claim"
    for browser in house.browsers.values():
        browser.close()
    house.browsers.clear()
    house.see(said)
    assert house.server("alice").api("GET", "contents/of before?content=0").status_code == 200
    copy = kube.items("secrets", house.namespaces["gateway"], "app.kubernetes.io/managed-by=kernelpod-deploy")
    token = base64.b64decode(copy[0]["data"]["token"]).decode()
    assert token == house.secret("hub")["service_token"]
    assert "freed" not in house.succeeded("deploy", "--dry-run")


def certificate(folder: Path, address: str) -> None:
    """Write an authority, and a certificate of an address that it has signed, into a folder."""
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE"]
    named = ["-addext", f"subjectAltName=IP:{address}"]
    for name, more in (("ca", []), ("tls", [*signed, *named])):
        out = ["-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-days", "2"]
        subprocess.run([*request, *out, *more], cwd=folder, check=True, capture_output=True, timeout=60)


def test_people_come_by_https_with_the_certificate_of_a_secret(
    house: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this deployment: its hub goes on like that, at another address."""
    space, hub = house.namespaces["hub"], yaml.safe_load(house.file.read_text(encoding="utf-8"))["hub"]
    house.write(hub={**hub, "https_secret": "hub-tls"})
    asked = f"kubectl create secret tls hub-tls -n {space} --cert=tls.crt --key=tls.key"
    assert house.run("upgrade", "--yes").stderr.rstrip().endswith(f"Run:\n  {asked}")
    assert hub_answers(house.url)
    certificate(tmp_path, str(urlsplit(house.url).hostname))
    subprocess.run(asked.split(), cwd=tmp_path, check=True, timeout=60)
    done = house.run("upgrade", "--yes")
    assert done.returncode == 1
    assert "is not trusted: certificate verify failed: unable to get local issuer certificate" in done.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    assert "smoke: passed" in house.succeeded("smoke")
    url = json.loads(house.succeeded("status", "--json"))["url"]
    with closing(Browser(url, "alice")) as alice:
        alice.login(house.password)
        assert url.startswith("https://")
        assert all(cookie.secure for cookie in alice.session.cookies if cookie.name != "_xsrf")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"homess": "pvc"}, "homess"),
    ({"settings": {"servers": {"orphan_second": 5}}}, "settings.servers.orphan_second"),
    ({"values": {"imagee": {}}}, "imagee"),
    ({"values": {"kernelspecs": {"source": "image"}}}, "kernelspecs.volume"),
]


@pytest.mark.parametrize(("change", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_a_typo_is_refused_before_anything_is_applied(
    need: Any, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    house = Deployed(tmp_path, "pvc")
    house.write(**change)
    done = house.run("deploy", "--yes")
    spaces = kube.kubectl("get", "namespaces", *house.namespaces.values(), "-o", "name", "--ignore-not-found")
    kube.kubectl("delete", "namespaces", *house.namespaces.values(), "--ignore-not-found")
    assert spaces == ""
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert "Traceback" not in done.stderr
