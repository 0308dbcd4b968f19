"""Manifests: the golden ones, Kubernetes' own schema, and text that wants to be structure."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from doubles import a_plan
from kernelpod.homes.mounts import UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.pods.kernel import POD_PORTS, Manifest
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import read
from plans import HOSTILE, PLANS, leaves, made

GOLDEN = Path(__file__).parent / "golden"
ADDED = ("wait-for-licences", "proxy")  # the containers of the plan `additions`
KUBERNETES = ("1.28", "1.31", "1.34")


@pytest.mark.parametrize("name", PLANS)
def test_the_manifest_is_the_golden_one(name: str) -> None:
    """Set KERNELPOD_GOLDEN=write to write the files anew; then read the difference."""
    text, file = made(PLANS[name]()).to_yaml(), GOLDEN / f"{name}.yaml"
    if os.environ.get("KERNELPOD_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_bytes().decode("utf-8")


def test_there_is_no_golden_file_without_a_plan() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(PLANS)


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", PLANS)
def test_a_golden_manifest_fits_kubernetes_schema(name: str, version: str, need_module: Any) -> None:
    validate = need_module("kubernetes_validate").validate
    secret, pod = yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_bytes())
    for document in (secret, pod):
        validate(document, version, strict=True)
    pod["spec"]["hostNetwerk"] = True
    with pytest.raises(Exception, match="hostNetwerk"):
        validate(pod, version, strict=True)


@pytest.mark.parametrize("name", PLANS)
def test_a_pod_gives_away_nothing(name: str) -> None:
    manifest = made(PLANS[name]())
    spec = manifest.pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "nodeName"} & set(spec)
    # Only a kernelspec that names a service account has its token, and that only if the settings allow it.
    named = {"gpu": "spark-ml"}.get(name)
    assert (spec.get("serviceAccountName"), spec["automountServiceAccountToken"]) == (named, named is not None)
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        context = container["securityContext"]
        assert not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(context) <= {"allowPrivilegeEscalation", "capabilities"} or container["name"] in ADDED
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
    assert manifest.secret["immutable"] is True
    assert list(manifest.secret["stringData"]) == ["connection.json"]
    assert "k" * 64 not in yaml.safe_dump(manifest.pod)


def test_a_home_on_a_claim_is_looked_for_and_nothing_else_of_the_claim_is_seen_by_the_kernel() -> None:
    spec = made(PLANS["checked-home"]()).pod["spec"]
    (check,) = spec["initContainers"]
    assert check["command"] == ["test", "-d", "/homes/alice"]
    assert check["volumeMounts"] == [{"name": "home", "mountPath": "/homes", "readOnly": True}]
    home = spec["containers"][0]["volumeMounts"][0]
    assert (home["name"], home["mountPath"], home["subPath"]) == ("home", "/home/jovyan", "alice")


def test_a_home_that_is_an_nfs_volume_needs_no_check() -> None:
    settings = Settings.model_validate(
        {
            "homes": {"volume": {"kind": "nfs", "server": "10.0.0.5"}},
            "runtime": {"kubernetes": {"home_check_image": "registry.example/gateway:1"}},
        }
    )
    assert "initContainers" not in made(a_plan(settings=settings)).pod["spec"]


def test_the_pod_carries_its_record_and_five_ports() -> None:
    plan = a_plan()
    pod = made(plan).pod
    assert read(pod["metadata"]["annotations"]["kernelpod.io/record"]).plan == plan
    assert [port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]] == POD_PORTS
    assert max(POD_PORTS) < 32768


def expanded(text: str) -> str:
    """Return what kubelet makes of a command's word or an environment's value (its package `expansion`)."""
    return re.sub(r"\$(\$|\([^)]*\))", lambda found: "$" if found[1] == "$" else f"<value of {found[1]}>", text)


def with_mount_path(plan: KernelPlan, text: str) -> KernelPlan:
    home = plan.mounts.home.model_copy(update={"path": text, "sub_path": text, "mount_path": text})
    return plan.model_copy(update={"mounts": UserMounts(home=home)})


def with_nfs(plan: KernelPlan, text: str) -> KernelPlan:
    volume = Volume.model_construct(kind="nfs", claim="homes", server=text)
    home = plan.mounts.home.model_copy(update={"path": text, "volume": volume})
    return plan.model_copy(update={"mounts": UserMounts(home=home)})


# Every field that a user or an admin can influence, and the place in the pod where its text must come out.
FIELDS: dict[str, Any] = {
    "user": (
        lambda plan, text: plan.model_copy(update={"owner": plan.owner.model_copy(update={"name": text})}),
        lambda pod: pod["metadata"]["annotations"]["kernelpod.io/username"],
    ),
    "argv": (
        lambda plan, text: plan.model_copy(update={"argv": ("python", text)}),
        lambda pod: expanded(pod["spec"]["containers"][0]["command"][1]),
    ),
    "env value": (
        lambda plan, text: plan.model_copy(update={"env": {"A": text}}),
        lambda pod: expanded(pod["spec"]["containers"][0]["env"][0]["value"]),
    ),
    "env name": (
        lambda plan, text: plan.model_copy(update={"env": {text: "x"}}),
        lambda pod: pod["spec"]["containers"][0]["env"][0]["name"],
    ),
    "working dir": (
        lambda plan, text: plan.model_copy(update={"working_dir": text}),
        lambda pod: pod["spec"]["containers"][0]["workingDir"],
    ),
    "image": (
        lambda plan, text: plan.model_copy(update={"image": text}),
        lambda pod: pod["spec"]["containers"][0]["image"],
    ),
    "namespace": (
        lambda plan, text: plan.model_copy(update={"namespace": text}),
        lambda pod: pod["metadata"]["namespace"],
    ),
    "mount": (with_mount_path, lambda pod: pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]),
    "nfs server": (with_nfs, lambda pod: pod["spec"]["volumes"][0]["nfs"]["server"]),
    "display name": (
        lambda plan, text: plan.model_copy(update={"display_name": text, "profile": text, "notes": (text,)}),
        lambda pod: read(pod["metadata"]["annotations"]["kernelpod.io/record"]).plan.display_name,
    ),
}


def places(manifest: Manifest) -> set[str]:
    return set(leaves(manifest.pod)) | set(leaves(manifest.secret))


@functools.cache
def harmless_places(field: str) -> set[str]:
    return places(made(FIELDS[field][0](a_plan(), "harmless")))


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_comes_back_unchanged_and_adds_no_structure(field: str, text: str) -> None:
    change, found = FIELDS[field]
    manifest = made(change(a_plan(), text))
    assert found(manifest.pod) == text
    if field != "mount" or text:  # an empty sub_path is rightly left out
        assert places(manifest) == harmless_places(field)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_is_printed_and_sent_reads_back_as_it_was(field: str, text: str) -> None:
    manifest = made(FIELDS[field][0](a_plan(), text))
    documents = [manifest.secret, manifest.pod]
    assert list(yaml.safe_load_all(manifest.to_yaml())) == documents
    assert json.loads(json.dumps(documents)) == documents


def test_a_manifest_changes_nothing_it_was_given() -> None:
    plan = PLANS["shared-mounts"]()
    before = copy.deepcopy(plan)
    assert made(plan).pod == made(plan).pod
    assert plan == before
