"""A spawner of server pods, without a hub and a cluster."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.settings.sections import Settings


class Claims:
    """An API server with one claim."""

    def __init__(self, name: str, annotations: dict[str, str] | None) -> None:
        self.name, self.annotations = name, annotations

    async def read_namespaced_persistent_volume_claim(
        self, name: str, namespace: str, *, _request_timeout: float
    ) -> Any:
        assert (name, namespace) == (self.name, "default")
        assert _request_timeout > 0
        return SimpleNamespace(metadata=SimpleNamespace(annotations=self.annotations))


def a_spawner(monkeypatch: pytest.MonkeyPatch, made: Settings) -> Any:
    """Return John.Döe's spawner. If homes are claims, theirs exists."""
    from jupyterhub.objects import Hub, Server
    from traitlets.config import Config

    from kernelpod.hub.config import configure
    from kernelpod.hub.spawners.pod import PodSpawner, configure_kubespawner

    config = Config()
    configure(config, made)
    configure_kubespawner(config, made)
    user = SimpleNamespace(name="John.Döe", groups=[], url="/u/", escaped_name="j", id=1, server=None)
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda *_, **__: None)
    spawner = PodSpawner(config=config, hub=Hub(), user=user, _mock=True)
    spawner.server = Server()
    spawner.api = Claims(spawner.pvc_name, None)
    return spawner
