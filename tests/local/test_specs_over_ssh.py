"""Releases and homes through a real ssh server on loopback."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from kernelpod.demo.watch import Watch
from kernelpod.kernelspecs.publishing.releases import Target
from ports import free_port

pytestmark = pytest.mark.local

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
CLIENT = """
Host there
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  StrictHostKeyChecking accept-new
"""


def answers(port: int) -> bool:
    """Return whether something listens."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def environment(tmp_path: Path, need: Any) -> Iterator[dict[str, str]]:
    """An environment in which `ssh there` leads to a server of this machine."""
    need(SSHD and shutil.which("ssh"), "sshd", "apt-get install openssh-server openssh-client")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(command, check=True, timeout=30)
    port = free_port()
    facts = {"port": port, "folder": tmp_path, "user": getpass.getuser()}
    (tmp_path / "sshd_config").write_text(SERVER.format(**facts), encoding="utf-8")
    (tmp_path / "ssh_config").write_text(CLIENT.format(**facts), encoding="utf-8")
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {tmp_path}/ssh_config "$@"\n', encoding="utf-8")
    ssh.chmod(0o755)
    privileges = Path("/run/sshd")
    made = os.geteuid() == 0 and not privileges.exists()
    if made:
        privileges.mkdir(mode=0o755)
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=log)
    try:
        eventually(lambda: answers(port), what="sshd answers")
        yield {**os.environ, "PATH": f"{ssh.parent}:{os.environ['PATH']}"}
    finally:
        server.terminate()
        server.wait(30)
        if made:
            privileges.rmdir()


def run(environment: dict[str, str], *words: object, status: int = 0, group: str = "specs") -> str:
    """Return what `kernelpod specs ...`, or another group of commands, printed."""
    command = [sys.executable, "-m", "kernelpod.cli.main", group, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_publish_look_and_go_back_over_ssh(environment: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "source" / "a-pod"
    source.mkdir(parents=True)
    spec = {
        "display_name": "A",
        "language": "python",
        "argv": ["python", "-f", "{connection_file}"],
        "interrupt_mode": "message",
        "metadata": {"kernelpod": {"image": "kernel:1"}},
    }
    (source / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    (source / "größe 'x' $y.txt").touch()
    place = ("--ssh", f"there:{tmp_path}/the folder")
    publish = ("sync", "--source", source.parent, *place, "--images", "skip")
    first = json.loads(run(environment, *publish, "--json"))["release"]
    assert (tmp_path / "the folder" / "kernelspecs" / "a-pod" / "größe 'x' $y.txt").is_file()
    (source / "kernel.json").write_text(json.dumps({**spec, "display_name": "B"}), encoding="utf-8")
    run(environment, *publish)
    assert "a-pod    B" in run(environment, "list", *place)
    assert json.loads(run(environment, "rollback", *place, "--json")) == {"release": first}
    assert len(json.loads(run(environment, "history", *place, "--json"))) == 2
    assert {release.damage for release in Target(tmp_path / "the folder").history()} == {""}
    assert sorted(path.name for path in (tmp_path / "the folder").iterdir()) == ["kernelspecs", "releases"]


def test_a_login_that_is_refused_is_a_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "user.pub").write_text("", encoding="utf-8")
    said = run(environment, "history", "--ssh", f"there:{tmp_path}/x", status=1)
    assert said.startswith("kernelpod: ssh: ")
    assert "Permission denied" in said


def test_homes_are_made_and_measured_over_ssh(environment: dict[str, str], tmp_path: Path) -> None:
    """As on an export with root_squash, whose own machine makes the homes."""
    folder = tmp_path / "all 'the' homes"
    folder.mkdir(mode=0o755)
    ids = {"uid": os.getuid() or 20001, "gid": os.getgid() or 20000}
    settings = {"homes": {"root": "/exported", "path_template": "{hub}/{username}"}, "policy": ids}
    (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    place = ("alice", "john.doe", "--settings", tmp_path / "settings.json", "--ssh", f"there:{folder}")
    assert "2 homes: 2 missing" in run(environment, "make", "--dry-run", *place, group="homes")
    assert list(folder.iterdir()) == []
    assert "2 homes: 2 made" in run(environment, "make", *place, group="homes")
    found = (folder / "hub" / "alice").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (ids["uid"], ids["gid"], 0o700)
    used = json.loads(run(environment, "usage", "--json", *place, group="homes"))
    assert [one["files"] for one in used["homes"]] == [0, 0]
    away = (*place[:-1], f"there:{tmp_path}/nowhere")
    assert "nowhere" in run(environment, "check", *away, status=1, group="homes")


def test_two_thousand_homes_are_made_in_time(environment: dict[str, str], tmp_path: Path) -> None:
    """As those of a university's first term, in one command."""
    folder = tmp_path / "homes"
    folder.mkdir(mode=0o755)
    settings = {"policy": {"uid": os.getuid() or 20001, "gid": os.getgid() or 20000}}
    (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "class").write_text("".join(f"user{number}\n" for number in range(2000)), encoding="utf-8")
    place = ("--list", tmp_path / "class", "--settings", tmp_path / "settings.json", "--ssh", f"there:{folder}")
    watch = Watch()
    assert "2000 homes: 2000 made" in run(environment, "make", *place, group="homes")
    watch.within(20)
    assert "2000 homes: 2000 ok" in run(environment, "check", *place, group="homes")
