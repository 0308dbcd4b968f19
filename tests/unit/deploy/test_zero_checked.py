"""What is checked before Zero to JupyterHub is installed: users, the file's own values, the database."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from deployments import Answers, deployment

from kernelpod.deploy import install, operations, overlay, rendered, z2jh
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.settings import SMOKE_USER, DeployedHub
from kernelpod.deploy.usernames import check_names
from kernelpod.deploy.z2jhdatabase import MAKE_FOLDER
from kernelpod.errors import SettingsError
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.versions import PLAIN_NAMES
from zero_schema import VERSIONS, validate

SECTIONS: dict[str, Any] = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "homes": {"root": "/home/nfs_share/claim"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
}
SETTINGS = Settings.model_validate(SECTIONS)
OLD = {"version": "3.3.8"}


def zero(**hub: Any) -> dict[str, Any]:
    """Return the values for a hub of the chart."""
    return z2jh.values(deployment(hub={"install": "z2jh", "users": ["alice"], **hub}), SETTINGS, [], "")


def test_our_own_smoke_user_may_log_in_at_every_chart() -> None:
    made = zero(z2jh=OLD)["hub"]["config"]["Authenticator"]
    assert made["username_pattern"] == PLAIN_NAMES
    check_names({"Authenticator": made}, [SMOKE_USER])
    assert SMOKE_USER in made["allowed_users"]


@pytest.mark.parametrize(
    ("hub", "smoke", "named"),
    [
        ({"z2jh": OLD, "users": ["alice", "john.doe", "user_1"]}, None, "john.doe, user_1: these names"),
        ({"z2jh": OLD, "admin_users": ["a-b"]}, None, "a-b: these names"),
        ({"z2jh": OLD}, "smoke-test", "smoke-test: these names"),
        ({"z2jh": OLD, "config": {"GitHubOAuthenticator": {"allowed_users": ["x.y"]}}}, None, "x.y: these names"),
        ({"z2jh": OLD, "config": {"LDAPAuthenticator": {"admin_users": "x.y"}}}, None, "x.y: these names"),
        ({"config": {"Authenticator": {"username_pattern": "^b"}}}, None, "alice, kernelpodsmoke: these names"),
        ({"config": {"Authenticator": {"username_pattern": "("}}}, None, "no regular expression"),
        ({"z2jh": OLD, "users": ["Alice"]}, None, ""),
        ({"users": ["john.doe"]}, None, ""),
        ({"z2jh": {"values": {"hub": {"config": {"Authenticator": None}}}}}, None, ""),
    ],
)
def test_users_who_could_not_log_in_are_named_before_anything_is_applied(
    hub: dict[str, Any], smoke: str | None, named: str
) -> None:
    made = deployment(hub={"install": "z2jh", "users": ["alice"], **hub}, smoke={"user": smoke})
    if named:
        with pytest.raises(SettingsError, match=named):
            z2jh.values(made, SETTINGS, [], "")
    else:
        z2jh.values(made, SETTINGS, [], "")


def test_users_of_a_hub_of_manifests_are_checked_too() -> None:
    config = {"Authenticator": {"username_pattern": "^s[0-9]+$"}}
    with pytest.raises(SettingsError, match="alice, kernelpodsmoke: these names"):
        overlay.hub_overlay(deployment(hub={"users": ["alice", "s1"], "config": config}).hubs()[0], "", [])


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"z2jh": {"values": {"singleuser": {"cmd": ["x"]}}}}, "singleuser.cmd: the generated arguments are lost"),
    ({"z2jh": {"values": {"hub": {"baseUrl": "/x/"}}}}, "hub.baseUrl: the gateway asks the hub at another URL"),
    ({"z2jh": {"values": {"fullnameOverride": "x"}}}, "fullnameOverride: the gateway asks the hub at another URL"),
    (
        {"config": {"KubeSpawner": {"environment": {"A": "b"}}}},
        "hub.config.KubeSpawner.environment: the generated",
    ),
    (
        {"config": {"JupyterHub": {"load_roles": [{"name": "x"}]}}},
        "hub.config.JupyterHub.load_roles: this replaces",
    ),
]


@pytest.mark.parametrize(("hub", "said"), BROKEN)
def test_a_file_that_breaks_the_hub_is_refused_before_anything_is_applied(
    hub: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = install.CompletedSettings("", SETTINGS)
    monkeypatch.setattr(install, "gateway_settings", lambda *_: completed)
    tools = Answers(helm_show_chart={"version": "4.4.0"})
    made = deployment(hub={"install": "z2jh", "users": ["alice"], **hub})
    with pytest.raises(SettingsError, match=said):
        operations.deploy(tools.cluster(), made, Progress(lambda _: None))
    assert {words[1] for words in tools.asked} == {"get", "show"}


@pytest.mark.parametrize(
    ("named", "there", "fits"),
    [
        ("4.4.0", "4.4.0", True),
        ("4.4", "4.4.1", True),
        ("4.4.0", "v4.4.0", True),
        ("4.4.0", "4.0.0", False),
        ("4.4.0", "3.3.8", False),
    ],
)
def test_a_chart_of_another_version_than_the_values_is_refused(named: str, there: str, fits: bool) -> None:
    """`hub.z2jh.chart` may be a folder, whose version helm does not compare with the one that is asked for."""
    chart = {"chart": "/srv/chart", "repository": "", "version": named}
    made = deployment(hub={"install": "z2jh", "users": ["alice"], "z2jh": chart})
    tools = Answers(helm_show_chart={"version": there})
    if fits:
        z2jh.check_chart(tools.cluster(), made)
    else:
        with pytest.raises(SettingsError, match=rf"set hub\.z2jh\.version: {there}"):
            z2jh.check_chart(tools.cluster(), made)
    assert tools.asked == [["helm", "show", "chart", "/srv/chart", "--version", named]]


def test_what_is_only_risky_is_a_warning() -> None:
    open_ = {"singleuser": {"networkPolicy": {"enabled": False}}}
    hub = {"install": "z2jh", "users": ["alice"], "z2jh": {"values": open_}}
    (said,) = z2jh.warnings(deployment(hub=hub), SETTINGS)
    assert said.startswith("singleuser.networkPolicy.enabled: servers can reach all addresses")
    assert z2jh.warnings(deployment(hub={"install": "z2jh", "users": ["alice"]}), SETTINGS) == []


def test_a_claim_of_the_database_is_the_charts() -> None:
    assert zero()["hub"]["db"] == {"pvc": {"storage": "1Gi"}}
    made = zero(database={"claim": {"size": "5Gi", "storage_class": "fast"}})["hub"]
    assert made["db"] == {"pvc": {"storage": "5Gi", "storageClassName": "fast"}}
    assert "initContainers" not in made


def test_a_database_on_nfs_is_a_volume_for_the_charts_claim_with_a_folder_for_its_hub() -> None:
    hub = {"install": "z2jh", "users": ["alice"], "database": {"nfs": "/export/db"}}
    first, *rest = rendered.hub_storage(deployment(hub=hub), SETTINGS)
    assert (first["kind"], first["spec"]["claimRef"]) == (
        "PersistentVolume",
        {"namespace": "hub", "name": "hub-db-dir"},
    )
    assert "hub" not in [one["metadata"]["name"] for one in rest if one["kind"] == "PersistentVolumeClaim"]
    made = zero(database={"nfs": "/export/db"})["hub"]
    pvc = made["db"]["pvc"]
    assert (pvc["storageClassName"], pvc["subPath"]) == ("", ".kernelpod-hub")
    # Kubernetes binds a claim to a volume that offers all of its modes, and its size.
    assert set(pvc["accessModes"]) <= set(first["spec"]["accessModes"])
    assert pvc["storage"] == first["spec"]["capacity"]["storage"]
    (container,), (volume,) = made["initContainers"], made["extraVolumes"]
    assert container["volumeMounts"][0]["name"] == volume["name"]
    assert volume["nfs"] == {"server": "10.0.0.5", "path": "/export/db"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("database", [{}, {"nfs": "/db"}, {"claim": {"size": "2Gi", "storage_class": "fast"}}])
def test_the_charts_take_what_deploy_makes(version: str, database: dict[str, Any]) -> None:
    validate(zero(database=database, https_secret="tls", z2jh={"version": version}), version)


def test_a_folder_of_the_node_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"hub\.database\.host_path: .* use hub\.database\.claim"):
        zero(database={"host_path": "/srv/db"})


COURSES = {"server": "10.0.0.5", "courses": "/courses", "courses_files": "/courses-files"}


def test_courses_need_no_more_than_one_command() -> None:
    """The hub gets package, settings and files of its courses, whatever its database is, and beside other hubs."""
    hub = {"install": "z2jh", "courses": "teaching.yaml", "database": {"nfs": "/db"}}
    made = deployment(nfs=COURSES, hub=hub, more_hubs={"exam": {"courses": "exam.yaml"}}, smoke={"user": "alice"})
    values = rendered.chart_values(made, [])
    hubs = [{"name": "hub", **values["settings"]["hubs"][0]}, {"name": "exam"}]
    per_hub = {"root": "/homes", "path_template": "{hub}/{username}"}
    settings = Settings.model_validate({**SECTIONS, "hubs": hubs, "homes": per_hub})
    zero = z2jh.values(made, settings, [], "")["hub"]
    assert [one["name"] for one in zero["extraVolumes"]] == ["courses-files", "database"]
    assert zero["extraVolumeMounts"][0]["mountPath"] == "/etc/kernelpod-courses"
    assert "'hub', " in zero["extraConfig"]["90-kernelpod"]
    assert z2jh.warnings(made, settings) == []
    claims = [
        one["metadata"]["name"]
        for one in rendered.hub_storage(made, settings)
        if one["kind"] == "PersistentVolumeClaim"
    ]
    assert claims == ["homes", "courses", "courses-files"]
    old = deployment(nfs=COURSES, hub={**hub, "z2jh": OLD})
    with pytest.raises(SettingsError, match=r"courses need 4\.0 or later"):
        z2jh.values(old, settings, [], "")


def made_folder(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script of the init container."""
    words = ["sh", "-c", MAKE_FOLDER, "make-folder", str(folder), "1000", "/export/db/.kernelpod-hub"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")
def test_the_folder_of_the_database_is_the_hubs(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    for _ in range(2):
        assert made_folder(folder).returncode == 0
        found = folder.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1000, 1000, 0o700)
    blocked = tmp_path / "file"
    blocked.touch()
    failed = made_folder(blocked / "below")
    assert failed.returncode == 1
    assert "mkdir -p -m 0700 /export/db/.kernelpod-hub && chown 1000:1000" in failed.stdout


def test_a_hub_of_manifests_keeps_its_claim() -> None:
    assert DeployedHub().install == "manifests"
    objects = rendered.hub_storage(deployment(hub={"users": ["a"], "database": {"nfs": "/db"}}), SETTINGS)
    assert [one["metadata"]["name"] for one in objects if one["kind"] == "PersistentVolumeClaim"] == [
        "hub",
        "homes",
    ]
