"""The chart on a real cluster: accepted by its API server, and its guards refuse what they should.

Every test has namespaces of its own, removed afterwards. Runs against the cluster of KUBECONFIG.
"""

from __future__ import annotations

import copy
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm import CHART, RELEASE, VALUES, Helm, settings_text

from kernelpod.manifest import render, shipped_template
from kernelpod.record import KernelRecord
from kernelpod.settings import Settings
from kernelpod.testing import a_connection, a_plan, an_identity

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

SECONDS = 60
Answer = subprocess.CompletedProcess[str]
Pod = dict[str, Any]


def kubectl(*words: str, send: Any = None) -> Answer:
    """Return what kubectl said; `send` goes to its input as JSON."""
    text = None if send is None else json.dumps(send)
    command = [shutil.which("kubectl") or "kubectl", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS)


def succeeded(answer: Answer) -> str:
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@dataclass(frozen=True)
class Site:
    """A gateway's and a kernels' namespace that nobody else has."""

    gateway: str
    kernels: str

    def values(self, name: str) -> dict[str, Any]:
        """Return one set of values for these namespaces, without the gateway's pod."""
        values = copy.deepcopy(VALUES[name])
        values.setdefault("kernels", {}).setdefault("namespace", {})["name"] = self.kernels
        return {**values, "replicaCount": 0}

    def create(self, pod: Pod) -> Answer:
        """Return the API server's answer to a new pod, which it checks and then forgets."""
        return kubectl("create", "--dry-run=server", "-n", self.kernels, "-f", "-", send=pod)


@pytest.fixture(scope="module")
def new_site(need: Any) -> Iterator[Callable[[], Site]]:
    """Return a function that makes a site; all of them are removed with what they hold."""
    need(
        shutil.which("kubectl") and os.environ.get("KUBECONFIG"), "a cluster", "make cluster-up, make test-cluster"
    )
    sites: list[Site] = []

    def make() -> Site:
        mark = secrets.token_hex(3)
        sites.append(Site(f"chart-{mark}-gateway", f"chart-{mark}-kernels"))
        succeeded(kubectl("create", "namespace", sites[-1].gateway))
        return sites[-1]

    try:
        yield make
    finally:
        names = [name for site in sites for name in (site.gateway, site.kernels)]
        kubectl("delete", "namespace", "--ignore-not-found", *names)


Installed = tuple[Site, str]


@pytest.fixture(scope="module")
def install(
    helm: Helm, new_site: Callable[[], Site], tmp_path_factory: Any
) -> Iterator[Callable[[str], Installed]]:
    """Return a function of a set of values that installs it and returns its site and Helm's notes."""
    made: dict[str, Installed] = {}

    def run(verb: list[str], site: Site) -> Answer:
        command = [helm.binary, *verb, "--namespace", site.gateway]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)

    def once(name: str) -> Installed:
        if name not in made:
            site = new_site()
            file = Path(tmp_path_factory.mktemp("values"), "values.yaml")
            file.write_text(yaml.safe_dump(site.values(name)), encoding="utf-8")
            made[name] = site, ""
            notes = succeeded(run(["install", RELEASE, str(CHART), "--values", str(file)], site))
            made[name] = site, notes
        return made[name]

    try:
        yield once
    finally:
        for site, _ in made.values():
            run(["uninstall", RELEASE, "--ignore-not-found"], site)


def kernel_pod(helm: Helm, site: Site, name: str) -> Pod:
    """Return the pod that the gateway would make under these values."""
    settings = Settings.model_validate(yaml.safe_load(settings_text(helm.objects(site.values(name)))))
    plan = a_plan(settings=settings, identity=an_identity("john.doe"))
    record = KernelRecord(plan=plan, created=datetime(2026, 1, 1, tzinfo=timezone.utc))
    return render(record, a_connection(), "0a1b2c", shipped_template().read_text(encoding="utf-8")).pod


