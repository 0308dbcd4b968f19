"""The whole of it on a cluster: deployed by the command line, used by people through the hub."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kube
import pytest
import requests
import yaml
from deployed import ADMIN, NFS_SERVER, Deployed, certificate, deployed, new_folder
from rig.netpol import ipv6_of
from tries import TRY, answering, ipv6, node_and_api_port, service_address, tried

from kernelpod.base.names import LABEL_KERNEL_ID
from kernelpod.demo.client import Browser, wait_until
from kernelpod.demo.watch import Watch
from kernelpod.deploy.smoke import hub_answers
from kernelpod.errors import KernelpodError

# Of Amazon, Google and most others, Azure, Oracle and Alibaba; and the relay of 6to4.
METADATA = ("169.254.169.254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "192.88.99.1")
ORDINARY = "203.0.113.7"
METADATA_6 = (
    "fd00:ec2::254",
    "fd20:ce::254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001::1",
)
"""Metadata services, and all of IPv4 by translation and tunnels."""
ORDINARY_6 = "2606:2800::7"
INTERNAL_6 = "fd12:3456::1"
pytestmark = [pytest.mark.deployment, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def site(need: Any) -> Iterator[Deployed]:
    """A deployment with two gateways, whose homes are on a claim."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    requests = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    with deployed(Deployed(new_folder(), "pvc", {"replicaCount": 2, "resources": requests})) as site:
        yield site


def test_a_kernel_is_one_pod_among_kernels_and_none_in_the_hub(site: Deployed) -> None:
    site.server("alice")
    before = set(site.pods("kernels")), set(site.pods("hub")), set(site.pods("gateway"))
    kernel = site.kernel("alice")
    assert len(set(site.pods("kernels")) - before[0]) == 1
    assert (set(site.pods("hub")), set(site.pods("gateway"))) == before[1:]
    assert kernel.run("6 * 7") == "42"
    kernel.close()
    assert site.browser("alice").api("DELETE", f"kernels/{kernel.kernel_id}").status_code == 204
    wait_until(lambda: not site.kernel_pods("alice"), "the end of the kernel's pod")


def test_server_kernel_and_nfs_server_have_the_same_home(site: Deployed) -> None:
    alice, kernel = site.server("alice"), site.kernel("alice")
    kernel.run("open('of kernel', 'w').write('grüße')")
    assert alice.api("GET", "contents/of kernel?type=file&format=text").json()["content"] == "grüße"
    body = {"type": "file", "format": "text", "content": "zurück"}
    assert alice.api("PUT", "contents/of server", body).status_code == 201
    assert kernel.run("print(open('of server').read(), end='')") == "zurück"
    assert site.over_nfs("alice/of kernel").decode() == "grüße"
    places = kernel.run("import os; print(os.getcwd(), os.getuid(), os.getgid())").strip()
    assert places == alice.terminal("echo $PWD $(id -u) $(id -g)") == "/home/jovyan 1000 100"
    owner = site.home("alice").stat()
    assert (owner.st_uid, owner.st_gid, owner.st_mode & 0o777) == (1000, 100, 0o700)
    kernel.close()


def test_nobody_sees_another_home(site: Deployed) -> None:
    site.server("alice")
    kernel = site.kernel("bob")
    (site.home("bob") / "bob was here").touch()
    look = "find / -xdev -name 'bob was here' -o -name 'of kernel' 2>/dev/null; ls -A /home"
    code = (
        f"import subprocess; print(subprocess.run(['sh', '-c', {look!r}], capture_output=True, text=True).stdout)"
    )
    mounts = "import re; print([line for line in open('/proc/mounts') if 'homes' in line.split()[1]])"
    assert kernel.run(code).split("\n")[:-2] == ["jovyan"]
    assert kernel.run(mounts).strip() == "[]"
    assert site.browser("bob").terminal(look).split() == ["jovyan"]
    assert "bob was here" in kernel.run("import os; print(os.listdir('.'))")
    kernel.close()


