"""Server pods: mounts and ids as kernels have them, and the container that makes homes, run for real."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doubles import a_connection, a_plan, an_identity
from kernelpod.homes.mounts import mounts_for
from kernelpod.hub import servers
from kernelpod.pods import server as pods
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.pods.parts import restricted
from kernelpod.settings.sections import Settings
from kernelpod.start.record import KernelRecord
from podspawner import Claims, a_spawner

NFS = {"kind": "nfs", "server": "10.0.0.5"}
MOUNTS = [
    {"name": "data", "root": "/data", "path_template": "of-{username}", "mount_path": "/data", "volume": NFS},
    {
        "name": "course",
        "root": "/c",
        "path_template": "x",
        "mount_path": "/course",
        "volume": {"claim": "courses"},
    },
]


def settings(**sections: Any) -> Settings:
    kubernetes = {"runtime": {"kubernetes": {"home_check_image": "gateway:1"}}}
    return Settings.model_validate({"homes": {"root": "/homes"}, **kubernetes, **sections})


@pytest.mark.parametrize("volume", [{"kind": "pvc"}, NFS])
@pytest.mark.parametrize("name", ["alice", "john.doe", "ünal"])
def test_server_and_kernel_see_the_same_folders_at_the_same_places(name: str, volume: dict[str, str]) -> None:
    made = settings(homes={"root": "/homes", "volume": volume}, mounts=MOUNTS)
    plan = a_plan(settings=made, identity=an_identity(name))
    record = KernelRecord(plan=plan)
    pod = kernel_manifest(record, a_connection(), "0a1b2c").pod
    mounts = mounts_for(made, "hub", name, ())
    kernel = folders(pod["spec"]["volumes"], pod["spec"]["containers"][0]["volumeMounts"])
    assert folders(pods.volumes(mounts), pods.volume_mounts(mounts)) == kernel


def folders(volumes: list[dict[str, Any]], mounts: list[dict[str, Any]]) -> dict[str, tuple[str, bool]]:
    """Return storage and folder by the place it is seen at."""
    known = {volume["name"]: volume for volume in volumes}
    found = {}
    for mount in mounts:
        volume = known[mount["name"]]
        if "nfs" in volume:
            where = f"{volume['nfs']['server']}:{volume['nfs']['path']}"
            read_only = volume["nfs"].get("readOnly", False)
        elif "persistentVolumeClaim" in volume:
            where = volume["persistentVolumeClaim"]["claimName"] + ":"
            read_only = volume["persistentVolumeClaim"].get("readOnly", False)
        else:
            continue
        folder = "/".join(part for part in (where, mount.get("subPath", "")) if part)
        found[mount["mountPath"]] = folder, read_only or mount.get("readOnly", False)
    return found


def test_the_home_container_has_three_capabilities_and_no_more() -> None:
    made = settings()
    container = pods.home_container(made, mounts_for(made, "hub", "alice", ()), pods.Ids(1000, 100))
    security = container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]}
    assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/homes"]


def make_home(home: Path | str, uid: int, before: str = "", *exchange: Path) -> subprocess.CompletedProcess[str]:
    words = [
        "sh",
        "-c",
        before + pods.MAKE_HOME,
        "make-home",
        str(home),
        "/export/alice",
        str(uid),
        str(os.getgid()),
        *map(str, exchange),
    ]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)


def test_a_missing_home_is_made_for_its_user_only(tmp_path: Path) -> None:
    home = tmp_path / "hub" / "alice"
    assert make_home(home, os.getuid()).returncode == 0
    assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (os.getuid(), 0o700)


def test_a_volume_of_her_own_where_all_may_write_is_left_alone(tmp_path: Path) -> None:
    """Provisioners make such folders, of whatever owner, and root may not change them where it is squashed."""
    home = tmp_path / "alice"
    home.mkdir()
    home.chmod(0o777)
    assert make_home(f"{home}/", os.getuid() + 1, "chown() { return 1; }\n").returncode == 0
    assert (home.stat().st_uid, home.stat().st_mode & 0o777) == (os.getuid(), 0o777)
    home.chmod(0o770)
    assert make_home(f"{home}/", os.getuid() + 1, "chown() { return 1; }\n").returncode == 1


def test_a_home_that_is_right_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.mkdir(0o755)
    done = make_home(home, os.getuid(), before="chown() { exit 9; }; chmod() { exit 9; }; mkdir() { exit 9; }\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert home.stat().st_mode & 0o777 == 0o755


def test_missing_folders_of_the_exchange_are_made_for_graders_and_one_student(tmp_path: Path) -> None:
    folders = [tmp_path / "c" / "inbound", tmp_path / "c" / "outbound", tmp_path / "c" / "inbound" / "alice"]
    folders[0].mkdir(0o755, parents=True)
    done = make_home(tmp_path / "alice", os.getuid(), "", *folders)
    assert (done.returncode, done.stderr) == (0, "")
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o755, 0o770, 0o770]
    assert (tmp_path / "alice").is_dir()


def test_a_link_in_the_exchange_leads_nowhere(tmp_path: Path) -> None:
    """A grader may write the exchange; what she puts there must not become a student's folder elsewhere."""
    (tmp_path / "secret").mkdir()
    for name in ("inbound", "feedback"):
        (tmp_path / name).symlink_to(tmp_path / "secret")
        done = make_home(tmp_path / "home", os.getuid(), "", tmp_path / name, tmp_path / name / "alice")
        assert done.returncode == 1
        assert "is a symbolic link; remove it" in done.stderr
    assert list((tmp_path / "secret").iterdir()) == []


