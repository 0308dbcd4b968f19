"""Links that users put where the hub or the gateway, which may be root, looks for folders."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.courses.course_access import EXCHANGE_FOLDERS, CourseAccess, Membership, course_mounts
from kernelpod.courses.model import HubFile
from kernelpod.errors import StartFailed
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.local.mounting import opened_mounts
from kernelpod.runtime.local.sandbox import Sandbox, in_sandbox
from kernelpod.settings.sections import Settings

ALICE = Membership("ml", "ws26", "student")
IDS = (os.getuid() or 1000, os.getgid() or 100)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """The storage of homes and of a course, of which a grader may write the exchange."""
    for folder in EXCHANGE_FOLDERS:
        (tmp_path / "courses/exchange/ws26/ml" / folder / "alice").mkdir(parents=True)
    (tmp_path / "homes/alice").mkdir(parents=True)
    return tmp_path


def hub_file(storage: Path) -> HubFile:
    volume = {"kind": "nfs", "server": "10.0.0.5"}
    return HubFile.model_validate(
        {
            "semester": "ws26",
            "storage": {"root": str(storage / "courses"), "volume": volume},
            "courses": {"ml": {"image": "lab:1", "exchange": {}}},
        }
    )


def settings(storage: Path) -> Settings:
    return Settings.model_validate(
        {"homes": {"root": str(storage / "homes"), "create_local": True}, "runtime": {"kind": "local"}}
    )


def seen(mounts: UserMounts, *argv: str) -> str:
    """Return what a command in a sandbox with these mounts prints."""
    with in_sandbox(Sandbox((), mounts, *IDS, groups=(), working_dir="/"), list(argv)) as command:
        done = subprocess.run(
            command.words, pass_fds=command.descriptors, capture_output=True, check=True, timeout=60
        )
    return done.stdout.decode()


def replaced(path: Path, target: Path) -> None:
    """Put a link in a folder's place, as whoever may write in its parent can."""
    shutil.rmtree(path)
    path.symlink_to(target)


@pytest.mark.parametrize("place", ["inbound/alice", "inbound"])
def test_a_grader_cannot_choose_what_a_students_server_mounts(storage: Path, place: str, need: Any) -> None:
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    mounts = course_mounts(hub_file(storage), settings(storage), "alice", (), ALICE)
    assert "inbound" in seen(mounts, "ls", str(Path(mounts.shared[-1].mount_path).parent))
    replaced(storage / "courses/exchange/ws26/ml" / place, Path("/"))
    with pytest.raises(StartFailed, match="symbolic link") as caught:
        seen(mounts, "true")
    assert caught.value.code == "home_escapes"


def test_a_grader_cannot_swap_a_folder_between_check_and_mount(storage: Path, need: Any) -> None:
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    mounts = course_mounts(hub_file(storage), settings(storage), "alice", (), ALICE)
    inbound = next(mount for mount in mounts.shared if mount.path.endswith("inbound/alice"))
    folder = Path(inbound.path)
    (folder / "hers").touch()
    sandbox = Sandbox((), mounts, *IDS, groups=(), working_dir="/")
    with in_sandbox(sandbox, ["ls", inbound.mount_path]) as command:
        folder.rename(folder.with_name("away"))
        folder.symlink_to("/etc")
        done = subprocess.run(
            command.words, pass_fds=command.descriptors, capture_output=True, check=True, timeout=60
        )
    assert done.stdout == b"hers\n"


@pytest.mark.hub
def test_a_grader_cannot_make_the_hub_create_folders_elsewhere(storage: Path) -> None:
    from kernelpod.hub.spawners.sandbox import SandboxSpawner

    made, victim = settings(storage), storage / "victim"
    victim.mkdir()
    replaced(storage / "courses/exchange/ws26/ml/inbound", victim)
    user = SimpleNamespace(name="alice", groups=[])
    spawner = SandboxSpawner(settings=made, of_hub=made.hub(), user=user, courses=lambda: True)
    spawner.course_access = CourseAccess(hub_file(storage), ALICE)
    with pytest.raises(StartFailed, match="symbolic link"):
        spawner._ensure_folders(spawner.entitlements)
    assert list(victim.iterdir()) == []


def test_a_student_cannot_make_root_create_folders_by_a_link_in_a_mounts_place(storage: Path) -> None:
    """While bubblewrap mounts, the machine's own folders lie below /oldroot."""
    victim = storage / "victim"
    victim.mkdir()
    (storage / "homes/alice/course").symlink_to(f"/oldroot{victim}")
    some = {"sub_path": "", "volume": Volume()}
    mounts = UserMounts(
        home=Mount(name="home", path=str(storage / "homes/alice"), mount_path="/home/jovyan", **some),
        shared=(Mount(name="w", path=str(storage / "courses"), mount_path="/home/jovyan/course/week/1", **some),),
    )
    with pytest.raises(StartFailed, match="symbolic link"), opened_mounts(mounts):
        pass
    (storage / "homes/alice/course").unlink()
    with opened_mounts(mounts) as binds:
        assert [bind.target for bind in binds] == ["/home/jovyan", "/home/jovyan/course/week/1"]


def test_bob_cannot_learn_which_folders_are_in_alices_home(site: Any) -> None:
    (site.homes / "alice" / "pregnancy").mkdir()
    said = set()
    for name in ("pregnancy", "holidays"):
        (site.homes / "bob" / "look").symlink_to(site.homes / "alice" / name)
        kernel_id = site.bob.start(KERNEL_WORKING_DIR="/home/jovyan/look")
        assert site.bob.run(kernel_id, "import os; print(os.getcwd())") == "/home/jovyan\n"
        said.add(site.bob.model(kernel_id)["reason"])
        (site.homes / "bob" / "look").unlink()
    assert said == {"The folder '/home/jovyan/look' does not exist, so the kernel started in '/home/jovyan'."}
