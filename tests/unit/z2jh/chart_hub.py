"""Stands in for the chart's hub: its KubeSpawner, configured by values as the chart's documentation says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.hub.needs.judge import at
from kernelpod.hub.needs.traits import SPAWNER
from kernelpod.z2jh.overrides import TRAITS


def chart_spawner(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], user: Any) -> Any:
    """Return the spawner of a user at a hub of the chart with these values."""
    from jupyterhub.objects import Hub, Server
    from kubespawner import KubeSpawner
    from traitlets.config import Config

    c = Config()
    for path, (kind, trait, rank) in TRAITS.items():
        value = at(values, tuple(path.split(".")))
        if kind == "Spawner" and value is not None:
            c["Spawner" if rank == SPAWNER else "KubeSpawner"][trait] = value
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