def test_a_folder_of_the_exchange_that_root_may_not_make_is_told_to_the_admin(tmp_path: Path) -> None:
    folder = tmp_path / "inbound"
    done = make_home(tmp_path / "alice", os.getuid(), "mkdir() { return 1; }\n", folder)
    assert done.returncode == 1
    assert "cannot be created: root may not write there (root_squash)" in done.stderr


FAILURES = {
    "root_squash, nothing may be made": ("mkdir() { return 1; }\n", "cannot be created: root may not write there"),
    "root_squash, nothing may be given away": ("chown() { return 1; }\n", "cannot be changed: root may not do so"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_where_root_may_not_the_admin_is_told_what_to_run(tmp_path: Path, case: str) -> None:
    before, said = FAILURES[case]
    done = make_home(tmp_path / "alice", 1234, before)
    assert done.returncode == 1
    assert said in done.stderr
    assert f"mkdir -p -m 0700 /export/alice && chown 1234:{os.getgid()} /export/alice" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "alice").exists()


def test_somebody_elses_folder_and_a_link_are_not_taken(tmp_path: Path) -> None:
    home = tmp_path / "alice"
    home.symlink_to(tmp_path)
    assert "is a symbolic link" in make_home(home, os.getuid()).stderr
    home.unlink()
    home.mkdir()
    # `stat` stands in for an owner that is neither root nor the user, since a test need not be root.
    done = make_home(home, 1000, before="stat() { echo 4242; }\n")
    assert "belongs to user id 4242, but this user has 1000" in done.stderr


@pytest.mark.parametrize("nobody", [65534, 4294967294])
def test_a_home_of_nobody_may_be_one_whose_owner_is_lost_on_the_way(tmp_path: Path, nobody: int) -> None:
    """NFS 4 sends names: without the same domain on both sides everybody's files are nobody's."""
    (tmp_path / "alice").mkdir()
    done = make_home(tmp_path / "alice", 1000, before=f"stat() {{ echo {nobody}; }}\n")
    assert done.returncode == 1
    assert f"belongs to nobody here (user id {nobody})" in done.stderr
    assert "the same Domain in /etc/idmapd.conf" in done.stderr


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "alice").touch()
    done = make_home(tmp_path / "alice", os.getuid())
    assert (done.returncode, "is not a folder" in done.stderr) == (1, True)
    assert (tmp_path / "alice").is_file()


@pytest.mark.parametrize(
    ("policy", "seconds"),
    [
        ({}, 125),
        ({"max_kernels_per_user": None}, 30),
        ({"max_kernels_per_user": 1}, 30),
        ({"max_kernels_per_user": 10}, 125),
        ({"max_kernels_per_user": 2, "rules": [{"groups": ["staff"], "max_kernels_per_user": 20}]}, 245),
    ],
)
def test_the_grace_period_follows_from_the_limit_of_kernels(policy: dict[str, Any], seconds: int) -> None:
    assert servers.grace_period_seconds(settings(policy=policy)) == seconds


