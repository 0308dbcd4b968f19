"""What Helm makes of our values for Zero to JupyterHub, with a chart that has its defaults, names and claims."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm import HERE, Helm

from kernelpod.base import yamltext
from kernelpod.deploy import rendered, z2jh
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.chart

SETTINGS = Settings.model_validate(
    {
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "homes": {"root": "/homes"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
)


def deployment(**hub: Any) -> Deployment:
    given = {"install": "z2jh", "users": ["alice"], **hub}
    return Deployment.model_validate({"nfs": {"server": "10.0.0.5"}, "hub": given})


class Release:
    """The objects of the stand-in chart with the values that deploy makes, and an admin's own."""

    def __init__(self, helm: Helm, folder: Path, made: Deployment, yours: dict[str, Any]) -> None:
        files = {"ours": z2jh.values(made, SETTINGS, [], ""), "yours": yours}
        words = [helm.binary, "template", "hub", str(HERE / "zero"), "--namespace", "hub"]
        for name, values in files.items():
            (folder / f"{name}.yaml").write_text(yamltext.dump(values), encoding="utf-8")
            words += ["--values", str(folder / f"{name}.yaml")]
        home = {key: str(folder) for key in ("HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME")}
        done = subprocess.run(
            words, env={**os.environ, **home}, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        self.objects = {one["kind"]: one for one in yaml.safe_load_all(done.stdout) if one}
        self.values = json.loads(self.objects["ConfigMap"]["data"]["values.json"])


@pytest.fixture
def release(helm: Helm, tmp_path: Path) -> Any:
    """Return a function that renders a hub, given as in deploy.yaml, with an admin's values."""
    return lambda yours=None, **hub: Release(helm, tmp_path, deployment(**hub), yours or {})


def test_the_database_on_nfs_is_bound_and_the_hub_may_write_there(release: Any) -> None:
    made, hub = release(database={"nfs": "/db"}), deployment(database={"nfs": "/db"})
    claim, pod = made.objects["PersistentVolumeClaim"], made.objects["Deployment"]["spec"]["template"]["spec"]
    (volume,) = [
        one
        for one in rendered.hub_storage(hub, SETTINGS)
        if one["kind"] == "PersistentVolume" and one["spec"]["claimRef"]["name"] == claim["metadata"]["name"]
    ]
    assert volume["spec"]["claimRef"]["namespace"] == claim["metadata"]["namespace"]
    assert volume["spec"]["storageClassName"] == claim["spec"]["storageClassName"] == ""
    assert set(claim["spec"]["accessModes"]) <= set(volume["spec"]["accessModes"])
    assert claim["spec"]["resources"]["requests"] == volume["spec"]["capacity"]
    (container,), (mount,) = pod["initContainers"], pod["containers"][0]["volumeMounts"]
    ids = pod["containers"][0]["securityContext"]
    assert container["command"][-3:-1] == [f"/database/{mount['subPath']}", str(ids["runAsUser"])]
    # Kubelet never mounts one claim that a pod lists twice.
    claims = [
        one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one
    ]
    assert claims == ["hub-db-dir"]
    for one in made.objects.values():
        kubernetes_validate.validate(one, "1.31", strict=True)


def test_a_claim_of_the_database_keeps_the_default_class(release: Any) -> None:
    spec = release(database={"claim": {"size": "3Gi"}}).objects["PersistentVolumeClaim"]["spec"]
    assert (spec["resources"]["requests"]["storage"], "storageClassName" in spec) == ("3Gi", False)


def test_helm_adds_an_admins_volumes_and_removes_the_charts_group(release: Any) -> None:
    yours = {
        "singleuser": {
            "storage": {
                "extraVolumes": {"scratch": {"name": "scratch", "emptyDir": {}}},
                "extraVolumeMounts": {"scratch": {"name": "scratch", "mountPath": "/scratch"}},
            }
        }
    }
    singleuser = release(yours).values["singleuser"]
    storage = singleuser["storage"]
    assert [one["name"] for _, one in sorted(storage["extraVolumes"].items())] == ["homes", "scratch"]
    assert [one["mountPath"] for _, one in sorted(storage["extraVolumeMounts"].items())] == [
        "/home/jovyan",
        "/scratch",
    ]
    assert "fsGid" not in singleuser
    assert storage["type"] == "none"


def test_the_token_is_where_deploy_reads_it(release: Any) -> None:
    assert [*release().objects["Secret"]["stringData"]] == ["hub.services.kernelpod.apiToken"]
    assert release().objects["Secret"]["metadata"]["name"] == "hub"
