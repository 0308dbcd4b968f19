"""What is imported is checked at once, by the rules of the commands that check such files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from old_hubs import WORLDS, run, words_of

from kernelpod.cli.main import main

# What comes out of these is a file of traits.
PLAIN = sorted(path.parent.parent.name for path in WORLDS.glob("*/made/config.yaml"))
# An authenticator that a world names, and that is not in the hub's environment.
NATIVE = "from jupyterhub.auth import Authenticator\n\n\nclass NativeAuthenticator(Authenticator):\n    pass\n"
TYPO = "c.Spawner.mem_limt = '1G'\nc.JupyterHub.spawner_class = 'kubespawner.KubeSpawner'\n"


def checked(folder: Path) -> list[str]:
    """Return what `kernelpod hub check-config` says of imported files."""
    words = ["hub", "check-config", str(folder / "config.yaml"), "--settings", str(folder / "settings.yaml")]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    return done.output.splitlines()


@pytest.mark.hub
@pytest.mark.parametrize("world", PLAIN)
def test_the_import_says_what_check_config_says(
    world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nativeauthenticator.py").write_text(NATIVE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nativeauthenticator", raising=False)
    monkeypatch.chdir(WORLDS / world)
    said = run(*words_of(world), "--to", tmp_path / "new").splitlines()
    *findings, counted = checked(tmp_path / "new")
    assert counted.endswith(": 0 errors, 1 warnings")
    assert [line for line in said if line.startswith(str(tmp_path / "new" / "config.yaml:"))] == findings


@pytest.mark.hub
def test_what_the_hub_would_refuse_is_named_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "jupyterhub_config.py").write_text(TYPO, encoding="utf-8")
    said = run(tmp_path / "jupyterhub_config.py", "--to", tmp_path / "new", status=1)
    assert "new/config.yaml:3:3: error: Spawner.mem_limt: " in said
    assert "did you mean mem_limit?" in said
    assert (tmp_path / "new" / "config.yaml").exists()


def test_without_jupyterhub_the_import_says_which_command_asks_its_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("kernelpod.hub.configfile.traits")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jupyterhub", None)
    (tmp_path / "jupyterhub_config.py").write_text(TYPO, encoding="utf-8")
    new = tmp_path / "new"
    said = run(tmp_path / "jupyterhub_config.py", "--to", new)
    assert f"{new}/config.yaml:1:1: note: " in said
    assert f"run `kernelpod hub check-config {new}/config.yaml --settings {new}/settings.yaml`" in said


def test_needs_of_servers_are_checked_without_jupyterhub(tmp_path: Path) -> None:
    text = "c.JupyterHub.spawner_class = 'kubespawner.KubeSpawner'\nc.Spawner.server_token_scopes = ['self']\n"
    (tmp_path / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    said = run(tmp_path / "jupyterhub_config.py", "--to", tmp_path / "new", status=1)
    assert "new/config.yaml:3:3: error: Spawner.server_token_scopes: " in said


def test_courses_of_a_hub_with_the_name_of_another_file_are_checked_as_courses(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "server: {values: {mode: teaching, course_list: [ml], image: 'lab:1'}, config: {mode: teaching}}\n",
        encoding="utf-8",
    )
    said = run(tmp_path / "config.yaml", "--to", tmp_path / "new", status=1)
    assert "new/config.yaml:12:1: error: courses: the hub has no course" in said
