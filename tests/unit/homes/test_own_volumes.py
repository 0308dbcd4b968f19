"""Homes that are a volume of each user's own, or none: in servers, in kernels, in settings, in courses files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from doubles import a_connection, a_plan, an_identity
from kernelpod.courses.check import check_courses
from kernelpod.errors import Denied
from kernelpod.homes.mounts import check_kernel_path, mounts_for
from kernelpod.pods import server as pods
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord

DYNAMIC = {"kind": "dynamic", "server": "10.0.0.5", "claim": "claim-{username}"}
OWN = {"claim": "claim-{username}"}
NONE = {"kind": "none"}
HER_CLAIM = {"persistentVolumeClaim": {"claimName": "claim-alice", "readOnly": False}}


def settings(volume: dict[str, str], **sections: Any) -> Settings:
    """Return settings whose homes are on a volume."""
    kubernetes = {"namespace": "kernels", "home_check_image": "gateway:1"}
    homes = {"root": "/export", "volume": volume}
    return Settings.model_validate({"homes": homes, "runtime": {"kubernetes": kubernetes}, **sections})


def plan(volume: dict[str, str], user: str = "alice", **sections: Any) -> KernelPlan:
    """Return the plan of a user's kernel."""
    return a_plan(settings=settings(volume, **sections), identity=an_identity(user))


def pod_of(made: KernelPlan) -> dict[str, Any]:
    """Return the spec of a plan's pod."""
    spec: dict[str, Any] = kernel_manifest(KernelRecord(plan=made), a_connection(), "0a1b2c").pod["spec"]
    return spec


@pytest.mark.parametrize(
    ("volume", "path", "source"),
    [
        (NONE, "/export/alice", {"emptyDir": {}}),
        (OWN, "/export/claim-alice", {"persistentVolumeClaim": {"claimName": "claim-alice", "readOnly": False}}),
        (
            DYNAMIC,
            "/export/claim-alice",
            {"persistentVolumeClaim": {"claimName": "claim-alice", "readOnly": False}},
        ),
    ],
)
def test_all_of_an_own_volume_is_the_home(volume: dict[str, str], path: str, source: dict[str, Any]) -> None:
    mounts = mounts_for(settings(volume), "hub", "alice", ())
    assert (mounts.home.path, mounts.home.sub_path) == (path, "")
    assert pods.volumes(mounts) == [{"name": "homes", **source}]
    assert pods.volume_mounts(mounts) == [{"name": "homes", "mountPath": "/home/jovyan"}]


@pytest.mark.parametrize("volume", [NONE, OWN])
def test_a_kernel_mounts_an_own_volume_as_it_is_and_looks_for_no_folder_in_it(volume: dict[str, str]) -> None:
    spec = pod_of(plan(volume))
    assert "initContainers" not in spec
    assert spec["volumes"][0].keys() - {"name"} == ({"emptyDir"} if volume == NONE else {"persistentVolumeClaim"})
    assert "subPath" not in spec["containers"][0]["volumeMounts"][0]


@pytest.mark.parametrize("claimed", ["/export/claim-bob", "/export/alice", "/export", ""])
@pytest.mark.parametrize("volume", [OWN, DYNAMIC])
def test_the_claim_of_somebody_else_is_no_kernel_path(volume: dict[str, str], claimed: str) -> None:
    home = mounts_for(settings(volume), "hub", "alice", ()).home
    check_kernel_path("/export/claim-alice", home)
    with pytest.raises(Denied, match="but your home is '/export/claim-alice'"):
        check_kernel_path(claimed, home)


@pytest.mark.parametrize("user", ["john.doe", "../bob", "claim-alice", "{hub}", "x" * 200, "Ünal"])
def test_no_name_reaches_another_claim(user: str) -> None:
    home = mounts_for(settings(DYNAMIC), "hub", user, ()).home
    assert home.volume.claim.startswith("claim-")
    assert home.volume.claim not in ("claim-alice", "claim-bob")
    assert len(home.volume.claim) <= 253


BAD: list[tuple[dict[str, Any], str]] = [
    ({"homes": {"volume": {"kind": "dynamic", "claim": "claim-{username}"}}}, "kind dynamic needs server"),
    ({"homes": {"volume": {"kind": "dynamic", "server": "n", "claim": "homes"}}}, "claim-{username}"),
    ({"homes": {"volume": {"claim": "{user}"}}}, "{username} and {hub} are allowed"),
    ({"homes": {"volume": {"claim": "../x"}}}, "lower-case letters"),
    ({"homes": {"claims": {"size": "much"}}}, "homes.claims.size"),
    ({"mounts": [{"name": "m", "root": "/m", "mount_path": "/m", "volume": NONE}]}, "needs kind pvc or nfs"),
    ({"mounts": [{"name": "m", "root": "/m", "mount_path": "/m", "volume": OWN}]}, "needs kind pvc or nfs"),
]


