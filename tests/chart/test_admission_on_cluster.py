"""The admission policy for inline NFS on a real cluster: which pods it lets in, and which it refuses and why."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from helm import RELEASE, Helm
from installed import SECONDS, Installed, Pod, Site, kernel_pod, kubectl, succeeded

pytestmark = [pytest.mark.chart, pytest.mark.cluster]


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
    "another server": (with_nfs(server="10.0.0.6"), "volumes: nfs is only allowed"),
    "one server's folder of another": (with_nfs(path="/export/course"), "volumes: nfs is only allowed"),
    "the folder above": (with_nfs(path="/export"), "volumes: nfs is only allowed"),
    "the root": (with_nfs(path="/"), "volumes: nfs is only allowed"),
    "a sibling": (with_nfs(path="/export/homes2/a"), "volumes: nfs is only allowed"),
    "a way out": (with_nfs(path="/export/homes/../secret"), "volumes: nfs is only allowed"),
    "a way out at the end": (with_nfs(path="/export/homes/.."), "volumes: nfs is only allowed"),
    "a second nfs volume": (with_volume(nfs={"server": "10.0.0.6", "path": "/x"}), "volumes: nfs is only allowed"),
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
