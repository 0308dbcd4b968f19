"""Stands in for the chart's hub: its KubeSpawner, configured by values as the chart's documentation says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

# Traits of KubeSpawner by the value below `singleuser` that sets them.
TRAITS = {
    "cmd": "cmd",
    "start_timeout": "startTimeout",
    "uid": "uid",
    "fs_gid": "fsGid",
    "allow_privilege_escalation": "allowPrivilegeEscalation",
    "environment": "extraEnv",
    "extra_labels": "extraLabels",
    "extra_annotations": "extraAnnotations",
    "tolerations": "extraTolerations",
    "extra_pod_config": "extraPodConfig",
    "init_containers": "initContainers",
    "extra_resource_guarantees": "extraResource.guarantees",
    "extra_resource_limits": "extraResource.limits",
    "volumes": "storage.extraVolumes",
    "volume_mounts": "storage.extraVolumeMounts",
}


def chart_spawner(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], user: Any) -> Any:
    """Return the spawner of a user at a hub of the chart with these values."""
    from jupyterhub.objects import Hub, Server
    from kubespawner import KubeSpawner
    from traitlets.config import Config

    c = Config()
    for trait, path in TRAITS.items():
        value: Any = values["singleuser"]
        for key in path.split("."):
            value = (value or {}).get(key)
        if value is not None:
            c.KubeSpawner[trait] = value
    for section, traits in values["hub"]["config"].items():
        c[section].update(traits)
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda *_, **__: None)
    spawner = KubeSpawner(config=c, hub=Hub(), user=user, _mock=True)
    spawner.server = Server()
    return spawner


def sent(pod: Any) -> dict[str, Any]:
    """Return a pod as it is sent to Kubernetes."""
    from kubernetes_asyncio.client import ApiClient

    made: dict[str, Any] = ApiClient.sanitize_for_serialization(ApiClient.__new__(ApiClient), pod)
    return made


def a_user(name: str) -> Any:
    """Return a user of a hub."""
    return SimpleNamespace(name=name, groups=[], url="/u/", escaped_name="j", id=1, server=None)
