"""However values set a trait, it is judged as the hub gets it; a real KubeSpawner has the last word."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from chart_hub import a_user, chart_spawner
from hub_settings import SECTIONS, WITH_COURSES

from kernelpod.base.merging import merged
from kernelpod.findings.finding import START, Finding
from kernelpod.findings.yamlfile import Spot, YamlTree
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import overrides
from kernelpod.z2jh.values import z2jh_values

OURS = z2jh_values(Settings.model_validate(SECTIONS), "gateway")
COURSES = z2jh_values(Settings.model_validate(WITH_COURSES), "gateway")
OLD = z2jh_values(Settings.model_validate(SECTIONS), "gateway", chart_version="3.3.8")
VARIABLES: dict[str, str] = OURS["singleuser"]["extraEnv"]
HOMES: list[Any] = list(OURS["singleuser"]["storage"]["extraVolumes"].values())


def said(yours: dict[str, Any], ours: dict[str, Any] = OURS, version: str = "4.4") -> list[Finding]:
    """Return what is said of an admin's values but for notes, at no place in particular."""
    found = overrides(ours, YamlTree(yours, {(): Spot(Path("yours.yaml"), START)}), version)
    return [one for one in found if one.level != "note"]


def config(**sections: Any) -> dict[str, Any]:
    return {"hub": {"config": sections}}


