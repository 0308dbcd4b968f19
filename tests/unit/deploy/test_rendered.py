"""What is applied: values of the chart, patches of the hub's manifests, settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployments import LEAST, Answers, courses_deployment, deployment, written

from kernelpod.deploy import overlay, removal, rendered
from kernelpod.deploy.settings import SMOKE_USER, load_deployment
from kernelpod.errors import SettingsError
from kernelpod.settings.sections import Settings


def test_the_charts_values_say_where_homes_are_and_who_is_denied() -> None:
    values = rendered.chart_values(deployment(), ["10.0.0.1/32"])
    assert values["homes"]["persistentVolume"] == {
        "create": True,
        "server": "10.0.0.5",
        "path": "/home/nfs_share/claim",
        "mountOptions": ["nfsvers=4.1", "hard"],
    }
    assert values["networkPolicy"] == {"deny": ["10.0.0.1/32"]}
    assert values["hub"] == {"namespace": "hub", "existingSecret": "kernelpod-hub"}


def test_every_volume_reaches_the_server_as_the_file_says() -> None:
    """A server that has only NFS 3 and no locks. What is only read keeps options of its own."""
    folders = {"kernelspecs": "/specs", "courses": "/courses", "courses_files": "/files"}
    nfs = {"server": "10.0.0.5", "mount_options": ["nfsvers=3", "nolock", "rsize=65536"], **folders}
    made = deployment(nfs=nfs, hub={"users": ["a"], "database": {"nfs": "/db"}})
    values = rendered.chart_values(made, [])
    objects = [*rendered.hub_storage(made, Settings()), *rendered.gateway_storage(made)]
    objects += rendered.kernels_storage(made)
    options = {one["metadata"]["name"]: one["spec"]["mountOptions"] for one in objects if "nfs" in one["spec"]}
    options["homes"] = values["homes"]["persistentVolume"]["mountOptions"]
    options["kernelspecs"] = values["kernelspecs"]["volume"]["mountOptions"]
    read_only = {"gateway-courses-files", "hub-courses-files", "kernelspecs"}
    assert options.keys() == {"hub-homes", "hub-database", "hub-courses", "kernels-courses", "homes"} | read_only
    for name, given in options.items():
        wanted = ["actimeo=1", "soft", "timeo=50", "retrans=2"] if name in read_only else ["rsize=65536"]
        assert given == ["nfsvers=3", "nolock", *wanted], name


def test_inline_nfs_homes_need_no_volume() -> None:
    values = rendered.chart_values(deployment(homes="nfs"), [])
    assert "homes" not in values
    assert values["settings"]["homes"]["volume"] == {"kind": "nfs", "server": "10.0.0.5"}


def test_dynamic_homes_are_claims_that_the_hub_may_make() -> None:
    made = deployment(homes="dynamic")
    volume = {"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}", "namespace": "hub"}
    assert rendered.chart_values(made, [])["settings"]["homes"]["volume"] == volume
    claims = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get"]}
    dynamic, plain = (
        yaml.safe_load(overlay.hub_overlay(of.hubs()[0], "", [])["kustomization.yaml"])["patches"]
        for of in (made, deployment())
    )
    assert claims in [json.loads(one["patch"])[0]["value"] for one in dynamic if "target" in one]
    assert claims not in [json.loads(one["patch"])[0]["value"] for one in plain if "target" in one]


def test_no_homes_need_no_volume() -> None:
    values = rendered.chart_values(deployment(homes="none"), [])
    assert "homes" not in values
    assert values["settings"]["homes"]["volume"] == {"kind": "none"}


def test_the_volumes_of_users_outlive_their_claims() -> None:
    claims = {"items": [{"spec": {"volumeName": "pv-alice"}}, {"spec": {}}]}
    answers = Answers(kubectl_get_persistentvolumeclaims=claims)
    removal._keep_claimed(answers.cluster(), ["hub"])
    (patch,) = [command for command in answers.asked if "patch" in command]
    assert patch[1:4] == ["patch", "persistentvolume", "pv-alice"]
    assert json.loads(patch[-1]) == {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}


def test_settings_and_values_of_the_file_have_the_last_word() -> None:
    made = deployment(
        settings={"homes": {"mount_path": "/h"}}, values={"networkPolicy": {"metricsFrom": [{"podSelector": {}}]}}
    )
    values = rendered.chart_values(made, ["10.0.0.1/32"])
    assert values["settings"]["homes"]["mount_path"] == "/h"
    assert values["settings"]["homes"]["root"] == "/home/nfs_share/claim"
    assert values["networkPolicy"]["deny"] == ["10.0.0.1/32"]


@pytest.mark.parametrize("given", [["10.0.0.1/32", "203.0.113.0/24"], []])
def test_what_the_file_denies_is_denied_beside_what_was_found(given: list[str]) -> None:
    made = deployment(values={"networkPolicy": {"deny": given}})
    expected = ["10.0.0.1/32", *given[1:]]
    assert rendered.chart_values(made, ["10.0.0.1/32"])["networkPolicy"]["deny"] == expected
    assert rendered.all_denied(made, ["10.0.0.1/32"]) == expected


def test_hub_and_gateway_read_the_file_of_user_ids_from_the_same_folder() -> None:
    nfs = {"server": "10.0.0.5", "courses_files": "/export/files"}
    made = deployment(nfs=nfs, hub={"users": ["alice"], "user_ids": "passwd"})
    values = rendered.chart_values(made, [])
    assert values["settings"]["hubs"] == [{"user_ids": "/etc/kernelpod-courses/passwd"}]
    assert values["extraVolumeMounts"][0]["mountPath"] == "/etc/kernelpod-courses"
    assert "/etc/kernelpod-courses" in overlay.hub_overlay(made.hubs()[0], "", [])["kustomization.yaml"]


def test_nobody_gets_into_the_hub_who_is_not_named() -> None:
    config = overlay.hub_config(deployment(hub={"users": ["alice"], "admin_users": ["carol"]}))
    assert config["Authenticator"] == {
        "allowed_users": ["alice", "carol", SMOKE_USER],
        "admin_users": ["carol"],
    }
    config = overlay.hub_config(deployment(hub={"authenticator": "pam"}))
    assert config["Authenticator"]["allowed_users"] == []


def test_everybody_with_one_password_is_refused() -> None:
    with pytest.raises(SettingsError, match="allow_all"):
        overlay.hub_config(deployment(hub={"users": ["a"], "config": {"Authenticator": {"allow_all": True}}}))


def test_files_outlive_the_volumes_of_the_hub() -> None:
    made = deployment(hub={"users": ["a"], "database": {"nfs": "/db"}})
    objects = rendered.hub_storage(made, Settings())
    volumes = [one["spec"] for one in objects if one["kind"] == "PersistentVolume"]
    assert [volume["persistentVolumeReclaimPolicy"] for volume in volumes] == ["Retain", "Retain"]
    assert [volume["claimRef"] for volume in volumes] == [
        {"namespace": "hub", "name": "hub"},
        {"namespace": "hub", "name": "homes"},
    ]
    assert rendered.volume_names(made) == ["hub-homes", "hub-database"]


def test_the_configuration_of_the_hub_restarts_it() -> None:
    first, second = (
        yaml.safe_load(
            overlay.hub_overlay(deployment(hub={"users": users}).hubs()[0], "", [])["kustomization.yaml"]
        )
        for users in (["alice"], ["alice", "bob"])
    )
    assert first["patches"][0] != second["patches"][0]
    assert first["patches"][1:] == second["patches"][1:]


def test_the_chart_is_told_both_hubs_and_where_their_courses_are() -> None:
    values = rendered.chart_values(courses_deployment(settings={"hubs": [{"name": "teaching"}]}), [])
    assert values["settings"]["hubs"] == [{"courses": "/etc/kernelpod-courses/teaching.yaml", "name": "teaching"}]
    assert values["extraHubs"] == [
        {
            "name": "exam",
            "namespace": "exam",
            "existingSecret": "kernelpod-hub-exam",
            "settings": {
                "courses": "/etc/kernelpod-courses/exam.yaml",
                "courses_may_mount": ["secret/licence-*"],
                "courses_nfs": [{"server": "10.0.0.9", "root": "/export/scans"}],
            },
        }
    ]
    assert values["extraVolumes"][0]["persistentVolumeClaim"]["claimName"] == "courses-files"


def test_the_claims_of_courses_are_where_they_are_mounted_and_are_removed_with_the_rest() -> None:
    made = courses_deployment()
    objects = [*rendered.gateway_storage(made), *rendered.kernels_storage(made)]
    objects += [one for hub in made.hubs() for one in rendered.hub_storage(hub.deployment, Settings())]
    claims = {
        (one["metadata"]["namespace"], one["metadata"]["name"])
        for one in objects
        if one["kind"] == "PersistentVolumeClaim"
    }
    assert {
        ("gateway", "courses-files"),
        ("kernels", "courses"),
        ("exam", "courses"),
        ("exam", "courses-files"),
    } <= claims
    volumes = {one["metadata"]["name"] for one in objects if one["kind"] == "PersistentVolume"}
    assert volumes <= set(rendered.volume_names(made))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more_hubs": {"hub": {"users": ["a"]}}}, "every hub needs a unique name"),
        ({"more_hubs": {"kernels": {"users": ["a"]}}}, "is not the name of another namespace"),
        ({"more_hubs": {"exam": {}}}, "more_hubs.exam.users: list who may log in"),
        ({"more_hubs": {"exam": {"install": "z2jh", "users": ["a"]}}}, "manifests"),
        ({"hub": {"courses": "a.yaml"}}, "set the exported folders nfs.courses and nfs.courses_files"),
        ({"hub": {"courses": "../a.yaml"}}, "hub.courses"),
    ],
)
def test_hubs_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        load_deployment(written(tmp_path, {**LEAST, **changes}))


def test_a_dry_run_shows_no_secret() -> None:
    objects = [rendered.namespace("hub", "baseline"), {"kind": "Secret", "data": {"config.yaml": "c2VjcmV0"}}]
    shown = list(yaml.safe_load_all(rendered.without_secrets(yaml.safe_dump_all(objects))))
    assert shown == [objects[0], {"kind": "Secret", "data": {"config.yaml": "(not shown)"}}]
