"""A folder that a user could write in is gone after its removal, and nothing else is."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelpod.runtime.local.removal import remove


def deep(folder: Path, depth: int) -> None:
    """Make folders in a folder; their path is longer than any system call takes."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@contextlib.contextmanager
def few_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_deep_and_a_wide_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    (folder / "c").mkdir(parents=True)
    deep(folder / "c", 3000)
    for number in range(300):
        (folder / "c" / f"{number}" / "x").mkdir(parents=True)
    with few_descriptors():
        remove(folder)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "home" / "diary"
    kept.parent.mkdir()
    kept.touch()
    folder = tmp_path / "kernel"
    (folder / "c" / "x").mkdir(parents=True)
    for place in (folder, folder / "c", folder / "c" / "x"):
        (place / "to-folder").symlink_to(kept.parent)
        (place / "to-file").symlink_to(kept)
    os.mkfifo(folder / "c" / "pipe")
    remove(folder)
    assert not folder.exists()
    assert kept.exists()


def test_a_folder_that_is_a_link_is_left(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary").touch()
    (tmp_path / "kernel").symlink_to("home")
    with pytest.raises(NotADirectoryError):
        remove(tmp_path / "kernel")
    assert (tmp_path / "home" / "diary").exists()


def test_folders_that_nobody_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    (folder / "c" / "closed" / "inner").mkdir(parents=True)
    for place in (folder / "c" / "closed" / "inner", folder / "c" / "closed", folder / "c"):
        place.chmod(0)
    remove(folder)
    assert not folder.exists()
