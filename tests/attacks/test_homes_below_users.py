"""A user who prepares folders and files for the admin who runs `kernelpod homes` as root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernelpod.base.shells import LocalShell
from kernelpod.deploy.homefolders.folders import look, usage
from kernelpod.deploy.homefolders.wanted import WantedHome

ALICE = WantedHome("alice", "alice/work", 20001, 20000)


@pytest.mark.skipif(os.getuid() != 0, reason="only root changes owners")
def test_a_user_cannot_have_a_home_made_in_their_own_folder(tmp_path: Path) -> None:
    """They could put a link into its place between two steps of root."""
    root = tmp_path / "homes"
    (root / "alice").mkdir(parents=True)
    root.chmod(0o755)
    os.chown(root / "alice", ALICE.uid, ALICE.gid)
    (root / "alice").chmod(0o700)
    for make in (False, True):
        (found,) = look(LocalShell(), str(root), [ALICE], make=make)
        assert (found.state, list((root / "alice").iterdir())) == ("above_open", [])
    assert found.sentence("/homes").endswith("chown root:root /homes/alice && chmod go-w /homes/alice")


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"], ids=ascii)
def test_a_user_cannot_write_lines_of_the_report(tmp_path: Path, end: str) -> None:
    """A name with a line break below the depth of homes, as homes of another hub are."""
    (tmp_path / "alice" / "work").mkdir(parents=True)
    (tmp_path / "mallory" / f"x{end}0 7 7 7 7").mkdir(parents=True)
    found, nobodys = usage(LocalShell(), str(tmp_path), [ALICE], 2)
    assert [(one.home, one.files) for one in found] == [(ALICE, 0)]
    assert nobodys == [f"mallory/x{'?' if end == chr(10) else end}0 7 7 7 7"]


@pytest.mark.parametrize("seconds", ["1000000000000", "67768036191676800", "9" * 40])
def test_a_user_cannot_end_the_report_by_a_date(seconds: str) -> None:
    """tmpfs, XFS and ZFS keep times that no date can say."""

    class Told:
        def run(self, _: str, *__: str, given: bytes = b"", seconds_: float = 0, **___: float) -> bytes:
            return f"0 4096 1 {seconds} -\n".encode()

    ((alice,), _) = usage(Told(), "/homes", [ALICE])
    assert alice.newest is not None
    assert alice.newest.year == 9999
