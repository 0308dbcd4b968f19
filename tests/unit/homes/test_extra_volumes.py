"""ConfigMaps, Secrets and CSI volumes beside the home: those of the settings and those of courses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import ValidationError

from doubles import a_connection, a_plan, an_identity
from kernelpod.cli.main import main
from kernelpod.courses.check import check_courses
from kernelpod.courses.course_access import Membership, course_mounts
from kernelpod.courses.model import HubFile
from kernelpod.homes.mounts import UserMounts, mounts_for, working_dir
from kernelpod.pods import server as pods
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.settings.sections import Settings
from kernelpod.start.record import KernelRecord
from kernelpod.z2jh.values import z2jh_values

CONFIG_MAP = {"kind": "config_map", "object": "pip-conf"}
SECRET = {"kind": "secret", "object": "licence"}
CSI = {
    "kind": "csi",
    "driver": "secrets-store.csi.k8s.io",
    "attributes": {"secretProviderClass": "{a} $(B)"},
    "publish_secret": "vault",
}
MOUNTS: list[dict[str, Any]] = [
    {"name": "pip", "mount_path": "/etc/pip", "volume": CONFIG_MAP},
    {"name": "licence", "mount_path": "/opt/licence", "groups": ["maths"], "volume": SECRET},
    {"name": "store", "mount_path": "/opt/store", "volume": CSI},
]
MAY_MOUNT = ["secret/licence", "config_map/*", "pvc/data", "csi/*.csi.k8s.io", "secret/vault"]
SOURCES = {
    "pip": {"configMap": {"name": "pip-conf", "defaultMode": 0o444}},
    "licence": {"secret": {"secretName": "licence", "defaultMode": 0o444}},
    "store": {
        "csi": {
            "driver": "secrets-store.csi.k8s.io",
            "readOnly": True,
            "volumeAttributes": {"secretProviderClass": "{a} $(B)"},
            "nodePublishSecretRef": {"name": "vault"},
        }
    },
}


def settings(mounts: list[dict[str, Any]] = MOUNTS, **sections: Any) -> Settings:
    """Return settings with mounts."""
    kubernetes = {"runtime": {"kubernetes": {"home_check_image": "gateway:1"}}}
    hubs = {"hubs": [{"courses_may_mount": MAY_MOUNT}]}
    return Settings.model_validate(
        {"homes": {"root": "/homes"}, "mounts": mounts, **hubs, **kubernetes, **sections}
    )


def sources(volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what volumes are, by name, without those of any pod."""
    plain = ("home", "homes", "connection", "courses")
    return {
        one["name"]: {key: value for key, value in one.items() if key != "name"}
        for one in volumes
        if one["name"] not in plain
    }