@pytest.mark.parametrize("name", VALUES)
def test_the_api_server_accepts_every_object(name: str, helm: Helm, new_site: Callable[[], Site]) -> None:
    site = new_site()
    succeeded(kubectl("create", "namespace", site.kernels))
    objects = [found for found in helm.objects(site.values(name)) if found["kind"] != "Namespace"]
    for found in objects:
        if found["metadata"].get("namespace") == "gateway":
            found["metadata"]["namespace"] = site.gateway
    everything = {"apiVersion": "v1", "kind": "List", "items": objects}
    answer = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", send=everything)
    assert succeeded(answer).count("(server dry run)") == len(objects)
    assert not answer.stderr


def test_notes_say_where_the_gateway_is_and_what_is_left_to_do(install: Callable[[str], Installed]) -> None:
    site, notes = install("inline-nfs")
    assert f"http://{RELEASE}.{site.gateway}:8888" in notes
    assert "TO DO: without hub.existingSecret" in notes
    assert "WARNING" not in notes


def test_homes_are_bound(install: Callable[[str], Installed]) -> None:
    site, _ = install("pvc")
    bound = ["--for=jsonpath={.status.phase}=Bound", f"--timeout={SECONDS - 5}s"]
    succeeded(kubectl("wait", "-n", site.kernels, "pvc/homes", *bound))


RIGHTS = [
    ("create pods", "kernels", True),
    ("delete pods", "kernels", True),
    ("list pods", "kernels", True),
    ("watch pods", "kernels", True),
    ("get pods", "kernels", False),
    ("patch pods", "kernels", False),
    ("update pods --subresource=ephemeralcontainers", "kernels", False),
    ("create pods --subresource=exec", "kernels", False),
    ("get pods --subresource=log", "kernels", False),
    ("create secrets", "kernels", True),
    ("delete secrets", "kernels", True),
    ("list secrets", "kernels", True),
    ("watch secrets", "kernels", False),
    ("list events", "kernels", True),
    ("create serviceaccounts --subresource=token", "kernels", False),
    ("get configmaps", "kernels", False),
    ("create pods", "gateway", False),
    ("list secrets", "gateway", False),
    ("list pods", "default", False),
    ("list nodes", "", False),
    ("list namespaces", "", False),
]


@pytest.mark.parametrize(("right", "where", "granted"), RIGHTS)
def test_the_gateway_s_account_has_these_rights(
    right: str, where: str, granted: bool, install: Callable[[str], Installed]
) -> None:
    site, _ = install("pvc")
    namespace = {"kernels": site.kernels, "gateway": site.gateway}.get(where, where)
    account = f"--as=system:serviceaccount:{site.gateway}:{RELEASE}"
    answer = kubectl("auth", "can-i", *right.split(), account, *(["-n", namespace] if namespace else []))
    assert answer.stdout.split() == ["yes" if granted else "no"], answer.stderr


def test_restricted_admits_kernels_and_refuses_inline_nfs(helm: Helm, install: Callable[[str], Installed]) -> None:
    site, _ = install("pvc")
    pod = kernel_pod(helm, site, "pvc")
    assert pod["spec"]["initContainers"]
    answer = site.create(pod)
    succeeded(answer)
    assert "PodSecurity" not in answer.stderr
    pod["spec"]["volumes"][0] = {"name": "home", "nfs": {"server": "10.0.0.5", "path": "/home/nfs_share/claim/x"}}
    assert 'violates PodSecurity "restricted' in site.create(pod).stderr


@pytest.fixture(scope="module")
def guarded(helm: Helm, install: Callable[[str], Installed]) -> tuple[Site, Pod]:
    """Return the site with inline NFS homes and a kernel's pod for it, once the admission policy takes effect."""
    site, _ = install("inline-nfs")
    pod = kernel_pod(helm, site, "inline-nfs")
    foreign = with_nfs(server="10.9.9.9")(copy.deepcopy(pod))
    deadline = time.monotonic() + SECONDS
    while site.create(foreign).returncode == 0:
        assert time.monotonic() < deadline, "the admission policy never took effect"
    return site, pod


Change = Callable[[Pod], Pod]


