"""Kernelspecs on a claim: published by a short-lived pod, read by a gateway in a pod that mounts the claim."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import kube
import pytest
import yaml
from cluster_site import IMAGES, NFS_FOLDER, NFS_PATH, NFS_SERVER, UID, USERS, claim_on

from client import Caller
from doubles import FakeHub, eventually
from kernelpod.demo.watch import Watch

# The promise is two seconds and the attribute cache's time; the machine does other things beside.
NOTICED_SECONDS = 2 + 3 + 1
COMMAND_SECONDS = 200
PORT = 8888


@dataclass(frozen=True)
class Published:
    """A claim, kernelspecs that go there, and the gateway that reads them."""

    namespace: str
    source: Path
    gateway: Caller

    def run(self, verb: str, *words: str, status: int = 0) -> str:
        """Return what `kernelpod specs VERB ...` printed, with the claim as its place."""
        place = ("--pvc", "homes", "--namespace", self.namespace, "--path", "specs")
        made_by = ("--pod-image", IMAGES.format("gateway"), "--pod-uid", str(UID))
        command = [sys.executable, "-m", "kernelpod.cli.main", "specs", verb, *place, *made_by, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, text: str) -> None:
        """Change all kernelspecs: each shows the same text."""
        for name in ("a-pod", "b-pod", "c-pod"):
            spec = {
                "display_name": f"{name} {text}",
                "language": "python",
                "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "interrupt_mode": "message",
                "metadata": {"kernelpod": {"image": IMAGES.format("kernel-python")}},
            }
            folder = self.source / name
            folder.mkdir(exist_ok=True)
            (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def sync(self, text: str, *words: str) -> str:
        """Publish kernelspecs with this text and return the release's name."""
        self.write(text)
        said = self.run("sync", "--source", str(self.source), "--images", "nodes", "--json", *words)
        return str(json.loads(said)["release"])

    def listed(self) -> set[str]:
        """Return the texts that a user sees."""
        specs = self.gateway.ask("GET", "kernelspecs").json()["kernelspecs"]
        return {found["spec"]["display_name"].partition(" ")[2] for found in specs.values()}

    def pods(self) -> list[str]:
        """Return the pods of the command."""
        return kube.names("pods", self.namespace, "app.kubernetes.io/component=kernelspecs-sync")


