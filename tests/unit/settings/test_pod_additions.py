"""What a site may add to its pods, and every way to widen them by it: refused, with the next step."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kernelpod.findings.sentences import sentences
from kernelpod.settings.pods import OUR_CONTAINERS, PodAdditions
from kernelpod.settings.sections import Settings
from plans import ADDITIONS

AMOUNTS = {"cpu": "10m", "memory": "16Mi"}
RESOURCES = {"requests": AMOUNTS, "limits": AMOUNTS}


def sidecar(**changes: Any) -> dict[str, Any]:
    """Return additions with one sidecar; None removes a key of it."""
    whole = {"name": "proxy", "image": "proxy:1", "resources": RESOURCES, **changes}
    return {"sidecars": [{key: value for key, value in whole.items() if value is not None}]}


def told(pods: dict[str, Any]) -> list[str]:
    """Return what is said of the section `pods`."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"pods": pods})
    return sentences(caught.value, Settings)


MOUNT = [{"name": "home", "mountPath": "/home"}]
# Attacks by name: what is added, the place that is named, and part of the sentence.
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "the user's home": (sidecar(volumeMounts=MOUNT), "sidecars.0", "added containers cannot mount volumes"),
    "the same, spelled as settings are": (sidecar(volume_mounts=MOUNT), "sidecars.0", "cannot mount volumes"),
    "a block device": (sidecar(volumeDevices=[]), "sidecars.0", "cannot mount volumes"),
    "a folder of the node": (
        {"volumes": [{"hostPath": {"path": "/"}}]},
        "",
        "volumes: added containers cannot mount",
    ),
    "a privileged container": (sidecar(securityContext={"privileged": True}), "sidecars.0", "securityContext:"),
    "capabilities": (
        sidecar(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
        "sidecars.0",
        "restricted",
    ),
    "root in a container": (sidecar(security_context={"runAsUser": 0}), "sidecars.0", "restricted"),
    "root in the pod": ({"securityContext": {"runAsUser": 0}}, "", "kernelpod sets it"),
    "privileged by itself": (sidecar(privileged=True), "sidecars.0", "kernelpod sets it"),
    "a port of the node": (sidecar(ports=[{"hostPort": 22}]), "sidecars.0", "hostPort would open the node"),
    "whole Secrets": (sidecar(envFrom=[{"secretRef": {"name": "x"}}]), "sidecars.0", "name the variables in env"),
    "a value of a Secret": (sidecar(env={"A": {"valueFrom": {}}}), "sidecars.0.env.A", "valid string"),
    "a hook": (sidecar(lifecycle={"postStart": {}}), "sidecars.0", "only their command"),
    "an init container that never ends": (
        {"init_containers": [{**sidecar()["sidecars"][0], "restartPolicy": "Always"}]},
        "init_containers.0",
        "init containers run once",
    ),
    "a service account": ({"serviceAccountName": "admin"}, "", "no service account and no token"),
    "its token": ({"automountServiceAccountToken": True}, "", "no service account and no token"),
    "the node's network": ({"hostNetwork": True}, "", "pods share nothing with their node"),
    "the node's processes": ({"hostPID": True}, "", "pods share nothing with their node"),
    "the node's memory": ({"hostIPC": True}, "", "pods share nothing with their node"),
    "the node's users": ({"host_users": True}, "", "pods share nothing with their node"),
    "a node": ({"nodeName": "master"}, "", "pods share nothing with their node"),
    "processes of the pod": ({"shareProcessNamespace": True}, "", "kernelpod sets it"),
    "another runtime": ({"runtimeClassName": "x"}, "", "set runtime.kubernetes.scheduling"),
    "a node selector": ({"node_selector": {"a": "b"}}, "", "set runtime.kubernetes.scheduling"),
    "a main container": ({"containers": []}, "", "list them as sidecars"),
    "a debugging container": ({"ephemeralContainers": []}, "", "list them as sidecars"),
    "an unknown key": ({"dnsPolicy": "None"}, "dnsPolicy", "unknown key"),
    "an unknown key of a container": (sidecar(tty=True), "sidecars.0.tty", "unknown key"),
    "another user's label": ({"labels": {"kernelpod.io/user": "bob"}}, "labels", "key"),
    "another network": (
        {"labels": {"kernelpod.io/network": "open"}},
        "labels",
        "selected, connected or given rights",
    ),
    "another release": ({"labels": {"app.kubernetes.io/instance": "x"}}, "labels", "your own domain"),
    "a pod of the hub": ({"labels": {"component": "hub"}}, "labels", "your own domain"),
    "access to the hub": (
        {"labels": {"hub.jupyter.org/network-access-hub": "true"}},
        "labels",
        "selected, connected",
    ),
    "an identity of the cloud": ({"labels": {"azure.workload.identity/use": "true"}}, "labels", "given rights"),
    "a role of the cloud": ({"annotations": {"iam.amazonaws.com/role": "admin"}}, "annotations", "given rights"),
    "a forged record": ({"annotations": {"kernelpod.io/record": "{}"}}, "annotations", "selected, connected"),
    "no AppArmor": (
        {"annotations": {"container.apparmor.security.beta.kubernetes.io/kernel": "unconfined"}},
        "annotations",
        "given rights",
    ),
    "a second network": ({"annotations": {"k8s.v1.cni.cncf.io/networks": "lan"}}, "annotations", "connected"),
    "a device": ({"annotations": {"cdi.k8s.io/gpu": "vendor.com/gpu=0"}}, "annotations", "given rights"),
    "a label that is none": ({"labels": {"a b": "c"}}, "labels", "should match pattern"),
    "a label's value that is none": ({"labels": {"a": "{x}"}}, "labels.a", "should match pattern"),
    "a huge annotation": ({"annotations": {"a": "x" * 5000}}, "annotations.a", "at most 4096"),
    "a container that nobody counts": (sidecar(resources=None), "sidecars.0.resources", "Field required"),
    "no limit of memory": (
        sidecar(resources={"requests": AMOUNTS, "limits": {"cpu": 1}}),
        "sidecars.0.resources.limits.memory",
        "Field required",
    ),
    "more than the limit": (
        sidecar(resources={"requests": {"cpu": 2, "memory": "1Gi"}, "limits": AMOUNTS}),
        "sidecars.0.resources",
        "requests must be at most limits",
    ),
    "an image that changes": (sidecar(image="proxy:latest"), "sidecars.0.image", "a tag other than latest"),
    "an image without a tag": (sidecar(image="proxy"), "sidecars.0.image", "a tag other than latest"),
    "a name that is none": (sidecar(name="A_b"), "sidecars.0.name", "should match pattern"),
    "a variable that is none": (sidecar(env={"A=B": "c"}), "sidecars.0.env", "should match pattern"),
    "one name twice": (
        {**sidecar(), "init_containers": sidecar()["sidecars"]},
        "",
        "two containers are named proxy",
    ),
    "a toleration with both": (
        {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
        "tolerations.0",
        "Exists must have no value",
    ),
    "an alias without an address": (
        {"host_aliases": [{"ip": "hub", "hostnames": ["a"]}]},
        "host_aliases.0.ip",
        "an IPv4 or IPv6 address",
    ),
    "a line in /etc/hosts": (
        {"host_aliases": [{"ip": "10.0.0.1", "hostnames": ["a\n10.0.0.2 hub"]}]},
        "host_aliases.0.hostnames.0",
        "write a host name",
    ),
    "an alias of nothing": (
        {"host_aliases": [{"ip": "10.0.0.1", "hostnames": []}]},
        "host_aliases.0",
        "at least 1",
    ),
}


@pytest.mark.parametrize("whose", ["kernels", "servers"])
@pytest.mark.parametrize(("added", "place", "said"), REFUSED.values(), ids=REFUSED)
def test_nothing_that_widens_a_pod_can_be_added(whose: str, added: Any, place: str, said: str) -> None:
    (line,) = told({whose: added})
    assert line.startswith(f"pods.{whose}.{place}".rstrip("."))
    assert said in line


@pytest.mark.parametrize("name", sorted(OUR_CONTAINERS))
def test_no_container_is_called_as_one_of_ours(name: str) -> None:
    (line,) = told({"kernels": sidecar(name=name)})
    assert (
        line == f"pods.kernels.sidecars.0.name: kernel or server pods already have a container named {name}; "
        "use another name"
    )


def test_kubernetes_spelling_of_a_known_key_is_answered_with_ours() -> None:
    assert told({"kernels": {"hostAliases": []}}) == [
        "pods.kernels.hostAliases: unknown key; did you mean host_aliases?"
    ]


def test_several_mistakes_make_several_lines() -> None:
    assert len(told({"kernels": {"hostNetwork": True}, "servers": sidecar(tty=True, image="x")})) == 3


def test_one_of_each_is_taken_and_survives_the_form_that_is_stored() -> None:
    made = PodAdditions.model_validate(ADDITIONS)
    assert PodAdditions.model_validate_json(made.model_dump_json()) == made
    assert made.sidecars[0].resources.limits.cpu == 50


def test_nothing_is_added_unless_it_is_said() -> None:
    pods = Settings().pods
    assert pods.kernels == pods.servers == PodAdditions()