def profile(**traits: Any) -> dict[str, Any]:
    return {"singleuser": {"profileList": [{"display_name": "A", "kubespawner_override": traits}]}}


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, str]] = {
    "a variable among all of ours": (
        config(KubeSpawner={"environment": {**VARIABLES, "MINE": "{"}}),
        OURS,
        "hub.config.KubeSpawner.environment.MINE",
        "error",
        "double literal braces",
    ),
    "the path of the home beside ours": (
        config(KubeSpawner={"environment": {**COURSES["singleuser"]["extraEnv"], "KERNEL_PATH": "/x"}}),
        COURSES,
        "hub.config.KubeSpawner.environment.KERNEL_PATH",
        "error",
        "different homes",
    ),
    "an id of our own spawner": (
        config(PodSpawner={"uid": 4000}),
        COURSES,
        "hub.config.PodSpawner.uid",
        "error",
        "different ids",
    ),
    "a base class of spawners": (
        config(LoggingConfigurable={"fs_gid": 100}),
        OURS,
        "hub.config.LoggingConfigurable.fs_gid",
        "error",
        "the owners of all homes would change",
    ),
    "a base class of all": (
        config(Configurable={"namespace": "x"}),
        OURS,
        "hub.config.Configurable.namespace",
        "error",
        "other namespaces",
    ),
    "a base class of the hub": (
        config(Application={"db_url": "sqlite://"}),
        OURS,
        "hub.config.Application.db_url",
        "error",
        "loses all running servers",
    ),
    "a former name": (
        config(KubeSpawner={"singleuser_fs_gid": 100}),
        OURS,
        "hub.config.KubeSpawner.singleuser_fs_gid",
        "error",
        "the owners of all homes would change",
    ),
    "a former name in a profile": (
        profile(singleuser_uid=4000),
        OURS,
        "singleuser.profileList.0.kubespawner_override.singleuser_uid",
        "error",
        "different ids",
    ),
    "a field in Python's spelling": (
        config(KubeSpawner={"container_security_context": {"run_as_user": 0}}),
        OURS,
        "hub.config.KubeSpawner.container_security_context.run_as_user",
        "error",
        "different ids",
    ),
    "the pod's own context": (
        {"singleuser": {"extraPodConfig": {"security_context": {"runAsUser": 0}}}},
        OURS,
        "singleuser.extraPodConfig.security_context",
        "warning",
        "this replaces the generated one",
    ),
    "the node's network": (
        profile(extra_pod_config={"host_network": True}),
        OURS,
        "singleuser.profileList.0.kubespawner_override.extra_pod_config.host_network",
        "warning",
        "where network policies do not hold",
    ),
    "failures": (
        config(KubeSpawner={"consecutive_failure_limit": 5}),
        OURS,
        "hub.config.KubeSpawner.consecutive_failure_limit",
        "warning",
        "can end the hub",
    ),
    "a volume twice in a whole list": (
        config(KubeSpawner={"volumes": [*HOMES, {"name": "homes"}]}),
        OURS,
        "hub.config.KubeSpawner.volumes",
        "error",
        "no pod could start",
    ),
    "a file in the place of the home": (
        {"singleuser": {"extraFiles": {"a": {"mountPath": "/home/jovyan", "stringData": "x"}}}},
        OURS,
        "singleuser.extraFiles.a.mountPath",
        "error",
        "choose another",
    ),
    "names of an authenticator's class": (
        config(DummyAuthenticator={"username_pattern": ".*"}),
        OLD,
        "hub.config.DummyAuthenticator.username_pattern",
        "error",
        "different homes",
    ),
    "one user as a text": (
        config(Authenticator={"allowed_users": "john.doe"}),
        OLD,
        "hub.config.Authenticator.allowed_users",
        "error",
        "john.doe: this chart's hub does not start",
    ),
    "roles as a mapping": (
        config(JupyterHub={"load_roles": {"a": {"scopes": []}}}),
        OURS,
        "hub.config.JupyterHub.load_roles",
        "error",
        "add yours to hub.loadRoles",
    ),
    "another port": (
        config(JupyterHub={"hub_port": 9000}),
        OURS,
        "hub.config.JupyterHub.hub_port",
        "error",
        "the gateway asks the hub at another URL",
    ),
    "a path in a URL": (
        config(JupyterHub={"bind_url": "http://:8000/jupyter"}),
        OURS,
        "hub.config.JupyterHub.bind_url",
        "error",
        "set hub.baseUrl instead",
    ),
    "a service of our role": (
        {"hub": {"loadRoles": {"kernelpod-gateway": {"services": []}}}},
        OURS,
        "hub.loadRoles.kernelpod-gateway.services",
        "error",
        "the gateway needs this role",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_is_named_with_what_it_breaks(way: str) -> None:
    yours, ours, place, level, text = WAYS[way]
    (found,) = said(yours, ours, "3.3.8" if ours is OLD else "4.4")
    assert (found.text.partition(": ")[0], found.level, text in found.text) == (place, level, True), found


UNREAD: list[tuple[str, Any]] = [
    ("extraConfig", {"mine": "c.KubeSpawner.cmd = []"}),
    ("extraConfig", "c.KubeSpawner.cmd = []"),
    ("existingSecret", "mine"),
    ("command", ["jupyterhub", "--KubeSpawner.cmd=x"]),
    ("args", ["--KubeSpawner.cmd=x"]),
    ("extraFiles", {"a": {"mountPath": "/usr/local/etc/jupyterhub/jupyterhub_config.d/a.py"}}),
]


@pytest.mark.parametrize("ours", [OURS, COURSES], ids=["plain", "courses"])
@pytest.mark.parametrize(("key", "value"), UNREAD)
def test_of_what_cannot_be_resolved_it_is_said_that_it_was_not(key: str, value: Any, ours: dict[str, Any]) -> None:
    found = [one for one in said({"hub": {key: value}}, ours) if "cannot be checked" in one.text]
    assert [one.level for one in found] == ["warning"]
    assert found[0].text.startswith(f"hub.{key}")


# What is set, the trait that it is about, and whether the spawner gets it.
EFFECTS: list[tuple[dict[str, Any], str, bool]] = [
    (config(Spawner={"environment": {"MINE": "a"}}), "environment", False),
    (config(KubeSpawner={"environment": {"MINE": "a"}}), "environment", True),
    (config(Configurable={"uid": 4000}), "uid", False),
    (config(Spawner={"uid": 4000}), "uid", False),
    (config(KubeSpawner={"uid": 4000}), "uid", True),
    (config(PodSpawner={"uid": 4000}), "uid", False),
    (config(KubeSpawner={"singleuser_uid": 4000}), "uid", False),
    (config(KubeSpawner={"singleuser_fs_gid": 100}), "fs_gid", True),
    (config(LoggingConfigurable={"fs_gid": 100}), "fs_gid", True),
    (config(Spawner={"cmd": ["start.sh"]}), "cmd", True),
    (config(KubeSpawner={"cmd": ["start.sh"]}), "cmd", True),
    (config(LoggingConfigurable={"cmd": ["start.sh"]}), "cmd", False),
    ({"singleuser": {"uid": 4000}}, "uid", True),
    ({"singleuser": {"uid": 4000}, **config(KubeSpawner={"uid": 1000})}, "uid", False),
]


@pytest.mark.parametrize(("yours", "trait", "gets"), EFFECTS)
def test_what_has_no_effect_breaks_nothing(yours: dict[str, Any], trait: str, gets: bool) -> None:
    found = said(yours)
    assert [one.level for one in found] == ["error" if gets else "warning"]
    assert ("this has no effect" in found[0].text) != gets


@pytest.mark.hub
@pytest.mark.parametrize(("yours", "trait", "gets"), EFFECTS)
def test_a_real_spawner_gets_what_is_said_to_have_an_effect(
    yours: dict[str, Any], trait: str, gets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawners = [
        chart_spawner(monkeypatch, deepcopy(values), a_user("alice")) for values in (OURS, merged(OURS, yours))
    ]
    before, after = (getattr(one, trait) for one in spawners)
    assert (before != after) == gets


@pytest.mark.hub
def test_a_real_spawner_takes_fields_in_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an object's own fields, but not below them."""
    from kubernetes_asyncio.client import V1PodSpec
    from kubespawner.utils import get_k8s_model

    made = get_k8s_model(V1PodSpec, {"host_network": True, "hostPID": True, "containers": []})
    assert (made.host_network, made.host_pid) == (True, True)


@pytest.mark.parametrize("field", ["enableServiceLinks", "enable_service_links"])
def test_a_spelling_alone_changes_nothing(field: str) -> None:
    mine = {"dnsPolicy": "None", field: False}
    assert said(config(KubeSpawner={"extra_pod_config": mine})) == []