def with_nfs(**nfs: str) -> Change:
    def change(pod: Pod) -> Pod:
        pod["spec"]["volumes"][0]["nfs"].update(nfs)
        return pod

    return change


def with_volume(**source: Any) -> Change:
    def change(pod: Pod) -> Pod:
        pod["spec"]["volumes"].append({"name": "more", **source})
        return pod

    return change


def with_pod(**context: Any) -> Change:
    """Change the pod's security context; None removes a key."""

    def change(pod: Pod) -> Pod:
        pod["spec"]["securityContext"] = merged(pod["spec"]["securityContext"], context)
        return pod

    return change


def with_container(**context: Any) -> Change:
    """Change the kernel's container's security context; None removes a key."""

    def change(pod: Pod) -> Pod:
        container = pod["spec"]["containers"][0]
        container["securityContext"] = merged(container["securityContext"], context)
        return pod

    return change


def with_init(**context: Any) -> Change:
    """Add an init container like the kernel's, with these changes of its security context."""

    def change(pod: Pod) -> Pod:
        container = copy.deepcopy(pod["spec"]["containers"][0])
        container.update(name="first", securityContext=merged(container["securityContext"], context))
        pod["spec"]["initContainers"] = [container]
        return pod

    return change


def both(*changes: Change) -> Change:
    def change(pod: Pod) -> Pod:
        for one in changes:
            pod = one(pod)
        return pod

    return change


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**old, **new}.items() if value is not None}


LOCALHOST = {"type": "Localhost", "localhostProfile": "kernels.json"}
ADMITTED: dict[str, Change] = {
    "a kernel": lambda pod: pod,
    "a course folder by name": with_nfs(server="nfs.example.org", path="/export/course"),
    "a folder deep below": with_nfs(path="/export/homes/a/..b/c"),
    "a claim": with_volume(persistentVolumeClaim={"claimName": "data"}),
    "an empty folder": with_volume(emptyDir={}),
    "an init container": with_init(),
    "port 80": with_container(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}),
    "a local seccomp profile": with_pod(seccompProfile=LOCALHOST),
    "all said by the container": both(
        with_pod(runAsNonRoot=None, seccompProfile=None, runAsUser=None),
        with_container(runAsNonRoot=True, seccompProfile={"type": "RuntimeDefault"}, runAsUser=1000),
    ),
}

REFUSED: dict[str, tuple[Change, str]] = {
    "another server": (with_nfs(server="10.0.0.6"), "volumes: nfs only"),
    "one server's folder of another": (with_nfs(path="/export/course"), "volumes: nfs only"),
    "the folder above": (with_nfs(path="/export"), "volumes: nfs only"),
    "the root": (with_nfs(path="/"), "volumes: nfs only"),
    "a sibling": (with_nfs(path="/export/homes2/a"), "volumes: nfs only"),
    "a way out": (with_nfs(path="/export/homes/../secret"), "volumes: nfs only"),
    "a way out at the end": (with_nfs(path="/export/homes/.."), "volumes: nfs only"),
    "a second nfs volume": (with_volume(nfs={"server": "10.0.0.6", "path": "/x"}), "volumes: nfs only"),
    "an iscsi volume": (
        with_volume(iscsi={"targetPortal": "10.0.0.6", "iqn": "iqn.2001-04.com.example:x", "lun": 0}),
        "volumes: only configMap",
    ),
    "a folder of the node": (with_volume(hostPath={"path": "/"}), "hostPath"),
    "the node's network": (lambda pod: {**pod, "spec": {**pod["spec"], "hostNetwork": True}}, "host namespaces"),
    "privileged": (
        with_container(privileged=True, allowPrivilegeEscalation=None),
        'violates PodSecurity "baseline',
    ),
    "runAsNonRoot unsaid": (with_pod(runAsNonRoot=None), "runAsNonRoot: must be true"),
    "runAsNonRoot false": (with_container(runAsNonRoot=False), "runAsNonRoot: must be true"),
    "runAsNonRoot false at first": (with_init(runAsNonRoot=False), "runAsNonRoot: must be true"),
    "root": (with_pod(runAsUser=0), "runAsUser: must not be 0"),
    "root in the container": (with_container(runAsUser=0), "runAsUser: must not be 0"),
    "root at first": (with_init(runAsUser=0), "runAsUser: must not be 0"),
    "seccomp unsaid": (with_pod(seccompProfile=None), "seccompProfile: must be"),
    "seccomp unconfined": (with_pod(seccompProfile={"type": "Unconfined"}), "seccomp"),
    "seccomp unconfined at first": (with_init(seccompProfile={"type": "Unconfined"}), "seccomp"),
    "escalation unsaid": (with_container(allowPrivilegeEscalation=None), "allowPrivilegeEscalation: must be"),
    "escalation": (with_container(allowPrivilegeEscalation=True), "allowPrivilegeEscalation: must be"),
    "escalation at first": (with_init(allowPrivilegeEscalation=True), "allowPrivilegeEscalation: must be"),
    "capabilities unsaid": (with_container(capabilities=None), "capabilities: each container must drop ALL"),
    "capabilities half dropped": (with_container(capabilities={"drop": ["CHOWN"]}), "must drop ALL"),
    "a capability": (with_container(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}), "must drop ALL"),
    "a capability at first": (with_init(capabilities={"drop": ["ALL"], "add": ["CHOWN"]}), "must drop ALL"),
}