@pytest.mark.hub
async def test_the_spawner_adds_mounts_ids_and_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = (await manifest(monkeypatch, settings(mounts=MOUNTS))).to_dict()
    spec, server = pod["spec"], pod["spec"]["containers"][0]
    assert [container["name"] for container in spec["init_containers"]] == ["home"]
    assert [volume["name"] for volume in spec["volumes"]] == ["homes", "data", "course"]
    assert [mount["mountPath"] for mount in server["volume_mounts"]] == ["/home/jovyan", "/data", "/course"]
    assert server["security_context"] == {**restricted(), "runAsUser": 1000, "runAsGroup": 100}
    assert spec["automount_service_account_token"] is False
    assert spec["enable_service_links"] is False
    assert pod["metadata"]["labels"]["component"] == "singleuser-server"


@pytest.mark.hub
async def test_a_server_may_have_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    spawner = a_spawner(monkeypatch, settings())
    spawner.shm = "1Gi"
    spec = (await spawner.get_pod_manifest()).to_dict()["spec"]
    assert spec["volumes"][-1] == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}
    assert spec["containers"][0]["volume_mounts"][-1] == {"name": "shm", "mountPath": "/dev/shm"}


async def manifest(monkeypatch: pytest.MonkeyPatch, made: Settings) -> Any:
    """Return the pod that the spawner would make for John.Döe."""
    return await a_spawner(monkeypatch, made).get_pod_manifest()


OWN_CLAIM = {"root": "/homes", "volume": {**NFS, "kind": "dynamic", "claim": "claim-{username}"}}
BESIDE_KERNELS = {"root": "/homes", "volume": {"claim": "claim-{username}"}}


@pytest.mark.hub
@pytest.mark.parametrize("homes", [OWN_CLAIM, BESIDE_KERNELS], ids=["dynamic", "pvc"])
@pytest.mark.parametrize("of", ["John.Döe", "jane", None])
async def test_a_user_cannot_have_the_claim_of_another_whose_old_name_theirs_is(
    monkeypatch: pytest.MonkeyPatch, of: str | None, homes: dict[str, Any]
) -> None:
    """KubeSpawner chooses the name, the former one if there is such a claim; the user's name is written on it."""
    from kernelpod.hub.spawners.base import NotSpawnedError

    spawner = a_spawner(monkeypatch, settings(homes=homes))
    await spawner.load_user_options()
    assert spawner._state_kubespawner_version == "unknown"  # so KubeSpawner looks for such a claim
    spawner.pvc_name = "claim--4aohn-2e-44-c3-b6e"
    spawner.api = Claims(spawner.pvc_name, {"hub.jupyter.org/username": of} if of else None)
    if of == "jane":
        with pytest.raises(NotSpawnedError, match="was made for another user"):
            await spawner.get_pod_manifest()
    else:
        volumes = (await spawner.get_pod_manifest()).to_dict()["spec"]["volumes"]
        assert [one["persistentVolumeClaim"]["claimName"] for one in volumes] == [spawner.pvc_name]


@pytest.mark.hub
async def test_the_claim_that_the_spawner_makes_is_the_one_that_server_and_kernel_mount(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = settings(homes=OWN_CLAIM)
    spawner = a_spawner(monkeypatch, made)
    claim = spawner.get_pvc_manifest().to_dict()
    home = mounts_for(made, "hub", "John.Döe", ()).home
    assert claim["metadata"]["name"] == home.volume.claim != "claim-john.döe"
    assert claim["spec"]["access_modes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"] == {"storage": "10Gi"}
    volumes = (await spawner.get_pod_manifest()).to_dict()["spec"]["volumes"]
    assert [volume["persistentVolumeClaim"]["claimName"] for volume in volumes] == [home.volume.claim]


@pytest.mark.hub
@pytest.mark.parametrize("state", ["state", "lastState"])
def test_what_the_home_container_said_ends_the_start(state: str) -> None:
    from kernelpod.hub.spawners.pod import HomeNotMadeError, PodSpawner

    ended = {"terminated": {"exitCode": 1, "message": "The home /homes/a cannot be created.\n"}}
    pod = {"status": {"initContainerStatuses": [{"name": "home", state: ended}]}}
    with pytest.raises(HomeNotMadeError) as error:
        PodSpawner.is_pod_running(SimpleNamespace(), pod)
    assert error.value.jupyterhub_message == "The home /homes/a cannot be created."
    # A failure of the hub, from 500 on, is counted: some of them end it for all.
    assert error.value.status_code == 409
