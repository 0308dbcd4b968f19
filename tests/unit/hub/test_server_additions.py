"""What a site adds to servers' pods: by the spawner, and by the values for Zero to JupyterHub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.base import yamltext
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values
from plans import ADDITIONS
from podspawner import a_spawner

GOLDEN = Path(__file__).parent / "golden"
SECTIONS: dict[str, Any] = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "homes": {"root": "/homes"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
}


def settings(**sections: Any) -> Settings:
    """Return settings with every kind of addition to servers, and none to kernels."""
    return Settings.model_validate({**SECTIONS, "pods": {"servers": ADDITIONS}, **sections})


def is_golden(data: Any, name: str) -> bool:
    """Return whether it is what the golden file holds; KERNELPOD_GOLDEN=write writes it anew."""
    text, file = yamltext.dump(data, width=110), GOLDEN / f"{name}.yaml"
    if os.environ.get("KERNELPOD_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    return text == file.read_text(encoding="utf-8")


def shown(pod: Any) -> dict[str, Any]:
    """Return a pod as it is sent, without what differs by version: variables, and KubeSpawner's notes."""
    from kubernetes_asyncio.client import ApiClient

    sent: dict[str, Any] = ApiClient.sanitize_for_serialization(ApiClient.__new__(ApiClient), pod)
    del sent["spec"]["containers"][0]["env"]
    notes = sent["metadata"]["annotations"]
    sent["metadata"]["annotations"] = {key: notes[key] for key in notes if not key.endswith("-version")}
    return sent


def without_home(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return init containers but the first, which makes the home."""
    assert containers[0]["name"] == "home"
    return containers[1:]


@pytest.mark.hub
async def test_a_servers_pod_with_additions_is_the_golden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = shown(await a_spawner(monkeypatch, settings()).get_pod_manifest())
    pod["spec"]["initContainers"] = without_home(pod["spec"]["initContainers"])
    assert is_golden(pod, "server-additions")


@pytest.mark.hub
async def test_all_else_of_a_servers_pod_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    added = shown(await a_spawner(monkeypatch, settings()).get_pod_manifest())
    plain = shown(await a_spawner(monkeypatch, settings(pods={})).get_pod_manifest())
    spec, was = added["spec"], plain["spec"]
    assert spec.pop("initContainers")[:1] == was.pop("initContainers")
    assert [one["key"] for one in spec.pop("tolerations")] == ["site"]
    assert [one["ip"] for one in spec.pop("hostAliases")] == ["10.1.2.3"]
    assert {**spec, "tolerations": [], "hostAliases": []} == {"tolerations": [], "hostAliases": [], **was}
    assert added["metadata"]["labels"].items() >= plain["metadata"]["labels"].items()
    assert added["metadata"]["annotations"].items() >= plain["metadata"]["annotations"].items()


@pytest.mark.hub
async def test_what_an_admin_gave_kubespawner_comes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = a_spawner(monkeypatch, settings())
    spawner.tolerations = [{"key": "mine", "operator": "Exists"}]
    spawner.extra_labels = {"example.org/team": "maths"}
    pod = shown(await spawner.get_pod_manifest())
    assert [one["key"] for one in pod["spec"]["tolerations"]] == ["mine", "site"]
    assert pod["metadata"]["labels"]["example.org/team"] == "maths"


@pytest.mark.hub
async def test_a_server_that_ended_is_seen_though_a_sidecar_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """KubeSpawner looks at `containerStatuses`, where sidecars are not."""
    pod = shown(await a_spawner(monkeypatch, settings()).get_pod_manifest())
    assert [one["name"] for one in pod["spec"]["containers"]] == ["notebook"]
    sidecars = [one["name"] for one in pod["spec"]["initContainers"] if one.get("restartPolicy") == "Always"]
    assert sidecars == ["proxy"]


def test_the_values_hold_the_same_for_the_charts_own_spawner() -> None:
    singleuser = z2jh_values(settings(), "gateway")["singleuser"]
    plain = z2jh_values(settings(pods={}), "gateway")["singleuser"]
    changed = {key: value for key, value in singleuser.items() if plain.get(key) != value}
    assert changed["initContainers"][0] == plain["initContainers"][0]
    changed["initContainers"] = without_home(changed["initContainers"])
    assert is_golden(changed, "z2jh-additions")


@pytest.mark.hub
async def test_kubespawner_fills_in_nothing_in_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    singleuser = z2jh_values(settings(), "gateway")["singleuser"]
    spawner = a_spawner(monkeypatch, settings())
    found = spawner._expand_all(singleuser["extraAnnotations"])
    assert found == ADDITIONS["annotations"]
    (_, wait, proxy) = spawner._expand_all(singleuser["initContainers"])
    assert wait["command"] == ["wait", "$$(LICENCES)"]
    assert proxy["restartPolicy"] == "Always"


def test_with_courses_the_spawner_adds_them_and_the_values_do_not() -> None:
    made = z2jh_values(settings(hubs=[{"courses": "/etc/courses/teaching.yaml"}]), "gateway")
    assert not {"extraLabels", "extraAnnotations", "extraTolerations", "initContainers"} & set(made["singleuser"])
    sent = yaml.safe_load(made["hub"]["extraFiles"]["kernelpod-settings"]["stringData"])
    assert Settings.model_validate(sent).pods == settings().pods
