"""`kernelpod homes` where the answer is not known: it is said, and is not taken for that there are none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from homes_asked import Other, asked

from kernelpod.base.shells import LocalShell, RemoteError
from kernelpod.cli import whosehomes
from kernelpod.deploy.homefolders import folders
from kernelpod.deploy.homefolders.folders import look, usage
from kernelpod.deploy.homefolders.wanted import WantedHome

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes somebody else")
ZOE = WantedHome("zoe", "staff/a/zoe", 4711, 4711)


@pytest.fixture
def closed() -> Iterator[str]:
    """A folder with zoe's home, which only root can reach, and one that is open to all."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        look(LocalShell(), folder, [ZOE], make=True)
        Path(folder, "staff").chmod(0o700)
        Path(folder, "open").mkdir()
        yield folder


@as_root
@pytest.mark.parametrize("how", [{}, {"make": True}, {"plan": True}], ids=["check", "make", "make --dry-run"])
def test_a_home_below_a_folder_that_may_not_be_entered_is_not_called_missing(
    closed: str, how: dict[str, bool]
) -> None:
    there, beside, none = look(Other(), closed, [ZOE, WantedHome("bob", "staff/bob", 4712, 4712),
                               WantedHome("eve", "open/eve", 4713, 4713)], **how)  # fmt: skip
    assert (there.state, beside.state, there.above) == ("above_closed", "above_closed", "./staff")
    assert none.state == ("failed" if how else "missing")
    said = there.sentence(closed)
    assert said.startswith(f"cannot be looked at, since {closed}/staff may not be entered here; run this as root")
    assert [one.state for one in look(LocalShell(), closed, [ZOE], **how)] == ["ok"]


@as_root
def test_a_home_that_may_not_be_reached_is_not_left_out_of_what_is_measured(closed: str) -> None:
    with pytest.raises(RemoteError, match=r"/staff cannot be entered by user id 4711 here; run this as root"):
        usage(Other(), closed, [ZOE])
    found, _ = usage(LocalShell(), closed, [ZOE, WantedHome("eve", "open/eve", 4713, 4713)])
    assert [one.home.user for one in found] == ["zoe"]


@as_root
@pytest.mark.parametrize("shell", [["busybox", "sh"], ["dash"], ["bash"]], ids=" ".join)
@pytest.mark.parametrize("script", ["look", "usage"])
def test_every_shell_finds_that_it_may_not_enter(closed: str, shell: list[str], script: str) -> None:
    try:
        subprocess.run([*shell, "-c", ":"], check=True)
    except FileNotFoundError:
        pytest.skip(f"{shell[0]} is not installed")
    text = Path(folders.__file__).with_name(f"{script}.sh").read_text(encoding="utf-8")
    given = "0 4711 4711 staff/a/zoe\n" if script == "look" else "0 4711 staff/a/zoe\n"
    other = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"]
    done = subprocess.run(
        [*other, *shell, "-c", text, "sh", closed, ""], input=given, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    if script == "look":
        assert (done.stdout, done.stderr) == ("0 above_closed - - ./staff\n", "")
    else:
        assert (done.returncode, "/staff cannot be entered by user id 4711" in done.stderr) == (1, True)


def test_a_list_that_is_too_large_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the name of a setting, which this command does not read."""
    monkeypatch.setattr(whosehomes, "MAX_LIST_BYTES", 2**20)
    names = tmp_path / "class"
    names.write_text("alice\n" * (2**20 // 6 + 1), encoding="ascii")
    said = asked(tmp_path, "check", "--list", str(names), homes={"root": str(tmp_path)})
    assert said.exit_code == 2
    assert f"--list {names} is larger than 1 MiB. If it is a list of users, split it" in said.output
    assert "max_bytes" not in said.output


@pytest.mark.parametrize("text", ["", "# nobody yet\n", "root:x:0:0\n", "a:x:5:5\nb:x:5:5\n"])
@pytest.mark.parametrize("command", ["check", "make", "usage"])
def test_a_file_of_user_ids_without_users_is_a_mistake(tmp_path: Path, command: str, text: str) -> None:
    (tmp_path / "passwd").write_text(text, encoding="ascii")
    sections: dict[str, Any] = {"hubs": [{"user_ids": str(tmp_path / "passwd")}], "homes": {"root": str(tmp_path)}}
    said = asked(tmp_path, command, **sections)
    assert said.exit_code == 2
    assert f"{tmp_path}/passwd has no line for a user with a user id of their own: give names" in said.output


def test_courses_without_users_are_a_mistake(tmp_path: Path) -> None:
    courses = {
        "hub": "hub",
        "semester": "ws26",
        "storage": {"root": "/courses", "volume": {"claim": "courses"}},
        "courses": {"ml": {"image": "lab:1", "students": []}},
    }
    (tmp_path / "teaching.yaml").write_text(yaml.safe_dump(courses), encoding="utf-8")
    sections: dict[str, Any] = {
        "hubs": [{"courses": str(tmp_path / "teaching.yaml")}],
        "homes": {"root": str(tmp_path)},
    }
    said = asked(tmp_path, "check", **sections)
    assert said.exit_code == 2
    assert "teaching.yaml names no user: give names, --list FILE" in said.output
