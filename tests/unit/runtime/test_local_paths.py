"""Where a plan's places lie on this machine, and how a kernel gets to its working directory."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.local.local_paths import enter, on_disk
from kernelpod.start.plan import KernelPlan


def plan(root: Path) -> KernelPlan:
    """Return a plan with a home, and a course folder mounted inside it."""
    home = Mount(name="home", path=f"{root}/alice", sub_path="alice", mount_path="/home/jovyan", volume=Volume())
    course = Mount(
        name="course", path=f"{root}/course", sub_path="", mount_path="/home/jovyan/course", volume=Volume()
    )
    some: Any = KernelPlan.model_construct
    made: KernelPlan = some(mounts=UserMounts(home=home, shared=(course,)))
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "alice").mkdir()
    (tmp_path / "course" / "week 1").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("/home/jovyan", "alice"),
        ("/home/jovyan/a/b", "alice/a/b"),
        ("/home/jovyan/course", "course"),
        ("/home/jovyan/course/week 1", "course/week 1"),
        ("/home/jovyan/courses", "alice/courses"),
    ],
)
def test_a_place_lies_in_the_innermost_mount(root: Path, place: str, path: str) -> None:
    assert on_disk(plan(root), place) == f"{root}/{path}"


@pytest.mark.parametrize(
    ("folder", "entered", "began"),
    [
        ("here", b"+", "here"),
        ("-P", b"+", "-P"),
        ("link", b"+", "link"),
        ("no", b"-", ""),
        ("file", b"-", ""),
        ("$(touch made)", b"-", ""),
    ],
)
def test_a_command_enters_its_folder_or_says_that_it_cannot(
    tmp_path: Path, folder: str, entered: bytes, began: str
) -> None:
    for name in ("here", "-P"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("here")
    (tmp_path / "file").touch()
    ours, theirs = socket.socketpair()
    argv = ["sh", "-c", 'pwd; readlink /proc/self/fd/0; echo "$@"', "x", "a  b"]
    with (
        ours,
        theirs,
        subprocess.Popen(
            enter(f"{tmp_path}/{folder}", argv), stdin=theirs.fileno(), stdout=subprocess.PIPE, cwd=tmp_path
        ) as process,
    ):
        ours.settimeout(60)
        assert ours.recv(10) == entered
        assert process.poll() is None
        ours.close()
        theirs.close()
        said, _ = process.communicate(timeout=60)
    assert said.decode() == f"{tmp_path}{'/' * bool(began)}{began}\n/dev/null\na  b\n"
    assert not (tmp_path / "made").exists()
