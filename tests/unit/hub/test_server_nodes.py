"""What a server takes of its node: by the spawner, and by the values for Zero to JupyterHub."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values
from podspawner import a_spawner

DISK = {"request": "256Mi", "limit": "5Gi"}


def settings(**cluster: Any) -> Settings:
    kubernetes = {"home_check_image": "gateway:1", "ephemeral_storage": DISK, **cluster}
    servers = {"gateway_url": "http://kernelpod.gateway:8888"}
    return Settings.model_validate({"runtime": {"kubernetes": kubernetes}, "servers": servers})


@pytest.mark.hub
async def test_a_server_cannot_fill_the_nodes_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = a_spawner(monkeypatch, settings())
    spawner.extra_resource_limits = {"nvidia.com/gpu": "1"}
    resources = (await spawner.get_pod_manifest()).spec.containers[0].resources
    assert resources.requests == {"ephemeral-storage": "256Mi"}
    assert resources.limits == {"nvidia.com/gpu": "1", "ephemeral-storage": "5Gi"}


@pytest.mark.hub
async def test_an_admins_own_limit_of_disk_comes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = a_spawner(monkeypatch, settings())
    spawner.extra_resource_limits = {"ephemeral-storage": "64Mi"}
    resources = (await spawner.get_pod_manifest()).spec.containers[0].resources
    assert (resources.requests, resources.limits) == ({}, {"ephemeral-storage": "64Mi"})


@pytest.mark.hub
@pytest.mark.parametrize(("given", "made"), [(False, None), (True, False)])
async def test_a_server_has_a_user_namespace_if_asked_for(
    given: bool, made: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = await a_spawner(monkeypatch, settings(user_namespaces=given)).get_pod_manifest()
    assert pod.spec.host_users is made


def test_the_values_hold_the_same_for_the_charts_own_spawner() -> None:
    singleuser = z2jh_values(settings(user_namespaces=True), "gateway")["singleuser"]
    assert singleuser["extraResource"] == {
        "guarantees": {"ephemeral-storage": "256Mi"},
        "limits": {"ephemeral-storage": "5Gi"},
    }
    assert singleuser["extraPodConfig"] == {"enableServiceLinks": False, "hostUsers": False}
    assert "hostUsers" not in z2jh_values(settings(), "gateway")["singleuser"]["extraPodConfig"]
