"""The way to a kernel's sockets."""

from __future__ import annotations

from pathlib import Path

from kernelpod.runtime.local.startfolder import INSIDE, lead_into, lead_nowhere


def test_the_way_into_a_sandbox_ends_with_it_and_what_it_led_to_stays(tmp_path: Path) -> None:
    """Its process id may be given to another user's."""
    root = tmp_path / "root"
    socket = Path(f"{root}{INSIDE}", "s-1")
    socket.parent.mkdir(parents=True)
    socket.touch()
    lead_into(tmp_path, root)
    assert (tmp_path / "c" / "s-1").exists()
    for _ in range(2):
        lead_nowhere(tmp_path)
        assert not (tmp_path / "c").is_symlink()
    assert socket.exists()


def test_without_a_sandbox_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    lead_nowhere(tmp_path)
    assert (tmp_path / "c").is_dir()
