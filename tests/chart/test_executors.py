"""Executor pods of Spark: none unless asked for; then in a namespace that gives them nothing but processors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from helm import RELEASE, Helm, of_kind
from installed import Answer, Pod, Site, kubectl, succeeded

from doubles import eventually

pytestmark = pytest.mark.chart

API: dict[str, Any] = {"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.10/32"]}}}
ON: dict[str, Any] = {"sparkExecutors": {"spark-ml": {"quota": {"pods": "5"}}}, **API}
# As Spark makes one, with the settings that kernelspecs/spark-python-pod/README.md names.
EXECUTOR: Pod = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "exec-1"},
    "spec": {
        "restartPolicy": "Never",
        "serviceAccountName": "executor",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "spark-kubernetes-executor",
                "image": "localhost/kernelpod-kernel-spark:test",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "scratch", "mountPath": "/var/data"}],
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}


class Place(NamedTuple):
    """Two namespaces of one chart."""

    kernels: str
    executors: str


def test_there_are_none_unless_asked_for(helm: Helm) -> None:
    assert "executor" not in helm.template({})


def test_a_kernel_that_may_has_rights_on_pods_only_and_only_there(helm: Helm) -> None:
    objects = helm.objects(ON)
    role, binding = of_kind(objects, "Role")["executors"], of_kind(objects, "RoleBinding")["executors"]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "spark-ml"
    verbs = ["create", "delete", "deletecollection", "get", "list", "watch"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "spark-ml", "namespace": "kernels"}]
    accounts = of_kind(objects, "ServiceAccount")
    assert not accounts["executor"]["automountServiceAccountToken"]
    inside = {found["kind"] for found in objects if found["metadata"].get("namespace") == "spark-ml"}
    assert inside == {"ServiceAccount", "Role", "RoleBinding", "ResourceQuota", "NetworkPolicy"}


def test_kernels_and_executors_reach_each_other_and_nobody_else_does(helm: Helm) -> None:
    policies = of_kind(helm.objects(ON), "NetworkPolicy")
    executors, driver = policies["executors"]["spec"], policies[f"{RELEASE}-egress-spark-ml"]["spec"]
    assert executors["podSelector"] == {}
    assert len(executors["ingress"]) == 1
    peers = executors["ingress"][0]["from"]
    assert peers[0] == {"podSelector": {}}
    assert peers[1]["podSelector"]["matchLabels"] == driver["podSelector"]["matchLabels"]
    assert driver["ingress"][0]["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "spark-ml"}}}
    ]


def changed(**spec: Any) -> Pod:
    """Return an executor that differs."""
    pod = copy.deepcopy(EXECUTOR)
    pod["spec"].update(spec)
    return pod


def container(**changes: Any) -> Pod:
    """Return an executor whose container differs."""
    return changed(containers=[{**EXECUTOR["spec"]["containers"][0], **changes}])


def volumes(**volume: Any) -> Pod:
    """Return an executor with another volume."""
    return changed(volumes=[{"name": "scratch", **volume}])


REFUSED: dict[str, tuple[Pod, str]] = {
    "an NFS volume": (volumes(nfs={"server": "10.0.0.5", "path": "/"}), "volume type"),
    "a folder of the node": (volumes(hostPath={"path": "/"}), "volume type"),
    "a Secret": (volumes(secret={"secretName": "x"}), "only have emptyDir and downwardAPI"),
    "a claim": (volumes(persistentVolumeClaim={"claimName": "homes"}), "only have emptyDir and downwardAPI"),
    "a projected token": (
        volumes(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
        "only have emptyDir and downwardAPI",
    ),
    "another service account": (
        changed(serviceAccountName="default", automountServiceAccountToken=False),
        "executors run as `executor`",
    ),
    "a token of its account": (changed(automountServiceAccountToken=True), "only have emptyDir and downwardAPI"),
    "a value of a Secret": (
        container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]),
        "not use values of Secrets",
    ),
    "all values of a Secret": (container(envFrom=[{"secretRef": {"name": "x"}}]), "not use values of Secrets"),
    "the node's network": (changed(hostNetwork=True), "PodSecurity"),
    "a privileged container": (container(securityContext={"privileged": True}), "PodSecurity"),
}


@pytest.fixture(scope="module")
def place(helm_install: Callable[..., Answer], new_site: Callable[[], Site]) -> Place:
    """Return where the chart was installed with executors on the cluster, and their namespace."""
    site = new_site()
    namespace = site.kernels.replace("kernels", "spark")
    values = {**site.values("pvc"), "sparkExecutors": {namespace: {"quota": {"pods": "5"}}}, **API}
    succeeded(helm_install(site, values))
    secret = volumes(secret={"secretName": "x"})

    def refused() -> bool:
        return kubectl("create", "--dry-run=server", "-n", namespace, "-f", "-", send=secret).returncode != 0

    eventually(refused, what="the API server applies the policy")
    return Place(site.kernels, namespace)


@pytest.mark.cluster
def test_an_executor_as_spark_makes_it_is_admitted(place: Place) -> None:
    answer = kubectl("create", "--dry-run=server", "-n", place.executors, "-f", "-", send=EXECUTOR)
    assert "created" in succeeded(answer)


@pytest.mark.cluster
@pytest.mark.parametrize(("pod", "said"), REFUSED.values(), ids=REFUSED)
def test_an_executor_that_would_reach_more_is_refused(place: Place, pod: Pod, said: str) -> None:
    answer = kubectl("create", "--dry-run=server", "-n", place.executors, "-f", "-", send=pod)
    assert answer.returncode != 0
    assert said in answer.stderr, answer.stderr


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("right", "where", "may"),
    [
        ("create pods", "executors", True),
        ("delete pods", "executors", True),
        ("get secrets", "executors", False),
        ("create configmaps", "executors", False),
        ("create pods --subresource=exec", "executors", False),
        ("create pods", "kernels", False),
        ("list secrets", "kernels", False),
        ("list pods", "kernels", False),
    ],
)
def test_what_the_kernels_account_may(place: Place, right: str, where: str, may: bool) -> None:
    account = f"system:serviceaccount:{place.kernels}:{place.executors}"
    answer = kubectl("auth", "can-i", *right.split(), f"--as={account}", "-n", getattr(place, where))
    assert answer.stdout.strip() == ("yes" if may else "no"), answer.stderr