def kernel_spec(made: Settings, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the spec of a kernel's pod."""
    plan = a_plan(settings=made, identity=an_identity("alice", groups=groups))
    spec: dict[str, Any] = kernel_manifest(KernelRecord(plan=plan), a_connection(), "0a1b2c").pod["spec"]
    return spec


def test_server_and_kernel_get_the_same_volumes_at_the_same_places() -> None:
    made = settings()
    kernel, mounts = kernel_spec(made, ("maths",)), mounts_for(made, "hub", "alice", ("maths",))
    assert sources(kernel["volumes"]) == sources(pods.volumes(mounts)) == SOURCES
    places = [
        [(one["name"], one["mountPath"], one["readOnly"]) for one in found if one["name"] in SOURCES]
        for found in (kernel["containers"][0]["volumeMounts"], pods.volume_mounts(mounts))
    ]
    assert places[0] == places[1] == [(one["name"], one["mount_path"], True) for one in MOUNTS]


def test_a_secret_is_mounted_for_its_groups_only() -> None:
    assert "licence" not in sources(kernel_spec(settings())["volumes"])


def test_a_kernelspec_takes_of_them_what_it_names() -> None:
    mounts = mounts_for(settings(), "hub", "alice", ("maths",), ("pip",))
    assert [mount.name for mount in mounts.all()] == ["home", "pip"]


def test_only_a_csi_volume_may_be_written() -> None:
    spec = kernel_spec(settings([{**MOUNTS[2], "read_only": False}]))
    assert sources(spec["volumes"])["store"]["csi"]["readOnly"] is False


@pytest.mark.parametrize("wished", ["/opt/store/x", "/", "/etc/pip"])
def test_a_working_directory_in_one_stays_what_it_is(wished: str) -> None:
    made = working_dir(wished, mounts_for(settings(), "hub", "alice", ()))
    assert made[0] == (wished if wished != "/" else "/home/jovyan")


def test_zero_to_jupyterhub_gets_them_too() -> None:
    made = settings([MOUNTS[0], MOUNTS[2]], servers={"gateway_url": "http://kernelpod.gateway:8888"})
    storage = z2jh_values(made, "gateway")["singleuser"]["storage"]
    assert sources([*storage["extraVolumes"].values()])["pip"] == SOURCES["pip"]
    # KubeSpawner fills in braces of these.
    assert sources([*storage["extraVolumes"].values()])["store"]["csi"]["volumeAttributes"] == {
        "secretProviderClass": "{{a}} $(B)"
    }


NAMED = {"name": "m", "mount_path": "/m"}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"mounts": [NAMED]}, "root is missing: name the folder where the volume begins"),
    ({"mounts": [{**NAMED, "volume": {"kind": "secret"}}]}, "needs object, the Secret's name"),
    ({"mounts": [{**NAMED, "volume": {"kind": "config_map"}}]}, "needs object, the ConfigMap's name"),
    ({"mounts": [{**NAMED, "volume": {"kind": "csi"}}]}, "needs driver, the name of the CSI driver"),
    ({"mounts": [{**NAMED, "root": "/m", "volume": SECRET}]}, "is mounted as a whole; leave out root"),
    ({"mounts": [{**NAMED, "path_template": "x", "volume": SECRET}]}, "leave out path_template"),
    ({"mounts": [{**NAMED, "read_only": False, "volume": SECRET}]}, "of kind secret cannot be written"),
    ({"mounts": [{**NAMED, "writers": ["x"], "volume": CONFIG_MAP}]}, "of kind config_map cannot be written"),
    ({"mounts": [{**NAMED, "volume": {**SECRET, "driver": "x"}}]}, "driver is for volumes of kind csi"),
    ({"mounts": [{**NAMED, "root": "/m", "volume": {"object": "x"}}]}, "object is for volumes of kind config_map"),
    ({"mounts": [{**NAMED, "volume": {**SECRET, "object": "../x"}}]}, "mounts.0.volume.object"),
    ({"mounts": [{**NAMED, "volume": {**CSI, "driver": "-x"}}]}, "mounts.0.volume.driver"),
    ({"homes": {"volume": SECRET}}, "homes need kind pvc, nfs, dynamic or none"),
    ({"homes": {"volume": CSI}}, "homes need kind pvc, nfs, dynamic or none"),
    ({"runtime": {"kind": "local"}, "mounts": MOUNTS[:1]}, "which exists only in a cluster"),
]


@pytest.mark.parametrize(("data", "said"), BAD, ids=[said for _, said in BAD])
def test_volumes_that_cannot_be_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(data)
    assert said in "".join(".".join(map(str, one["loc"])) + one["msg"] for one in error.value.errors())


VOLUMES: dict[str, Any] = {
    "licence": {"mount_path": "/opt/{course}", "volume": SECRET},
    "answers": {"mount_path": "/answers", "access": {"student": "none"}, "volume": CONFIG_MAP},
    "scans": {
        "root": "/scans",
        "mount_path": "/scans",
        "access": {"grader": "rw"},
        "volume": {"kind": "nfs", "server": "10.0.0.9"},
    },
}
COURSE = {"image": "lab:1", "students": ["alice"], "volumes": VOLUMES}


def course(role: Any, **keys: Any) -> UserMounts:
    """Return what a user has in a course with volumes."""
    hub = HubFile.model_validate({"semester": "ws26", "courses": {"ml": {**COURSE, **keys}}})
    return course_mounts(hub, settings([]), "alice", (), Membership("ml", "ws26", role))


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("student", {"/opt/ml": True, "/scans": True}),
        ("grader", {"/opt/ml": True, "/answers": True, "/scans": False}),
        ("admin", {"/opt/ml": True, "/answers": True, "/scans": True}),
    ],
)
def test_a_course_gives_volumes_by_role(role: str, seen: dict[str, bool]) -> None:
    assert {mount.mount_path: mount.read_only for mount in course(role).shared} == seen


def test_the_volumes_of_a_course_lie_beside_its_folder_in_a_server() -> None:
    mounts = course("grader", folder={"path": "{course}", "mount_path": "/srv/course"})
    volumes = pods.volumes(mounts)
    assert [one["name"] for one in volumes][:2] == ["homes", "courses"]
    assert sources(volumes) == {
        "course-volume-licence": SOURCES["licence"],
        "course-volume-answers": SOURCES["pip"],
        "course-volume-scans": {"nfs": {"server": "10.0.0.9", "path": "/scans", "readOnly": False}},
    }
    assert {one["name"] for one in pods.volume_mounts(mounts)} == {one["name"] for one in volumes}
    made = pods.home_container(settings([]), mounts, pods.Ids(1000, 100), ("exchange",))
    assert [one["name"] for one in made["volumeMounts"]] == ["homes", "courses"]


