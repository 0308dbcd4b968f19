"""Whose the state folder must be, and what of it is kernels'."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelpod.errors import StartFailed
from kernelpod.runtime.local.statedir import kernel_folders, make_state_dir

NAME = f"{'0123456789abcdef' * 2}-a1b2c3"


def test_a_state_folder_that_is_a_link_is_refused_and_what_it_leads_to_is_unchanged(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(victim)
    with pytest.raises(StartFailed, match="is a link or is no folder; change runtime"):
        make_state_dir(tmp_path / "state")
    assert victim.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["another's", "a file"])
def test_a_state_folder_of_somebody_else_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made it could read the records, and put their own there."""
    if kind == "a file":
        (tmp_path / "state").touch(mode=0o700)
    else:
        (tmp_path / "state").mkdir(mode=0o777)
        ours = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: ours + 1)
    before = (tmp_path / "state").stat().st_mode
    with pytest.raises(StartFailed, match="change runtime"):
        make_state_dir(tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode == before


def test_only_folders_of_our_form_are_kernels(tmp_path: Path) -> None:
    make_state_dir(tmp_path / "state")
    for name in (NAME, "my-thesis", f"{NAME}x", NAME.upper(), f"x-{NAME}"):
        (tmp_path / "state" / name).mkdir()
    assert [path.name for path in kernel_folders(tmp_path / "state")] == [NAME]