@pytest.mark.parametrize("name", ["john.doe", "Ünal", "a@b.org"])
def test_server_and_kernel_agree_on_the_home_of_every_name(site: Deployed, name: str) -> None:
    user = name.lower()
    kernel = site.kernel(user)
    kernel.run("open('who', 'w').write('me')")
    assert site.browser(user).api("GET", "contents/who?type=file&format=text").json()["content"] == "me"
    assert (site.home(user) / "who").read_text() == "me"
    kernel.close()
    site.browser(user).stop_server()


def test_two_people_start_at_once(site: Deployed) -> None:
    found: dict[str, str] = {}

    def start(user: str) -> None:
        kernel = site.kernel(user)
        found[user] = kernel.run("import os; print(os.environ['KERNEL_USERNAME'])").strip()
        kernel.close()

    threads = [threading.Thread(target=start, args=(user,)) for user in ("dave", "erin")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert found == {"dave": "dave", "erin": "erin"}
    for user in found:
        site.browser(user).stop_server()


def test_a_stopped_server_takes_its_kernels_and_leaves_the_files(site: Deployed) -> None:
    kernels = [site.kernel("frank", f"{number}.ipynb") for number in range(3)]
    kernels[0].run("open('left', 'w').write('behind')")
    for kernel in kernels:
        kernel.close()
    assert len(site.kernel_pods("frank")) == 3
    site.browser("frank").stop_server()
    wait_until(lambda: not site.kernel_pods("frank"), "the end of the kernels' pods")
    assert "jupyter-frank" not in site.pods("hub")
    for where in ("hub", "kernels"):
        assert "homes" in kube.names("persistentvolumeclaims", site.namespaces[where])
    kernel = site.kernel("frank")
    assert kernel.run("print(open('left').read())").strip() == "behind"
    kernel.close()
    site.browser("frank").stop_server()


def test_servers_and_kernels_survive_a_restart_of_the_hub(site: Deployed) -> None:
    kernel = site.kernel("alice", "long.ipynb")
    kernel.run("x = 'still here'")
    kernel.close()
    (old,) = [name for name in site.pods("hub") if name.startswith("hub-")]
    space = site.namespaces["hub"]
    kube.kubectl("delete", "pod", old, "-n", space)
    alice = site.browser("alice")
    wait_until(lambda: hub_answers(site.url) and alice.api("GET", "kernels").ok, "the way to her server")
    again = site.browser("alice").connect(kernel.kernel_id)
    assert again.run("print(x)").strip() == "still here"
    again.close()

    def started() -> bool:
        """Start a kernel, unless the gateway has asked the hub while it was away, and waits to ask again."""
        try:
            site.kernel("alice", "after.ipynb").close()
        except KernelpodError as error:
            if "The hub does not answer" not in error.message:
                raise
            return False
        return True

    wait_until(started, "a start after the restart")


PRINT_UNTIL = """
import os, time
line = 0
while not os.path.exists("replaced"):
    print(line, flush=True)
    line += 1
    time.sleep(0.05)
"""


def test_that_gateways_are_replaced_is_not_noticed(site: Deployed) -> None:
    kernel = site.kernel("alice", "rollout.ipynb")
    asked = kernel.begin(PRINT_UNTIL)
    site.server("bob")
    replaced, started = threading.Event(), []

    def start_kernels() -> None:
        while not replaced.is_set():
            other = site.kernel("bob", f"{len(started)}.ipynb")
            started.append(other.run("6 * 7"))
            other.close()
            assert site.browser("bob").api("DELETE", f"kernels/{other.kernel_id}").status_code == 204

    space, old = site.namespaces["gateway"], site.pods("gateway")
    with ThreadPoolExecutor(1) as pool:
        starts = pool.submit(start_kernels)
        try:
            kube.kubectl("rollout", "restart", "deployment", "-n", space)
            kube.kubectl("rollout", "status", "deployment", "-n", space, "--timeout=180s")
            for name in old:
                kube.kubectl("wait", "--for=delete", f"pod/{name}", "-n", space, "--timeout=120s", check=False)
        finally:
            replaced.set()
            (site.home("alice") / "replaced").touch()
        starts.result()
    assert len(started) > 1
    assert set(started) == {"42"}
    lines = kernel.finish(asked).split()
    assert lines == [str(number) for number in range(len(lines))]
    assert kernel.run("print(line)").strip() == str(len(lines))
    kernel.close()
    assert site.browser("alice").api("DELETE", f"kernels/{kernel.kernel_id}").status_code == 204


def test_a_missing_home_is_said_within_five_seconds(site: Deployed) -> None:
    bob = site.server("bob")
    shutil.rmtree(site.home("bob"))
    watch = Watch()
    body = {"path": "b.ipynb", "name": "b", "type": "notebook", "kernel": {"name": "python-pod"}}
    answer = bob.api("POST", "sessions", body)
    assert answer.status_code >= 400
    assert "home" in answer.json()["message"], answer.text
    assert f"{site.export}/bob" in answer.json()["message"], answer.text
    watch.within(5)
    assert not site.home("bob").exists()
    bob.stop_server()
    site.kernel("bob").close()


def test_a_home_of_somebody_else_is_not_taken(site: Deployed) -> None:
    site.browser("dave").stop_server()
    shutil.rmtree(site.home("dave"), ignore_errors=True)
    site.home("dave").mkdir()
    shutil.chown(site.home("dave"), 4242, 100)
    try:
        with pytest.raises(KernelpodError, match="belongs to user id 4242"):
            site.server("dave")
        assert site.home("dave").stat().st_uid == 4242
    finally:
        shutil.rmtree(site.home("dave"))


def test_kernels_of_a_deleted_user_are_ended(site: Deployed) -> None:
    """The kernel is one her server does not know of, so that nobody but the gateway can end it."""
    erin, carol = site.server("erin"), site.browser(ADMIN)
    token = erin.terminal("echo $JUPYTER_GATEWAY_AUTH_TOKEN")
    gateway = f"http://{service_address('kernelpod', site.namespaces['gateway'])}:8888"
    answer = requests.post(
        f"{gateway}/api/kernels",
        json={"name": "python-pod"},
        headers={"Authorization": f"token {token}"},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    # The hub stops her server first, and says 400 when that takes longer than it waits.
    wait_until(lambda: carol.hub("DELETE", "/users/erin", ok=(204, 400)).status_code == 204, "her deletion")
    wait_until(lambda: "jupyter-erin" not in site.pods("hub"), "the end of erin's server")
    wait_until(lambda: not site.kernel_pods("erin"), "the end of erin's kernel")
    said = site.gateways_said()
    assert f"kernel {answer.json()['id']} of hub:erin is ended: its server is gone" in said, said[-3000:]
    del site.browsers["erin"]


def test_kernels_and_servers_reach_only_what_they_may(site: Deployed) -> None:
    """Real packets from real pods; from the node the same places answer."""
    gateway = kube.items("pods", site.namespaces["gateway"])[0]["status"]["podIP"]
    api = service_address("kubernetes", "default")
    node, port = node_and_api_port()
    hub = service_address("hub", site.namespaces["hub"])
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
    kernel = site.kernel("alice")
    places = [*closed, [gateway, 8888], [hub, 8081]]
    assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == ["dropped"] * len(places)
    kernel.close()
    script = base64.b64encode(TRY.format(places=json.dumps(places)).encode()).decode()
    said = site.browser("alice").terminal(f"echo {script} | base64 -d | python3 -")
    assert tried(said) == ["dropped"] * len(closed) + ["open", "open"]


def test_metadata_services_of_clouds_are_not_reached(site: Deployed, need: Any) -> None:
    """Real packets, to a machine that has these addresses; one like any other of the internet is reached."""
    need(os.environ["KUBECONFIG"].endswith("admin.kubeconfig"), "the test cluster", "make test-cluster")
    with answering([*METADATA, ORDINARY]) as port:
        places = [[address, port] for address in (*METADATA, ORDINARY)]
        for address, _ in places:
            socket.create_connection((address, port), 5).close()
        wanted = ["dropped"] * len(METADATA) + ["open"]
        kernel = site.kernel("alice", "metadata.ipynb")
        assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == wanted
        kernel.close()
        script = base64.b64encode(TRY.format(places=json.dumps(places)).encode()).decode()
        assert tried(site.browser("alice").terminal(f"echo {script} | base64 -d | python3 -")) == wanted


def test_ipv6_opens_nothing_that_is_closed_otherwise(site: Deployed, need: Any) -> None:
    """Real packets. Kernels and servers with IPv6 as well reach the internet by it, and nothing else."""
    need(os.environ["KUBECONFIG"].endswith("admin.kubeconfig"), "the test cluster", "make test-cluster")
    server, other = site.server_address("alice"), site.server_address("bob")
    kernel = site.kernel("alice", "six.ipynb")
    found = kube.items("pods", site.namespaces["kernels"], f"{LABEL_KERNEL_ID}={kernel.kernel_id}")
    (own,) = [str(one["status"]["podIP"]) for one in found]
    with ipv6(own, server, other), answering([*METADATA_6, ORDINARY_6, INTERNAL_6]) as port:
        places = [[address, port] for address in (*METADATA_6, ORDINARY_6, INTERNAL_6)]
        for address, _ in places:
            socket.create_connection((address, port), 5).close()
        with pytest.raises(ConnectionRefusedError):  # it listens on IPv4 alone, but is there
            socket.create_connection((ipv6_of(other), 8888), 5)
        places = [*places, [ipv6_of(other), 8888]]
        wanted = ["dropped"] * len(METADATA_6) + ["open", "dropped", "dropped"]
        assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == wanted
        script = base64.b64encode(TRY.format(places=json.dumps(places)).encode()).decode()
        assert tried(site.browser("alice").terminal(f"echo {script} | base64 -d | python3 -")) == wanted
    kernel.close()


def test_another_users_server_is_not_reached(site: Deployed) -> None:
    places = [[site.server_address("bob"), 8888]]
    kernel = site.kernel("alice")
    assert tried(kernel.run(TRY.format(places=json.dumps(places)))) == ["dropped"]
    kernel.close()


def test_nobody_gets_in_who_is_not_named(site: Deployed) -> None:
    with pytest.raises(KernelpodError, match="login of mallory answered 403"):
        Browser(site.url, "mallory").login(site.password)
    with pytest.raises(KernelpodError, match="login of alice answered 403"):
        Browser(site.url, "alice").login("guess")


def test_deploying_again_changes_no_token_and_keeps_kernels(site: Deployed) -> None:
    kernel = site.kernel("alice", "kept.ipynb")
    kernel.run("y = 'kept'")
    kernel.close()
    tokens = site.secret("hub")
    hub = json.loads(site.succeeded("status", "--json"))
    assert hub["problems"] == []
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")
    assert site.secret("hub") == tokens
    again = site.browser("alice").connect(kernel.kernel_id)
    assert again.run("print(y)").strip() == "kept"
    again.close()


def test_a_smoke_test_ends_nobody_s_server(site: Deployed) -> None:
    kernel = site.kernel("alice", "smoke.ipynb")
    site.write(smoke={"user": "alice"})
    try:
        done = site.run("smoke")
    finally:
        site.write()
    assert done.returncode == 1
    assert "Set smoke.user to another user" in done.stderr
    assert kernel.run("print('here')").strip() == "here"
    kernel.close()


def test_rollback_takes_hub_and_gateway_one_step_back(site: Deployed) -> None:
    before = site.secret("hub-config")
    data = yaml.safe_load(site.file.read_text(encoding="utf-8"))
    site.write(hub={**data["hub"], "users": ["alice"]}, values={"podLabels": {"step": "two"}})
    try:
        site.succeeded("upgrade", "--yes")
        assert site.secret("hub-config") != before
        assert kube.names("pods", site.namespaces["gateway"], "step=two")
        site.succeeded("rollback", "--yes")
        assert site.secret("hub-config") == before
        wait_until(lambda: not kube.names("pods", site.namespaces["gateway"], "step=two"), "the former gateway")
        assert "smoke: passed" in site.succeeded("smoke")
    finally:
        site.write()


def test_a_network_that_is_not_enforced_must_be_accepted(site: Deployed) -> None:
    """Without the chart's policies it is as on a cluster that ignores them."""
    site.write(values={"networkPolicy": {"enabled": False}})
    try:
        done = site.run("upgrade", "--yes")
        assert done.returncode == 1
        assert "a kernel can reach the API server, the gateway, the NFS server" in done.stderr
        site.write(values={"networkPolicy": {"enabled": False}}, allow_unenforced_network=True)
        assert "smoke: passed" in site.succeeded("smoke")
    finally:
        site.write()
    assert "smoke: passed" in site.succeeded("upgrade", "--yes")


def test_a_hub_whose_namespace_was_deleted_by_hand_comes_back(site: Deployed) -> None:
    """Its volumes are bound to claims that are gone, and the gateway has a token of the former hub."""
    space = site.namespaces["hub"]
    site.server("alice")
    (site.home("alice") / "of before").touch()
    # Servers have half a minute to end; nobody here needs it.
    kube.kubectl("delete", "pods", "--all", "-n", space, "--grace-period=1", "--wait=false")
    kube.kubectl("delete", "namespace", space, "--timeout=200s")
    said = site.succeeded("deploy", "--yes")
    for volume in (f"{space}-homes", f"{space}-database"):
        assert f"volume {volume} freed, since its claim was deleted" in said
    assert "smoke: passed" in said
    assert "kernelpod-homes" not in said, "the kernels' volume is bound to a living claim"
    for browser in site.browsers.values():
        browser.close()
    site.browsers.clear()
    site.see(said)
    assert site.server("alice").api("GET", "contents/of before?content=0").status_code == 200
    copy = kube.items("secrets", site.namespaces["gateway"], "app.kubernetes.io/managed-by=kernelpod-deploy")
    token = base64.b64decode(copy[0]["data"]["token"]).decode()
    assert token == site.secret("hub")["service_token"]
    assert "freed" not in site.succeeded("deploy", "--dry-run")


def test_people_come_by_https_with_the_certificate_of_a_secret(
    site: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this deployment: its hub goes on like that, at another address."""
    space, hub = site.namespaces["hub"], yaml.safe_load(site.file.read_text(encoding="utf-8"))["hub"]
    site.write(hub={**hub, "https_secret": "hub-tls"})
    asked = f"kubectl create secret tls hub-tls -n {space} --cert=tls.crt --key=tls.key"
    assert site.run("upgrade", "--yes").stderr.rstrip().endswith(f"Run:\n  {asked}")
    assert hub_answers(site.url)
    certificate(tmp_path, f"IP:{urlsplit(site.url).hostname}")
    subprocess.run(asked.split(), cwd=tmp_path, check=True, timeout=60)
    done = site.run("upgrade", "--yes")
    assert done.returncode == 1
    assert "is not trusted: certificate verify failed: unable to get local issuer certificate" in done.stderr
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    assert "smoke: passed" in site.succeeded("smoke")
    url = json.loads(site.succeeded("status", "--json"))["url"]
    with closing(Browser(url, "alice")) as alice:
        alice.login(site.password)
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
    site = Deployed(tmp_path, "pvc")
    site.write(**change)
    done = site.run("deploy", "--yes")
    spaces = kube.kubectl("get", "namespaces", *site.namespaces.values(), "-o", "name", "--ignore-not-found")
    kube.kubectl("delete", "namespaces", *site.namespaces.values(), "--ignore-not-found")
    assert spaces == ""
    assert done.returncode in (1, 2)
    assert named in done.stderr
    assert "Traceback" not in done.stderr