def findings(folder: Path, volume: dict[str, Any], made: Settings, **of_hub: Any) -> list[str]:
    """Return what `courses check` says of a course with one volume."""
    file = folder / "courses.yaml"
    data = {"semester": "ws26", **of_hub, "courses": {"ml": {**COURSE, "volumes": {"v": volume}}}}
    file.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return [finding.as_text() for finding in check_courses(file, made)]


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "the claim of homes": ({"root": "/x", "volume": {"claim": "homes"}}, "the folder of all homes"),
    "the claim of courses": ({"root": "/x", "volume": {"claim": "courses"}}, "the folder of all courses"),
    "the folder of homes": ({"root": "/homes", "volume": {"kind": "nfs", "server": "s"}}, "of all homes"),
    "a home": ({"root": "/homes/alice", "volume": {"kind": "nfs", "server": "s"}}, "of all homes"),
    "above": ({"root": "/", "volume": {"claim": "root"}}, "of all homes"),
    "in the home": ({"mount_path": "/home/jovyan/x", "volume": SECRET}, "is over or in the home"),
    "on the system": ({"mount_path": "/etc/x", "volume": SECRET}, "is a folder of the system"),
    "written": ({"access": {"grader": "rw"}, "volume": SECRET}, "cannot be written"),
    "a claim of each user's": ({"root": "/x", "volume": {"claim": "claim-{username}"}}, "and one claim"),
    "without a volume": ({"root": "/x"}, "Field required"),
    "an empty folder": ({"volume": {"kind": "none"}}, "needs kind pvc or nfs"),
}


@pytest.mark.parametrize(("volume", "said"), FAULTS.values(), ids=FAULTS)
def test_volumes_of_a_course_that_cannot_be_are_said(volume: dict[str, Any], said: str, tmp_path: Path) -> None:
    found = findings(tmp_path, {"mount_path": "/v", **volume}, settings([]))
    assert found
    assert any(said in one for one in found), found


def test_another_server_or_claim_is_no_fault(tmp_path: Path) -> None:
    nfs = {"kind": "nfs", "server": "10.0.0.5"}
    named = {"courses_may_mount": MAY_MOUNT, "courses_nfs": [{"server": "10.0.0.9", "root": "/homes"}]}
    made = settings([], homes={"root": "/homes", "volume": nfs}, hubs=[named])
    for root, volume in (("/homes", {**nfs, "server": "10.0.0.9"}), ("/data", {"claim": "data"})):
        assert findings(tmp_path, {"root": root, "mount_path": "/v", "volume": volume}, made) == []


def test_a_volume_that_only_a_cluster_has_is_a_fault_on_one_machine(tmp_path: Path) -> None:
    local = settings([], runtime={"kind": "local"})
    (said,) = findings(tmp_path, {"mount_path": "/v", "volume": SECRET}, local)
    assert "exists only in a" in said


@pytest.mark.parametrize(
    ("volume", "name"),
    [
        ({"kind": "secret", "object": "hub"}, "secret/hub"),
        ({"kind": "secret", "object": "licence-2"}, "secret/licence-2"),
        ({**CSI, "driver": "other.io"}, "csi/other.io"),
        ({**CSI, "publish_secret": "hub"}, "secret/hub"),
        ({"claim": "hub"}, "pvc/hub"),
    ],
)
def test_a_courses_file_cannot_name_the_hubs_own_objects(
    volume: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """Who edits it on the NFS server need have no rights in the cluster."""
    root = {} if "kind" in volume else {"root": "/x"}
    (said,) = findings(tmp_path, {**root, "mount_path": "/v", "volume": volume}, settings([]))
    assert f"courses.ml.volumes.v.volume: courses may not mount {name}; " in said
    if "claim" in volume:
        storage = {"root": "/x", "volume": volume}
        found = findings(tmp_path, {"mount_path": "/v", "volume": SECRET}, settings([]), storage=storage)
        assert [f"storage.volume: courses may not mount {name}; " in one for one in found] == [True]


@pytest.mark.parametrize("volume", [SECRET, CONFIG_MAP, CSI, {"kind": "config_map", "object": "a.b"}])
def test_what_the_settings_let_it_name_it_may(volume: dict[str, Any], tmp_path: Path) -> None:
    assert findings(tmp_path, {"mount_path": "/v", "volume": volume}, settings([])) == []


@pytest.mark.parametrize("pattern", ["*", "secret", "secret/", "nfs/x", "secret/a b", "Secret/x", "secret/../x"])
def test_a_pattern_names_a_kind(pattern: str) -> None:
    with pytest.raises(ValidationError, match="courses_may_mount"):
        Settings.model_validate({"hubs": [{"courses_may_mount": [pattern]}]})


def test_hub_show_names_them(tmp_path: Path) -> None:
    findings(tmp_path, {"mount_path": "/v", "volume": SECRET}, settings([]))
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump({"hubs": [{"courses_may_mount": MAY_MOUNT}]}), encoding="utf-8")
    words = ["courses", "show", str(tmp_path / "courses.yaml"), "--user", "alice", "--settings", str(file)]
    done = CliRunner().invoke(main, words)
    assert "/v            ro  Secret licence" in done.output
