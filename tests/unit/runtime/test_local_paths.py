"""Where a plan's places lie on this machine, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelpod.errors import StartFailed
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.local.local_paths import check_places, on_disk
from kernelpod.start.plan import KernelPlan


def plan(root: Path, working_dir: str = "/home/jovyan") -> KernelPlan:
    """Return a plan with a home, and a course folder mounted inside it."""
    home = Mount(name="home", path=f"{root}/alice", sub_path="alice", mount_path="/home/jovyan", volume=Volume())
    course = Mount(
        name="course", path=f"{root}/course", sub_path="", mount_path="/home/jovyan/course", volume=Volume()
    )
    some: Any = KernelPlan.model_construct
    made: KernelPlan = some(mounts=UserMounts(home=home, shared=(course,)), working_dir=working_dir)
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


def test_a_folder_of_an_inner_mount_is_a_working_directory(root: Path) -> None:
    assert check_places(plan(root, "/home/jovyan/course/week 1")) == ("/home/jovyan/course/week 1", ())


def test_a_working_directory_that_does_not_exist_becomes_the_home_and_is_not_made(root: Path) -> None:
    place, (note,) = check_places(plan(root, "/home/jovyan/no"))
    assert place == "/home/jovyan"
    assert "'/home/jovyan/no' does not exist" in note
    assert not (root / "alice" / "no").exists()


@pytest.mark.parametrize("missing", ["alice", "course"])
def test_a_missing_folder_is_named(root: Path, missing: str) -> None:
    (root / missing).rename(root / "elsewhere")
    with pytest.raises(StartFailed, match=f"{missing}.*does not exist") as caught:
        check_places(plan(root))
    assert caught.value.code == "home_missing"


def test_a_home_that_is_a_link_is_refused(root: Path) -> None:
    (root / "alice").rename(root / "bob")
    (root / "alice").symlink_to(root / "bob")
    with pytest.raises(StartFailed, match="symbolic link") as caught:
        check_places(plan(root))
    assert caught.value.code == "home_escapes"