@pytest.mark.parametrize(("data", "said"), BAD)
def test_volumes_that_cannot_be_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings.model_validate(data)
    places = "".join(".".join(map(str, one["loc"])) + one["msg"] for one in error.value.errors())
    assert said in places


@pytest.mark.parametrize(
    ("mount", "refused"),
    [
        ({"root": "/export"}, True),
        ({"root": "/"}, True),
        ({"root": "/export/homes"}, True),
        ({"root": "/export/homes/alice"}, True),
        ({"root": "/export", "path_template": "of-{username}"}, True),
        ({"root": "/export", "path_template": "data/{username}"}, False),
        ({"root": "/export/homes-too"}, False),
        ({"root": "/data"}, False),
    ],
)
def test_no_mount_lets_users_write_above_a_home(mount: dict[str, str], refused: bool) -> None:
    data = {
        "homes": {"root": "/export/homes"},
        "mounts": [{"name": "m", "mount_path": "/m", "read_only": False, **mount}],
    }
    if refused:
        with pytest.raises(ValidationError, match="lets users write in or above /export/homes"):
            Settings.model_validate(data)
    else:
        Settings.model_validate(data)
    data["mounts"] = [{**data["mounts"][0], "read_only": True}]  # type: ignore[dict-item]
    Settings.model_validate(data)


COURSES = """
hub: {hub}
mode: {mode}
{home}
courses:
  ml: {{image: "lab:1", network: none, kernelspecs: [python-pod], students: [alice]}}
"""


def findings(folder: Path, made: Settings, mode: str = "teaching", home: str = "") -> list[str]:
    """Return what `courses check` says of a courses file."""
    file = folder / "courses.yaml"
    file.write_text(COURSES.format(hub="hub", mode=mode, home=f'home: "{home}"' if home else ""), encoding="utf-8")
    return [finding.as_text() for finding in check_courses(file, made)]


def test_hub_check_says_what_a_kind_of_storage_means(tmp_path: Path) -> None:
    (said,) = findings(tmp_path, settings(DYNAMIC))
    assert "courses.yaml:2" in said
    assert "warning" in said
    assert "kernels must share the hub's namespace" in said
    (said,) = findings(tmp_path, settings(NONE))
    assert "files are lost" in said
    assert findings(tmp_path, settings(OWN)) == []


@pytest.mark.parametrize("volume", [DYNAMIC, OWN, NONE])
def test_exams_need_homes_that_differ_by_exam(tmp_path: Path, volume: dict[str, str]) -> None:
    said = findings(tmp_path, settings(volume), mode="exam")
    assert any("courses.yaml:3" in one and "homes cannot differ by course or exam" in one for one in said), said


@pytest.mark.parametrize(
    ("home", "template", "refused"),
    [
        ("{username}/{course}", "{username}", True),
        ("{username}/{course}", "{hub}/{username}", False),
        ("{username}", "{username}", False),
        ("_exams/{username}", "{username}", False),
    ],
)
def test_a_home_in_a_home_of_another_hub_is_refused(
    tmp_path: Path, home: str, template: str, refused: bool
) -> None:
    """Whoever owns a folder above a home may put another folder, or a link, in its place."""
    homes = {"path_template": template, "shared_homes": True}
    made = Settings.model_validate({"hubs": [{"name": "hub"}, {"name": "plain"}], "homes": homes})
    said = findings(tmp_path, made, home=home)
    assert bool(said) is refused
    assert not refused or "homes are inside homes of the hub 'plain'" in said[0]


def test_homes_that_are_those_of_another_hub_are_refused(tmp_path: Path) -> None:
    hubs = [{"name": "hub", "courses": "/etc/courses.yaml"}, {"name": "plain"}]
    (said,) = findings(tmp_path, Settings.model_validate({"hubs": hubs}), home="{username}")
    assert "homes are those of the hub 'plain'" in said
    assert findings(tmp_path, Settings.model_validate({"hubs": hubs}), home="_hub/{username}") == []


def test_a_home_in_a_home_of_another_courses_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(COURSES.format(hub="other", mode="teaching", home='home: "_of/{username}"'), encoding="utf-8")
    made = Settings.model_validate({"hubs": [{"name": "hub"}, {"name": "other", "courses": str(other)}]})
    (said,) = findings(tmp_path, made, home="_of/{username}/{course}")
    assert "homes are inside homes of the hub 'other'" in said
    assert findings(tmp_path, made, home="{username}/{course}") == []
    other.write_text("hub: [", encoding="utf-8")
    assert findings(tmp_path, made, home="_of/{username}/{course}") == []


def test_traits_for_claims_are_there_for_own_claims_only() -> None:
    made = settings(DYNAMIC)
    assert pods.claim_traits(made, made.hub()) == {
        "storage_pvc_ensure": True,
        "pvc_name_template": "claim-{username}",
        "storage_capacity": "10Gi",
        "storage_access_modes": ["ReadWriteMany"],
        "delete_pvc": False,
    }
    for volume in (NONE, {"kind": "pvc"}):
        assert pods.claim_traits(settings(volume), made.hub()) == {}
