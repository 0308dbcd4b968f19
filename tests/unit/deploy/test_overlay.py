"""The hub's overlay: what each patch is called, that it is in the manifests, and what kustomize makes of all."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from kernelpod.base import shipped
from kernelpod.deploy import overlay
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.errors import KernelpodError

DENIED = ["203.0.113.7/32", "2001:db8::7/128"]
GATEWAY = {"matchLabels": {"kubernetes.io/metadata.name": "ours"}}
TEACHING = {
    "users": ["alice"],
    "https_secret": "hub-tls",
    "allow_from": ["192.0.2.0/24"],
    "service": "LoadBalancer",
}
HUBS = {
    "nfs": {"server": "10.0.0.5", "courses": "/courses", "courses_files": "/courses-files"},
    "namespaces": {"gateway": "ours"},
    "homes": "dynamic",
    "hub": TEACHING,
    "more_hubs": {"exam": {"courses": "exam.yaml", "internet": False}},
}
# What patches may add to lists of the manifests.
NEW = {"KERNELPOD_HUB", "tls", "courses-files", "https", "/run/secrets/kernelpod-exam", "/etc/kernelpod-courses"}
NEW |= {"/run/secrets/tls", 443}


def hubs(**changes: Any) -> list[OneHub]:
    return Deployment.model_validate({**HUBS, **changes}).hubs()


def files(one: OneHub) -> dict[str, str]:
    return overlay.hub_overlay(one, "{}", DENIED)


def objects_in(text: str) -> dict[tuple[str, str], Any]:
    found = yaml.safe_load_all(text)
    return {(one["kind"], one["metadata"]["name"]): one for one in found if one["kind"] != "Kustomization"}


def manifests() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for file in shipped.hub_manifests().glob("*.yaml"):
        if file.name != "kustomization.yaml":
            found |= objects_in(file.read_text(encoding="utf-8"))
    return found


def patches(one: OneHub) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = yaml.safe_load(files(one)["kustomization.yaml"])["patches"]
    return made


def key_of(item: dict[str, Any]) -> Any:
    """Return by what Kubernetes finds an item of a list: k8s.io/api/core/v1, patchMergeKey."""
    return item.get("mountPath") or item.get("port") or item["name"]


def unknown(patch: Any, there: Any) -> list[Any]:
    """Return the keys of all items of lists that the manifests do not have."""
    if isinstance(patch, dict):
        there = there or {}
        return [key for name, value in patch.items() for key in unknown(value, there.get(name))]
    if isinstance(patch, list) and patch and isinstance(patch[0], dict):
        known = {key_of(one): one for one in there or []}
        missing = [key_of(one) for one in patch if key_of(one) not in known]
        return missing + [key for one in patch for key in unknown(one, known.get(key_of(one)))]
    return []


@pytest.mark.parametrize("number", [0, 1])
def test_every_patch_is_of_something_that_has_this_name(number: int) -> None:
    """An item of another name would be added beside, without a word."""
    there = manifests()
    for patch in patches(hubs()[number]):
        change = yaml.safe_load(patch["patch"])
        if "target" in patch:
            assert (patch["target"]["kind"], patch["target"]["name"]) in there
            assert not any(re.search(r"/\d+(/|$)", step["path"]) for step in change), "an index is no name"
        else:
            found = there[change["kind"], change["metadata"]["name"]]
            assert set(unknown(change["spec"], found["spec"])) <= NEW


def test_a_policy_that_the_manifests_lack_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "networkpolicies.yaml").write_text("{metadata: {name: other}}\n", encoding="utf-8")
    monkeypatch.setattr(shipped, "hub_manifests", lambda: tmp_path)
    with pytest.raises(KernelpodError, match="no NetworkPolicy hub-from-gateway"):
        files(hubs()[0])


@pytest.fixture
def built(tmp_path: Path) -> Any:
    """Return what kustomize makes of a hub's manifests and overlay."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not on PATH; make test-cluster has one")

    def build(one: OneHub) -> dict[tuple[str, str], Any]:
        folder = tmp_path / one.name
        shutil.copytree(shipped.hub_manifests(), folder / "base")
        (folder / "overlay").mkdir()
        for name, text in files(one).items():
            (folder / "overlay" / name).write_text(text, encoding="utf-8")
        command = ["kubectl", "kustomize", str(folder / "overlay")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return objects_in(done.stdout)

    return build


def policy(objects: dict[tuple[str, str], Any], name: str) -> Any:
    return objects["NetworkPolicy", name]["spec"]


def by_path(container: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def test_the_first_hub_as_kustomize_makes_it(built: Any) -> None:
    made = built(hubs()[0])
    pod = made["Deployment", "hub"]["spec"]["template"]["spec"]
    (container,), (first,) = pod["containers"], pod["initContainers"]
    assert {"name": "KERNELPOD_HUB", "value": "hub"} in container["env"]
    assert len(container["env"]) == 9, "nothing of the manifests is lost"
    assert container["readinessProbe"]["httpGet"] == {"path": "/hub/health", "port": "public", "scheme": "HTTPS"}
    assert {"/run/secrets/kernelpod", "/run/secrets/tls", "/etc/kernelpod-courses"} <= by_path(container).keys()
    assert by_path(container)["/srv/jupyterhub"]["subPath"] == ".kernelpod-hub"
    assert first["env"] == [{"name": "FOLDER", "value": ".kernelpod-hub"}]
    assert {"tls", "courses-files", "database"} <= {volume["name"] for volume in pod["volumes"]}
    service = made["Service", "proxy-public"]["spec"]
    assert service["ports"] == [{"name": "https", "port": 443, "targetPort": "public"}]
    assert (service["type"], service["loadBalancerSourceRanges"]) == ("LoadBalancer", ["192.0.2.0/24"])
    assert overlay.CLAIMS_RULE in made["Role", "hub"]["rules"]
    assert len(made["Role", "hub"]["rules"]) == 3


def test_its_networks_as_kustomize_makes_them(built: Any) -> None:
    made = built(hubs()[0])
    public = [{"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"protocol": "TCP", "port": 8000}]}]
    assert policy(made, "hub-public")["ingress"] == public
    for name, direction, side in [("hub-from-gateway", "ingress", "from"), ("servers-to-gateway", "egress", "to")]:
        (rule,) = policy(made, name)[direction]
        (peer,) = rule[side]
        assert peer["namespaceSelector"] == GATEWAY
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    ((four, six),) = [rule["to"] for rule in policy(made, "servers-to-internet")["egress"]]
    for block, denied, first in ((four, DENIED[0], "10.0.0.0/8"), (six, DENIED[1], "fc00::/7")):
        assert block["ipBlock"]["except"][0 :: len(block["ipBlock"]["except"]) - 1] == [first, denied]


def test_a_further_hub_has_its_own_folder_token_and_files_and_an_exam_no_internet(built: Any) -> None:
    made = built(hubs()[1])
    pod = made["Deployment", "hub"]["spec"]["template"]["spec"]
    (container,), (first,) = pod["containers"], pod["initContainers"]
    assert first["env"] == [{"name": "FOLDER", "value": ".kernelpod-hub-exam"}]
    mounts = by_path(container)
    assert mounts["/srv/jupyterhub"] == {
        "name": "database",
        "mountPath": "/srv/jupyterhub",
        "subPath": ".kernelpod-hub-exam",
    }
    assert mounts["/run/secrets/kernelpod-exam"]["name"] == "service-token"
    assert "/run/secrets/kernelpod" not in mounts
    nothing = {"policyTypes": ["Egress"], "egress": []}
    servers = {"podSelector": {"matchLabels": {"component": "singleuser-server"}}}
    for name in ("servers-to-internet", "servers-to-dns"):
        assert policy(made, name) == {**servers, **nothing}
    config = made["Secret", "hub-config"]["data"]["config.yaml"]
    assert yaml.safe_load(base64.b64decode(config))["PodSpawner"] == {"dns": False}
    assert made["Service", "proxy-public"]["spec"]["ports"][0]["port"] == 80


@pytest.mark.parametrize("service", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_people_come_from_given_networks_only(service: str) -> None:
    limited = {"users": ["alice"], "service": service, "allow_from": ["192.0.2.0/24", "2001:db8::/32"]}
    put = str(patches(hubs(hub=limited)[0]))
    assert "192.0.2.0/24" in put
    assert "2001:db8::/32" in put
    assert ("externalTrafficPolicy" in put) == (service != "ClusterIP")
    assert ("loadBalancerSourceRanges" in put) == (service == "LoadBalancer")
    assert "externalTrafficPolicy" not in str(patches(hubs(hub={"users": ["alice"]})[0]))
    with pytest.raises(ValidationError, match="allow_from"):
        hubs(hub={**limited, "allow_from": ["192.0.2.7/24"]})
    with pytest.raises(ValidationError, match="use the chart"):
        hubs(hub={**limited, "install": "z2jh"}, homes="pvc")
