"""Plans of renaming homes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.deploy.homefolders.moves import Move, in_order, moves_between, script
from kernelpod.deploy.homefolders.wanted import WantedHome
from kernelpod.errors import SettingsError


def home(user: str, path: str) -> WantedHome:
    return WantedHome(user, path, 1000, 100)


def test_only_homes_with_another_place_move() -> None:
    old = [home("a", "a"), home("b", "b"), home("c", "x/c"), home("c", "y/c")]
    new = [home("a", "a"), home("c", "x/c"), home("c", "z/c"), home("b", "n/b")]
    assert moves_between(old, new) == [Move("b", "b", "n/b"), Move("c", "y/c", "z/c")]


def test_a_user_with_fewer_homes_is_said() -> None:
    with pytest.raises(SettingsError, match="'a' has 2 homes now and 1 by the new settings"):
        moves_between([home("a", "x"), home("a", "y")], [home("a", "z")])


def test_two_homes_never_get_one_place() -> None:
    with pytest.raises(SettingsError, match="'a' and 'b' would have one home, n"):
        in_order([Move("a", "x", "n"), Move("b", "y", "n")])


def test_a_place_is_free_before_it_is_taken() -> None:
    moves = [Move("a", "1", "2"), Move("b", "2", "3"), Move("c", "3", "4")]
    assert in_order(moves) == [("3", "4"), ("2", "3"), ("1", "2")]


def test_the_script_overwrites_nothing(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    text = script([Move("a", "old", "new")])
    done = subprocess.run(
        ["/bin/sh"], input=text, text=True, cwd=tmp_path, timeout=60, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "new is there already\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


def test_the_command_shows_what_another_scheme_of_names_moves(tmp_path: Path) -> None:
    for name, slug in (("old", "escape"), ("new", "safe")):
        text = yaml.safe_dump({"homes": {"root": "/homes", "slug": slug}})
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    words = [
        "homes",
        "moves",
        "--settings",
        str(tmp_path / "old.yaml"),
        "--new-settings",
        str(tmp_path / "new.yaml"),
    ]
    words += ["alice", "jo.doe"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert "jo-2edoe" in done.output
    assert "1 of 2 homes move" in done.output
    done = CliRunner().invoke(main, [*words, "--json"], catch_exceptions=False)
    [move] = json.loads(done.output)["moves"]
    assert (move["user"], move["old"]) == ("jo.doe", "jo-2edoe")
    done = CliRunner().invoke(main, [*words, "--script"], catch_exceptions=False)
    assert "mv -- jo-2edoe jo-doe---" in done.output