def gateway_pod(settings: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """Return a gateway that mounts the claim, as the chart does, but asks no API server."""
    name = {"name": "gateway", "namespace": namespace}
    container = {
        "name": "gateway",
        "image": IMAGES.format("gateway"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["kernelpod", "gateway", "--settings", "/etc/kernelpod/settings.yaml"],
        "volumeMounts": [
            {"name": "specs", "mountPath": "/srv/kernelpod", "subPath": "specs", "readOnly": True},
            {"name": "settings", "mountPath": "/etc/kernelpod"},
        ],
    }
    volumes = [
        {"name": "specs", "persistentVolumeClaim": {"claimName": "homes"}},
        {"name": "settings", "configMap": {"name": "gateway"}},
    ]
    spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    files = {"settings.yaml": yaml.safe_dump(settings)}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": files},
        {"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": spec},
    ]


@pytest.fixture(scope="module")
def published(need: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A claim on the NFS server with one release, and a gateway that reads it."""
    need(shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make test-cluster")
    if "KERNELPOD_TEST_NFS" in os.environ:
        pytest.skip("the hub of this test is reached at the node of the test cluster")
    with ExitStack() as stack:
        namespace = stack.enter_context(kube.new_namespace("specs"))
        folder = NFS_FOLDER / namespace
        folder.mkdir()
        stack.callback(shutil.rmtree, folder)
        os.chown(folder, UID, UID)
        kube.kubectl("apply", "-f", "-", given=claim_on(f"{NFS_PATH}/{namespace}", namespace))
        stack.callback(kube.kubectl, "delete", "pv", f"homes-{namespace}", "--wait=false")
        hub = stack.enter_context(FakeHub(NFS_SERVER))
        hub.users.update(USERS)
        made = Published(namespace, tmp_path_factory.mktemp("source"), Caller(""))
        made.sync("first")
        settings = {
            "hubs": [{"api_url": hub.api_url}],
            "gateway": {"ip": "0.0.0.0", "port": PORT},
            "runtime": {"kind": "local", "local": {"sandbox": "none", "state_dir": "/tmp/s"}},
            "homes": {"root": "/tmp"},
        }
        kube.kubectl("apply", "-f", "-", given=gateway_pod(settings, namespace))
        stack.callback(kube.kubectl, "delete", "pod", "gateway", "-n", namespace)
        kube.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/gateway", "--timeout=100s")
        [pod] = [item for item in kube.items("pods", namespace) if item["metadata"]["name"] == "gateway"]
        caller = Caller(f"http://{pod['status']['podIP']}:{PORT}", "alice-token")
        eventually(lambda: answers(caller), 60, what="the gateway answers")
        yield Published(namespace, made.source, caller)


def answers(caller: Caller) -> bool:
    """Return whether the gateway is up."""
    try:
        return caller.ask("GET", "kernelspecs").ok
    except OSError:
        return False


def notices(published: Published, text: str) -> None:
    """Return when the release with this text is listed, which does not take long."""
    watch = Watch()
    eventually(lambda: published.listed() == {text}, what=f"the release {text} is listed")
    watch.within(NOTICED_SECONDS)


def test_a_release_on_a_claim_is_noticed_without_a_restart(published: Published) -> None:
    assert published.listed() == {"first"}
    name = published.sync("second")
    notices(published, "second")
    assert published.pods() == []
    newest, oldest = json.loads(published.run("history", "--json"))
    assert (newest["name"], newest["live"], newest["damage"], oldest["damage"]) == (name, True, "", "")
    assert json.loads(published.run("rollback", "--json"))["release"] == oldest["name"]
    notices(published, "first")
    assert "second" in published.run("diff", "--source", str(published.source), status=1)
    assert "a-pod first" in published.run("list")
    assert published.pods() == []


def test_no_listing_is_half_a_release_while_releases_follow_each_other(published: Published) -> None:
    mixed: list[set[str]] = []
    count, done = [0], Event()

    def look() -> None:
        while not done.is_set():
            if len(seen := published.listed()) != 1:
                mixed.append(seen)
            count[0] += 1

    reader = Thread(target=look)
    reader.start()
    try:
        for number in range(4):
            published.sync(f"number {number}")
    finally:
        done.set()
        reader.join()
    assert mixed == []
    assert count[0] > 50
    notices(published, "number 3")


def test_an_interrupted_command_leaves_no_pod_and_the_old_release(published: Published) -> None:
    before = json.loads(published.run("history", "--json"))
    published.write("never")
    place = ["--pvc", "homes", "--namespace", published.namespace, "--path", "specs"]
    made_by = ["--pod-image", IMAGES.format("gateway"), "--pod-uid", str(UID)]
    # Whoever runs the tests in the background has SIGINT ignored, and what is started inherits that.
    interruptible = ["env", "--default-signal=INT", sys.executable, "-m", "kernelpod.cli.main"]
    command = [*interruptible, "specs", "sync", "--source", str(published.source)]
    process = subprocess.Popen(
        [*command, *place, *made_by, "--images", "skip"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    eventually(published.pods, what="the pod is made")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    eventually(lambda: published.pods() == [], what="the pod is gone")
    assert [release["name"] for release in json.loads(published.run("history", "--json"))][: len(before)] == [
        release["name"] for release in before
    ]


def test_what_cannot_be_mounted_or_written_is_a_sentence(published: Published) -> None:
    published.write("not written either")
    said = published.run(
        "sync", "--source", str(published.source), "--images", "skip", "--pod-uid", "4711", status=1
    )
    assert "Permission denied" in said
    answers = json.loads(published.run("history", "--json"))
    assert answers[0]["live"]
    assert published.pods() == []
