"""Which folders of users are opened for their mounts, and which are refused."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernelpod.errors import StartFailed
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.local import folders
from kernelpod.runtime.local.folders import make_below, open_below
from kernelpod.runtime.local.mounting import opened_mounts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A storage, which its admin has moved and left a link behind."""
    (tmp_path / "disk" / "alice" / "work").mkdir(parents=True)
    (tmp_path / "disk" / "course").mkdir()
    (tmp_path / "storage").symlink_to(tmp_path / "disk")
    return tmp_path / "storage"


def mounts(root: Path) -> UserMounts:
    home = Mount(name="home", path=f"{root}/alice", sub_path="alice", mount_path="/home/jovyan", volume=Volume())
    course = Mount(name="course", path=f"{root}/course", sub_path="", mount_path="/srv/course", volume=Volume())
    return UserMounts(home=home, shared=(course,))


def test_a_mount_is_the_folder_that_was_there_when_it_was_opened(root: Path) -> None:
    with opened_mounts(mounts(root)) as binds:
        (root / "alice").rename(root / "moved")
        (root / "alice").symlink_to("/etc")
        places = [os.path.realpath(f"/proc/self/fd/{bind.source}") for bind in binds]
    assert places == [os.path.realpath(root / "moved"), os.path.realpath(root / "course")]
    assert not any(Path(f"/proc/self/fd/{bind.source}").exists() for bind in binds)


@pytest.mark.parametrize("missing", ["alice", "course"])
def test_a_missing_folder_is_named(root: Path, missing: str) -> None:
    (root / missing).rename(root / "elsewhere")
    with pytest.raises(StartFailed, match=f"{missing}.*does not exist") as caught, opened_mounts(mounts(root)):
        pass
    assert caught.value.code == "home_missing"


def test_a_home_that_is_a_link_is_refused(root: Path) -> None:
    (root / "alice").rename(root / "bob")
    (root / "alice").symlink_to(root / "bob")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StartFailed, match="symbolic link") as caught, opened_mounts(mounts(root)):
        pass
    assert caught.value.code == "home_escapes"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("link", ["alice", "alice/work"])
def test_nothing_is_opened_or_made_below_a_link(
    root: Path, link: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / link).rename(root / "away")
    (root / link).symlink_to(elsewhere)
    for attempt in (open_below, lambda base, path: make_below(base, path, 0o700, (1000, 100))):
        with pytest.raises(NotADirectoryError):
            attempt(str(root), f"{link}/made-by-a-test")
    with pytest.raises(NotADirectoryError):
        make_below(str(root), link, 0o700, (1000, 100))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("kind", ["another's folder", "link"])
def test_what_somebody_puts_into_the_place_of_a_folder_that_was_just_made_stays_theirs(
    root: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making it and opening it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(0o755)
    make, given = folders._make, []

    def made(name: str, mode: int, above: int) -> bool:
        was_made = make(name, mode, above)
        os.rename(name, "away", src_dir_fd=above, dst_dir_fd=above)
        if kind == "link":
            os.symlink(theirs, name, dir_fd=above)
        else:
            os.mkdir(name, dir_fd=above)
        return was_made

    owner = 0 if kind == "link" else 4711
    with monkeypatch.context() as patched:
        patched.setattr(folders, "_make", made)
        patched.setattr(os, "getuid", lambda: 0)
        patched.setattr(os, "fstat", lambda _: SimpleNamespace(st_uid=owner))
        patched.setattr(os, "fchown", lambda *told: given.append(told))
        with pytest.raises(OSError, match="new") if kind == "link" else nullcontext():
            make_below(str(root), "new", 0o700, (1000, 100))
    assert given == []


def test_a_folder_is_made_with_its_parents_and_given_to_its_user(root: Path) -> None:
    ids = (1000, 100) if os.getuid() == 0 else (os.getuid(), os.getgid())
    for _ in range(2):
        make_below(str(root / "new"), "a/b", 0o700, ids)
    status = (root / "new/a/b").stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o700, *ids)
    assert (root / "new/a").stat().st_uid == os.getuid()
