"""Executors of Spark on a real cluster: two users' kernels of one kernelspec, each with the token in its pod.

The code in the kernels does what Spark does, and what a user may try instead of it.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kube
import pytest
import yaml
from cluster_site import IMAGES, MakeSite, Site

from doubles import eventually
from kernelpod.base import names

pytestmark = pytest.mark.timeout(300)
CHART = Path(__file__).parents[2] / "charts/kernelpod"
TEMPLATES = [f"templates/executors/{part}.yaml" for part in ("admission", "namespaces", "networkpolicy")]
FORBIDDEN, CREATED, OK = 403, 201, 200
# A request to the API server from inside of a kernel's pod, as itself.
ASK = """
import json, os, socket, ssl, urllib.error, urllib.request
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
API = "https://{KUBERNETES_SERVICE_HOST}:{KUBERNETES_SERVICE_PORT}/api/v1/namespaces/".format(**os.environ)
def ask(method, path, body=None):
    trusted = ssl.create_default_context(cafile=f"{TOKEN}/ca.crt")
    head = {"Authorization": "Bearer " + open(f"{TOKEN}/token").read(), "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, head, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60, context=trusted) as got:
            return got.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["message"]
"""
LISTEN = "driver = socket.create_server(('', 7078)); print(socket.gethostbyname(socket.gethostname()))"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 7078), float(sys.argv[2]))"
# Rules let an executor through soon after its start; how long one that must not get through tries.
CONNECT_SECONDS, VAIN_SECONDS = 60, 15


@dataclass(frozen=True)
class Driver:
    """A user's kernel, which has a service account's token."""

    site: Site
    user: str
    kernel_id: str
    pod: str
    ip: str
    executors: str

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return the API server's status and message to a request of the kernel."""
        code = f"print(json.dumps(ask({method!r}, {f'{self.executors}/{path}'!r}, {body!r})))"
        status, said = json.loads(getattr(self.site, self.user).run(self.kernel_id, code))
        return int(status), str(said)

    def starts(
        self,
        name: str,
        driver: str | None,
        target: str = "127.0.0.1",
        seconds: float = CONNECT_SECONDS,
        **metadata: Any,
    ) -> tuple[int, str]:
        """Return the answer to an executor of that name and label, which connects to a driver's port and ends."""
        labels = {names.LABEL_DRIVER: driver} if driver is not None else {}
        return self.ask("POST", "pods", an_executor(name, target, labels, seconds, **metadata))


def an_executor(
    name: str, target: str, labels: dict[str, str], seconds: float = CONNECT_SECONDS, **metadata: Any
) -> dict[str, Any]:
    """Return an executor as the namespace admits it."""
    free = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels, **metadata},
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": "executor",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 1000,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "executor",
                    "image": IMAGES.format("kernel-python"),
                    "command": ["python", "-c", CONNECT, target, str(seconds)],
                    "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                    "securityContext": free,
                }
            ],
        },
    }


