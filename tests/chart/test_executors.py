"""Executor pods of Spark: none unless asked for; then in a namespace that gives them nothing but processors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import yaml
from helm import NAMESPACE, RELEASE, Helm, of_kind, settings_text
from installed import Answer, Pod, Site, kubectl, succeeded
from traffic import Peer, verdicts

from doubles import a_plan, a_spec, eventually
from kernelpod.base import names
from kernelpod.pods.executors import driver_policy, executor_policy

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


def test_the_gateway_may_make_policies_and_remove_executors_and_nothing_else(helm: Helm) -> None:
    objects = helm.objects(ON)
    roles, bindings = of_kind(objects, "Role"), of_kind(objects, "RoleBinding")
    policies = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"]}
    assert roles["gateway"]["metadata"]["namespace"] == "spark-ml"
    assert roles["gateway"]["rules"] == [
        {**policies, "verbs": ["create", "delete", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["deletecollection"]},
    ]
    account = {"kind": "ServiceAccount", "name": RELEASE, "namespace": NAMESPACE}
    assert bindings["gateway"]["subjects"] == [account]
    assert {**policies, "verbs": ["create", "list"]} in roles[RELEASE]["rules"]
    assert "networkpolicies" not in str(of_kind(helm.objects({}), "Role"))


def test_kernels_touch_executors_with_the_token_of_their_pod_only(helm: Helm) -> None:
    """What the rules do is tried on a cluster, in tests/cluster/test_executors_on_cluster.py."""
    objects = helm.objects(ON)
    name = f"{NAMESPACE}-{RELEASE}-drivers"
    spec = of_kind(objects, "ValidatingAdmissionPolicy")[name]["spec"]
    assert spec["failurePolicy"] == "Fail"
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert (rule["operations"], rule["resources"]) == (["*"], ["pods", "pods/*"])
    (condition,) = spec["matchConditions"]
    assert condition["expression"] == 'request.userInfo.username.startsWith("system:serviceaccount:kernels:")'
    binding = of_kind(objects, "ValidatingAdmissionPolicyBinding")[name]["spec"]
    assert binding == {"policyName": name, "validationActions": ["Deny"]}


def test_the_gateway_knows_the_namespaces(helm: Helm) -> None:
    settings = yaml.safe_load(settings_text(helm.objects(ON)))
    assert settings["runtime"]["kubernetes"]["executors"] == ["spark-ml"]


def driver(address: str, pod: str, network: str = "spark-ml") -> Peer:
    labels = names.labels(RELEASE, "hub", "user", "Alice", "spark-pod", "k", network)
    return Peer(address, "kernels", {**labels, names.LABEL_DRIVER: pod})


def executor(address: str, pod: str, namespace: str = "spark-ml") -> Peer:
    return Peer(address, namespace, {names.LABEL_DRIVER: pod, "spark-role": "executor"})


DRIVERS = {"k-alice-1": "spark-ml", "k-bob-1": "spark-ml", "k-carol-1": "spark-staff"}
ALICE, BOB, CAROL = (
    driver("10.1.0.1", "k-alice-1"),
    driver("10.1.0.2", "k-bob-1"),
    driver("10.1.0.3", "k-carol-1", "spark-staff"),
)
ALICES, ALICES_SECOND = executor("10.2.0.1", "k-alice-1"), executor("10.2.0.2", "k-alice-1")
BOBS, NOBODYS = executor("10.2.0.3", "k-bob-1"), Peer("10.2.0.4", "spark-ml", {})
CAROLS = executor("10.2.0.5", "k-carol-1", "spark-staff")
LABELLED_ELSEWHERE = executor("10.2.0.6", "k-alice-1", "default")
GATEWAY = Peer("10.3.0.1", NAMESPACE, {**names.release_labels(RELEASE), "app.kubernetes.io/component": "gateway"})
DNS = Peer("10.3.0.2", "kube-system", {"k8s-app": "kube-dns"})
OUTSIDE, API_SERVER = Peer("9.9.9.9"), Peer("10.0.0.10")
TRAFFIC: dict[str, tuple[Peer, Peer, int, bool]] = {
    "an executor reaches its driver, first port": (ALICES, ALICE, 7078, True),
    "an executor reaches its driver, last port": (ALICES, ALICE, 7079, True),
    "an executor reaches another port of its driver": (ALICES, ALICE, 20001, False),
    "a driver reaches its executor": (ALICE, ALICES, 40000, True),
    "an executor reaches one of the same driver": (ALICES, ALICES_SECOND, 40000, True),
    "an executor reaches another driver": (BOBS, ALICE, 7078, False),
    "an executor reaches another's executor": (BOBS, ALICES, 40000, False),
    "a driver reaches another's executor": (BOB, ALICES, 40000, False),
    "a driver reaches another driver": (BOB, ALICE, 7078, False),
    "an executor of another kernelspec reaches a driver": (CAROLS, ALICE, 7078, False),
    "an executor of another kernelspec reaches its driver": (CAROLS, CAROL, 7078, True),
    "an executor of another kernelspec reaches an executor": (CAROLS, ALICES, 40000, False),
    "an executor without a label reaches a driver": (NOBODYS, ALICE, 7078, False),
    "an executor without a label reaches an executor": (NOBODYS, ALICES, 40000, False),
    "a driver reaches an executor without a label": (ALICE, NOBODYS, 40000, False),
    "a pod elsewhere with the label reaches a driver": (LABELLED_ELSEWHERE, ALICE, 7078, False),
    "a pod elsewhere with the label reaches an executor": (LABELLED_ELSEWHERE, ALICES, 40000, False),
    "a pod elsewhere reaches an executor without a label": (LABELLED_ELSEWHERE, NOBODYS, 40000, False),
    "the gateway connects to a driver": (GATEWAY, ALICE, 20001, True),
    "the gateway connects to a driver's port": (GATEWAY, ALICE, 7078, False),
    "an executor asks for names": (ALICES, DNS, 53, True),
    "an executor asks the world": (ALICES, OUTSIDE, 443, False),
    "an executor asks the API server": (ALICES, API_SERVER, 443, False),
    "a driver asks the API server": (ALICE, API_SERVER, 443, True),
    "a driver asks for names": (ALICE, DNS, 53, True),
    "a driver asks the world": (ALICE, OUTSIDE, 443, False),
}


@pytest.fixture(scope="module")
def through(helm: Helm, need: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Return what gets through the chart's policies and those that the gateway makes for three kernels."""
    values = {**ON, "sparkExecutors": {"spark-ml": {}, "spark-staff": {}}}
    policies = [one for one in helm.objects(values) if one["kind"] == "NetworkPolicy"]
    for pod, namespace in DRIVERS.items():
        plan = a_plan(spec=a_spec(service_account=namespace))
        policies += [driver_policy(plan, pod, namespace), executor_policy(plan, pod, namespace)]
    return verdicts(policies, TRAFFIC, tmp_path_factory.mktemp("traffic"), need)


@pytest.mark.parametrize("name", TRAFFIC)
def test_traffic_of_executors(name: str, through: dict[str, bool]) -> None:
    assert through[name] is TRAFFIC[name][3]


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
    "a class of the cluster's own pods": (
        changed(priorityClassName="system-node-critical"),
        "must not have a class",
    ),
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
