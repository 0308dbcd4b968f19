"""What the chart makes: whole, by golden files, and what must not change unseen, literally."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import yaml
from helm import CHART, HERE, VALUES, Helm, of_kind

from kernelpod import __version__

pytestmark = pytest.mark.chart

GOLDEN = HERE / "golden"
RECOMMENDED = ["name", "instance", "component", "version", "part-of", "managed-by"]
CLUSTER_SCOPED = {
    "ClusterRole",
    "ClusterRoleBinding",
    "Namespace",
    "PersistentVolume",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}


@pytest.mark.parametrize("name", VALUES)
def test_the_manifests_are_the_golden_ones(name: str, helm: Helm) -> None:
    """Set KERNELPOD_GOLDEN=write to write the files anew; then read the difference."""
    text, file = helm.template(VALUES[name]), GOLDEN / f"{name}.yaml"
    if os.environ.get("KERNELPOD_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_there_is_no_golden_file_without_values() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(VALUES)


@pytest.mark.parametrize("name", VALUES)
def test_lint_has_nothing_to_say(name: str, helm: Helm) -> None:
    done = helm.run(["lint", "--strict"], VALUES[name])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
@pytest.mark.parametrize("name", VALUES)
def test_every_object_fits_kubernetes_schema(name: str, version: str, need_module: Any) -> None:
    validate = need_module("kubernetes_validate").validate
    for document in yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_bytes()):
        validate(document, version, strict=True)


@pytest.mark.parametrize("name", VALUES)
def test_every_object_is_labelled_and_has_its_namespace(name: str, helm: Helm) -> None:
    for found in helm.objects(VALUES[name]):
        metadata = found["metadata"]
        assert {f"app.kubernetes.io/{label}" for label in RECOMMENDED} < set(metadata["labels"]), metadata
        assert ("namespace" in metadata) == (found["kind"] not in CLUSTER_SCOPED), metadata


def test_generated_files_are_what_the_code_says() -> None:
    command = [sys.executable, str(CHART.parent / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_chart_and_package_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_bytes())
    assert chart["version"] == chart["appVersion"] == __version__


def test_a_gateway_ends_only_when_another_one_is_ready(helm: Helm) -> None:
    objects = helm.objects({"replicaCount": 2})
    (deployment,) = of_kind(objects, "Deployment").values()
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (budget,) = of_kind(objects, "PodDisruptionBudget").values()
    assert budget["spec"]["maxUnavailable"] == 1
    (spread,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployment["spec"]["selector"] == budget["spec"]["selector"]


def test_a_single_gateway_is_replaced_and_has_no_budget(helm: Helm) -> None:
    objects = helm.objects()
    (deployment,) = of_kind(objects, "Deployment").values()
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert not of_kind(objects, "PodDisruptionBudget")


RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "delete", "list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "list"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["kernelpod-gateway"],
        "verbs": ["get", "update"],
    },
]
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create", "get"]}


@pytest.mark.parametrize(("signals", "rules"), [(False, RULES), (True, [*RULES, EXEC])])
def test_the_gateways_rights_are_exactly_these(signals: bool, rules: list[Any], helm: Helm) -> None:
    objects = helm.objects({"settings": {"runtime": {"kubernetes": {"exec_signals": signals}}}})
    (role,), (binding,) = of_kind(objects, "Role").values(), of_kind(objects, "RoleBinding").values()
    assert role["rules"] == rules
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "kernels"
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "kernelpod", "namespace": "gateway"}]
    assert not [found for found in objects if found["kind"].startswith("ClusterRole")]


def test_the_gateway_looks_up_claims_only_where_homes_are_claims(helm: Helm) -> None:
    """Nothing but `get`: of volumes everywhere, since nobody knows their names, of claims where the hubs are."""
    values = yaml.safe_load((HERE / "values" / "dynamic.yaml").read_text(encoding="utf-8"))
    objects = helm.objects(values)
    (everywhere,) = of_kind(objects, "ClusterRole").values()
    assert everywhere["rules"] == [{"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["get"]}]
    (binding,) = of_kind(objects, "ClusterRoleBinding").values()
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "kernelpod", "namespace": "gateway"}]
    roles = {
        found["metadata"]["namespace"]: found["rules"]
        for found in objects
        if found["kind"] == "Role" and found["metadata"]["namespace"] != "kernels"
    }
    claims = [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get"]}]
    assert roles == {"hub": claims, "exam": claims}


@pytest.mark.parametrize(("claim", "reads"), [("homes", False), ("claim-{username}", True)])
def test_the_gateway_looks_up_claims_of_its_own_namespace_where_users_have_their_own(
    claim: str, reads: bool, helm: Helm
) -> None:
    roles = of_kind(helm.objects({"settings": {"homes": {"volume": {"claim": claim}}}}), "Role")
    rules = [rule for role in roles.values() for rule in role["rules"]]
    found = [rule["verbs"] for rule in rules if rule["resources"] == ["persistentvolumeclaims"]]
    assert found == [["get"]] * reads


CLAIM, INLINE = {"claim": "x"}, {"kind": "nfs", "server": "10.0.0.5"}
RESTRICTED = {"enforce": "restricted"}
BASELINE = {"enforce": "baseline", "warn": "restricted", "audit": "restricted"}


@pytest.mark.parametrize(
    ("home", "mount", "levels"),
    [
        (CLAIM, None, RESTRICTED),
        (CLAIM, {}, RESTRICTED),
        (CLAIM, CLAIM, RESTRICTED),
        (INLINE, CLAIM, BASELINE),
        (CLAIM, INLINE, BASELINE),
        (INLINE, INLINE, BASELINE),
        ({"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}"}, None, BASELINE),
        ({"kind": "none"}, None, RESTRICTED),
    ],
)
def test_pod_security_follows_from_the_volumes(home: Any, mount: Any, levels: Any, helm: Helm) -> None:
    mounts = [{"name": "m", "root": "/m", "mount_path": "/m", "volume": mount}] if mount is not None else []
    objects = helm.objects({"settings": {"homes": {"volume": home}, "mounts": mounts}})
    labels = of_kind(objects, "Namespace")["kernels"]["metadata"]["labels"]
    prefix = "pod-security.kubernetes.io/"
    assert {key.removeprefix(prefix): level for key, level in labels.items() if prefix in key} == levels
    assert bool(of_kind(objects, "ValidatingAdmissionPolicy")) == (levels == BASELINE)


@pytest.mark.parametrize(
    "tag", ["1e3", "7203e15", "08", "0o7", "0_8", "n", "Y", "on", "1.10", "null", "0x1F", "1e-3"]
)
def test_a_tag_that_looks_like_something_else_stays_text(tag: str, helm: Helm) -> None:
    """Values are written by Python and read by Go, whose YAML knows other numbers."""
    (deployment,) = of_kind(helm.objects({"image": {"repository": "r", "tag": tag}}), "Deployment").values()
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == f"r:{tag}"


@pytest.mark.parametrize("kind", ["config_map", "secret", "csi"])
def test_volumes_without_folders_leave_pod_security_restricted(kind: str, helm: Helm) -> None:
    volume = {"kind": kind, **({"driver": "x"} if kind == "csi" else {"object": "x"})}
    objects = helm.objects({"settings": {"mounts": [{"name": "m", "mount_path": "/m", "volume": volume}]}})
    assert not of_kind(objects, "ValidatingAdmissionPolicy")


def test_kernels_may_mount_what_courses_files_name(helm: Helm) -> None:
    objects = helm.objects({"admission": {"nfs": [{"server": "10.0.0.9", "root": "/courses/"}]}})
    labels = of_kind(objects, "Namespace")["kernels"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    (policy,) = of_kind(objects, "ValidatingAdmissionPolicy").values()
    allowed = {one["name"]: one["expression"] for one in policy["spec"]["variables"]}["allowed"]
    assert json.loads(allowed) == [{"server": "10.0.0.9", "root": "/courses"}]
    (profile,) = [
        one for name, one in of_kind(objects, "NetworkPolicy").items() if name.endswith("-egress-default")
    ]
    assert "10.0.0.9/32" in json.dumps(profile)


@pytest.mark.parametrize("name", VALUES)
def test_the_gateway_is_a_restricted_pod(name: str, helm: Helm) -> None:
    (deployment,) = of_kind(helm.objects(VALUES[name]), "Deployment").values()
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    kinds = {key for volume in pod["volumes"] for key in volume} - {"name"}
    assert kinds <= {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
    selected = deployment["spec"]["selector"]["matchLabels"].items()
    assert selected <= deployment["spec"]["template"]["metadata"]["labels"].items()


def checksum(helm: Helm, values: dict[str, Any]) -> str:
    (deployment,) = of_kind(helm.objects(values), "Deployment").values()
    return str(deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"identity": {"cache_seconds": 1}}},
        {"kernels": {"nodeSelector": {"a": "b"}}},
        {"hub": {"token": "another"}},
    ],
)
def test_a_changed_file_starts_the_gateway_anew(change: dict[str, Any], helm: Helm) -> None:
    assert checksum(helm, {}) != checksum(helm, change)
    assert checksum(helm, {}) == checksum(helm, {"replicaCount": 0})


@pytest.mark.parametrize("kind", ["homes", "kernelspecs"])
def test_a_static_volume_and_its_claim_find_only_each_other(kind: str, helm: Helm) -> None:
    objects = helm.objects(VALUES["kernelspecs-volume"])
    (volume,) = [pv for name, pv in of_kind(objects, "PersistentVolume").items() if name.endswith(kind)]
    claim = of_kind(objects, "PersistentVolumeClaim")[volume["spec"]["claimRef"]["name"]]
    assert claim["metadata"]["namespace"] == volume["spec"]["claimRef"]["namespace"]
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"] == ""
    assert claim["spec"]["accessModes"] == volume["spec"]["accessModes"]
    assert volume["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_kernelspecs_are_mounted_by_the_folder_above_and_read_only(helm: Helm) -> None:
    (deployment,) = of_kind(helm.objects(VALUES["kernelspecs-volume"]), "Deployment").values()
    pod = deployment["spec"]["template"]["spec"]
    (mount,) = [found for found in pod["containers"][0]["volumeMounts"] if found["name"] == "kernelspecs"]
    assert mount == {"name": "kernelspecs", "mountPath": "/srv/kernelpod", "readOnly": True}


def test_two_releases_share_no_object(helm: Helm) -> None:
    """All but the names of the namespaces the same, as with a teaching and an exam gateway."""
    values = {**VALUES["inline-nfs"], "kernelspecs": VALUES["kernelspecs-volume"]["kernelspecs"]}
    one = helm.template({**values, "kernels": {"namespace": {"name": "one"}}}, namespace="gateway-one")
    two = helm.template({**values, "kernels": {"namespace": {"name": "two"}}}, namespace="gateway-two")
    assert not names(one) & names(two)


def names(text: str) -> set[tuple[str, str, str]]:
    found = [document for document in yaml.safe_load_all(text) if document]
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in found}