def rendered(kernels: str, executors: str) -> list[dict[str, Any]]:
    """Return what the chart makes for executors in that namespace."""
    endpoints = json.loads(kube.kubectl("get", "endpoints", "kubernetes", "-n", "default", "-o", "json"))
    (addresses,) = endpoints["subsets"]
    api = {
        "cidrs": [f"{one['ip']}/32" for one in addresses["addresses"]],
        "ports": [one["port"] for one in addresses["ports"]],
    }
    values = {
        "kernels": {"namespace": {"name": kernels}},
        "sparkExecutors": {executors: {}},
        "networkPolicy": {"apiServer": api},
    }
    shown = [word for part in TEMPLATES for word in ("--show-only", part)]
    # Policies of admission have no namespace: their name holds that of the release's, which nobody else has.
    version = json.loads(kube.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
    where = ("-n", f"{executors}-gateway", "--kube-version", version)
    command = ["helm", "template", "kernelpod", str(CHART), *where, "-f", "-", *shown]
    done = subprocess.run(
        command, input=json.dumps(values), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    # The gateway of these tests is an admin's, beside the cluster.
    return [one for one in yaml.safe_load_all(done.stdout) if one and one["metadata"]["name"] != "gateway"]


@pytest.fixture(scope="module")
def spark(make_site: MakeSite) -> Iterator[tuple[Site, str]]:
    """A gateway whose kernelspec `spark-pod` may start executors, and their namespace."""
    executors = f"spark-{secrets.token_hex(3)}"
    site = make_site(accounts=[executors], executors=[executors])
    site.spec("spark-pod", {"service_account": executors, "network": executors})
    objects = rendered(site.namespace, executors)
    try:
        kube.kubectl("apply", "-f", "-", given=objects)
        yield site, executors
    finally:
        kube.kubectl("delete", "--ignore-not-found", "--timeout=100s", "-f", "-", given=objects, check=False)


@pytest.fixture
def drivers(spark: tuple[Site, str]) -> Iterator[tuple[Driver, Driver]]:
    """Alice's kernel and bob's, each with an executor `alice-1` or `bob-1`; nothing may be left of them."""
    site, executors = spark

    def started(user: str) -> Driver:
        kernel_id = getattr(site, user).start("spark-pod")
        host, ip = getattr(site, user).run(kernel_id, f"{ASK}\nprint(socket.gethostname())\n{LISTEN}").split()
        made = Driver(site, user, kernel_id, host, ip, executors)
        # A cluster applies a new admission policy within seconds.
        eventually(lambda: made.starts("unlabelled", None)[0] == FORBIDDEN, what="executors need a label")
        assert made.starts(f"{user}-1", host, ip) == (CREATED, "")
        return made

    try:
        yield started("alice"), started("bob")
    finally:
        site.stop_kernels()
        eventually(lambda: not left("pods", executors), what="no executor is left")
        eventually(lambda: not left("networkpolicies", executors), what="no policy of executors is left")
        eventually(lambda: not left("networkpolicies", site.namespace), what="no policy of a kernel is left")


def left(kind: str, namespace: str) -> list[str]:
    """Return the names of what is made for each kernel."""
    return [name for name in kube.names(kind, namespace) if name.startswith(("k-", "alice", "bob"))]


def outcome(namespace: str, name: str) -> str:
    """Return how an executor has ended."""
    phases = ("Succeeded", "Failed")

    def phase() -> str:
        return str(json.loads(kube.kubectl("get", "pod", name, "-n", namespace, "-o", "json"))["status"]["phase"])

    eventually(lambda: phase() in phases, 120, what=f"{name} has ended")
    return phase()


Drivers = tuple[Driver, Driver]


def test_a_kernels_own_executor_reaches_it(drivers: Drivers) -> None:
    alice, bob = drivers
    assert (outcome(alice.executors, "alice-1"), outcome(bob.executors, "bob-1")) == ("Succeeded", "Succeeded")


def test_an_executor_cannot_reach_another_users_driver(drivers: Drivers) -> None:
    alice, bob = drivers
    assert alice.starts("alice-2", alice.pod, bob.ip, VAIN_SECONDS) == (CREATED, "")
    assert outcome(alice.executors, "alice-2") == "Failed"


def test_a_kernel_cannot_start_executors_in_the_name_of_another_or_of_nobody(drivers: Drivers) -> None:
    alice, bob = drivers
    for label in (bob.pod, "", None):
        status, said = alice.starts("alice-3", label)
        assert (status, "kernelpod.io/driver must be the name" in said) == (FORBIDDEN, True), said


def test_a_kernel_cannot_delete_executors_of_another(drivers: Drivers) -> None:
    alice, bob = drivers
    status, said = alice.ask("DELETE", "pods/bob-1")
    assert (status, "this pod is an executor of another kernel" in said) == (FORBIDDEN, True), said
    for chosen in ("", f"?labelSelector={names.LABEL_DRIVER}={bob.pod}"):
        assert alice.ask("DELETE", f"pods{chosen}")[0] == FORBIDDEN
    assert "bob-1" in kube.names("pods", bob.executors)


def test_a_kernel_deletes_its_own_executors(drivers: Drivers) -> None:
    alice, bob = drivers
    assert alice.ask("DELETE", "pods/alice-1")[0] == OK
    assert alice.starts("alice-4", alice.pod) == (CREATED, "")
    assert alice.ask("DELETE", f"pods?labelSelector={names.LABEL_DRIVER}={alice.pod}")[0] == OK
    gone = lambda: not [name for name in left("pods", alice.executors) if name.startswith("alice")]  # noqa: E731
    eventually(gone, 60, what="alice's executors are gone")
    assert "bob-1" in kube.names("pods", bob.executors)


def test_a_kernel_cannot_keep_an_executor_by_a_finalizer(drivers: Drivers) -> None:
    alice, _ = drivers
    status, said = alice.starts("alice-5", alice.pod, finalizers=["example.org/stays"])
    assert (status, "finalizers" in said) == (FORBIDDEN, True), said


def test_a_token_that_was_made_for_no_pod_touches_no_executor(drivers: Drivers) -> None:
    """An admin's token of the same account; kubelet makes those of pods for the pod."""
    alice, _ = drivers
    namespace, account = alice.site.namespace, alice.executors
    token = kube.kubectl("create", "token", account, "-n", namespace).strip()
    body = json.dumps(an_executor("alice-6", "127.0.0.1", {names.LABEL_DRIVER: alice.pod}))
    nobody = ["kubectl", "--kubeconfig", without_user(alice.site)]
    done = subprocess.run(
        [*nobody, f"--token={token}", "create", "-n", account, "-f", "-"],
        input=body,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "with the token in its pod" in done.stderr, done.stderr


def without_user(site: Site) -> str:
    """Return the path of a kubeconfig that has the cluster and no credentials, which would win over a token."""
    whole = yaml.safe_load(kube.kubectl("config", "view", "--raw", "--minify", "-o", "yaml"))
    for user in whole["users"]:
        user["user"] = {}
    path = site.folder / "no-user.yaml"
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return str(path)


def test_the_next_gateway_keeps_executors_of_running_kernels_only(drivers: Drivers) -> None:
    alice, bob = drivers
    alice.site.gateway.stop()
    kube.kubectl("delete", "pod", bob.pod, "-n", bob.site.namespace, "--grace-period=1")
    alice.site.gateway.start()
    eventually(lambda: "bob-1" not in kube.names("pods", bob.executors), 60, what="bob's executors are gone")
    policies = kube.names("networkpolicies", alice.executors)
    assert (alice.pod in policies, "alice-1" in kube.names("pods", alice.executors)) == (True, True)
    eventually(lambda: bob.pod not in kube.names("networkpolicies", bob.executors), what="bob's policy is gone")