@pytest.mark.parametrize("what", ADMITTED)
def test_the_guard_of_inline_nfs_admits(what: str, guarded: tuple[Site, Pod]) -> None:
    site, pod = guarded
    succeeded(site.create(ADMITTED[what](copy.deepcopy(pod))))


@pytest.mark.parametrize("what", REFUSED)
def test_the_guard_of_inline_nfs_refuses(what: str, guarded: tuple[Site, Pod]) -> None:
    site, pod = guarded
    change, sentence = REFUSED[what]
    answer = site.create(change(copy.deepcopy(pod)))
    assert answer.returncode != 0
    assert "is forbidden" in answer.stderr
    assert sentence in answer.stderr


@pytest.mark.parametrize("escalation", [False, True])
def test_the_guard_looks_at_ephemeral_containers(escalation: bool, guarded: tuple[Site, Pod]) -> None:
    site, pod = copy.deepcopy(guarded)
    pod["metadata"]["name"] = f"ephemeral-{escalation}".lower()
    pod["spec"]["nodeSelector"] = {"kernelpod.io/no-such-node": "true"}
    made = json.loads(succeeded(kubectl("create", "-n", site.kernels, "-o", "json", "-f", "-", send=pod)))
    context = {"allowPrivilegeEscalation": escalation, "capabilities": {"drop": ["ALL"]}}
    del made["metadata"]["resourceVersion"]  # the scheduler writes its status meanwhile
    made["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "debug:1", "securityContext": context}]
    path = f"/api/v1/namespaces/{site.kernels}/pods/{pod['metadata']['name']}/ephemeralcontainers"
    answer = kubectl("replace", "--raw", path, "-f", "-", send=made)
    assert (answer.returncode == 0) is not escalation, answer.stderr
    assert ("allowPrivilegeEscalation: must be false" in answer.stderr) is escalation


def test_the_guard_concerns_no_other_namespace(guarded: tuple[Site, Pod]) -> None:
    site, pod = copy.deepcopy(guarded)
    pod["metadata"]["namespace"] = site.gateway
    succeeded(kubectl("create", "--dry-run=server", "-f", "-", send=with_nfs(server="10.9.9.9")(pod)))


def test_the_guard_s_expressions_have_the_right_types(guarded: tuple[Site, Pod]) -> None:
    site, _ = guarded
    name = f"{site.gateway}-{RELEASE}"
    succeeded(
        kubectl("wait", "--for=jsonpath={.status.observedGeneration}=1", f"validatingadmissionpolicy/{name}")
    )
    status = json.loads(succeeded(kubectl("get", "validatingadmissionpolicy", name, "-o", "json")))["status"]
    assert not status["typeChecking"].get("expressionWarnings")
