"""Renames of homes, with places that others still have."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelpod.deploy.homefolders.moves import Move, script


@given(st.permutations(["a", "b", "c", "d b", "e/f", "g/h"]))
def test_the_script_renames_any_folders(tmp_path_factory: pytest.TempPathFactory, places: list[str]) -> None:
    root = tmp_path_factory.mktemp("homes")
    old = sorted(places)
    for name in old:
        (root / name).mkdir(parents=True)
        (root / name / "whose").write_text(name, encoding="utf-8")
    moves = [Move(name, name, new) for name, new in zip(old, places, strict=True) if name != new]
    subprocess.run(["/bin/sh"], input=script(moves), text=True, cwd=root, check=True, timeout=60)
    assert {new: (root / new / "whose").read_text(encoding="utf-8") for new in places} == dict(
        zip(places, old, strict=True)
    )
