"""Releases elsewhere: what reaches them, what stops in the middle, and what cannot be."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from test_releases import NOON, leftovers, seen, tree

from elsewhere import Elsewhere
from kernelpod.base.podshell import MountedClaim, document, pod_shell
from kernelpod.base.shells import RemoteError, SshShell, asked, ssh_place
from kernelpod.kernelspecs.publishing.lock import NAME as LOCK
from kernelpod.kernelspecs.publishing.lock import LockedError, new_lock
from kernelpod.kernelspecs.publishing.releases import RELEASES, ReleaseError, Target
from kernelpod.kernelspecs.publishing.remote.target import remote_target

# The commands of the scripts; what a shell does itself cannot be counted.
COMMANDS = ("cat", "ln", "mkdir", "mv", "readlink", "rm", "sha256sum", "sync", "tar", "xargs")
# Ends its whole process group at the NUMBERth command.
DYING = """#!/bin/sh
exec 9>>"{count}"
flock 9
left=$(($(/bin/cat "{count}") - 1))
echo $left >"{count}"
exec 9>&-
[ $left -ne 0 ] || kill -9 0
exec {command} "$@"
"""
PUBLISHER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from elsewhere import Elsewhere, tree
Elsewhere(Path(sys.argv[1])).publish(tree("two"), "alice", 1)
"""


@pytest.fixture
def target(tmp_path: Path) -> Elsewhere:
    """Return a target with one release."""
    made = Elsewhere(tmp_path / "target")
    made.publish(tree(), "alice", keep=3, now=NOON)
    return made


def programs(folder: Path, **texts: str) -> str:
    """Write programs and return a PATH that has them first."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_script_killed_at_any_command_leaves_a_whole_release(target: Elsewhere, tmp_path: Path) -> None:
    count = tmp_path / "count"
    wrappers = {name: DYING.format(count=count, command=shutil.which(name)) for name in COMMANDS}
    path = programs(tmp_path / "bin", **wrappers)
    command = [sys.executable, "-c", PUBLISHER, str(target.folder), "", str(Path(__file__).parents[2])]
    number, status = 0, 1
    while status:
        number += 1
        count.write_text(f"{number}\n")
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=60
        )
        status = done.returncode
        assert status == 0 or "exit status -9" in done.stderr, done.stderr
        assert seen(target) in ({"one"}, {"two"}), f"killed at command {number}"
        if status:
            target.publish(tree(), "bob", keep=9)
            assert seen(target) == {"one"}
            assert leftovers(target) == []
    assert number > 12, "the commands were not counted"
    assert seen(target) == {"two"}


def test_names_with_spaces_umlauts_and_newlines_survive(target: Elsewhere) -> None:
    odd = tree("odd", **{"a-pod/-rf 'x' \"y\" $z\n größe": "odd", "a-pod/" + "lang/" * 40 + "file": "odd"})
    target.publish(odd, "alice", keep=3)
    assert target.tree() == odd
    assert {release.damage for release in target.history()} == {""}


def test_modes_are_readable_for_everybody_whatever_the_mask_is(target: Elsewhere) -> None:
    live = target.live()
    assert live is not None
    for path in [live, *live.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)


def test_what_is_written_wrongly_is_not_made_live(target: Elsewhere, tmp_path: Path) -> None:
    path = programs(
        tmp_path / "bin",
        tar='#!/bin/sh\n/bin/tar "$@" && find releases/.partial-* -name kernel.json -exec cp /bin/true {} \\;',
    )
    with pytest.MonkeyPatch.context() as patch, remote_target(target.shell, str(target.folder)) as there:
        patch.setenv("PATH", path)
        with pytest.raises(RemoteError, match="the written release cannot be read back"):
            there.publish(tree("two"), "alice", keep=3)
    assert seen(target) == {"one"}
    assert leftovers(target) == []


@pytest.mark.parametrize("said", ["No space left on device", "Read-only file system"])
def test_storage_that_fails_leaves_the_live_release(target: Elsewhere, tmp_path: Path, said: str) -> None:
    path = programs(
        tmp_path / "bin", tar=f"#!/bin/sh\ncase $1 in -c*) exec /bin/tar \"$@\";; esac\necho '{said}' >&2; exit 2"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        with pytest.raises(RemoteError, match=said):
            target.publish(tree("two"), "alice", keep=3)
    assert seen(target) == {"one"}
    assert leftovers(target) == []


def test_another_admin_in_between_is_noticed(target: Elsewhere) -> None:
    with remote_target(target.shell, str(target.folder)) as there:
        target.publish(tree("two"), "bob", keep=3)
        with pytest.raises(RemoteError, match="was made live in the meantime"):
            there.publish(tree("three"), "alice", keep=3)
    with remote_target(target.shell, str(target.folder)) as there:
        (target.folder / LOCK).write_text(new_lock("bob"), encoding="utf-8")
        with pytest.raises(LockedError, match=rf"bob on .* is publishing here.*remove {target.folder}/{LOCK}"):
            there.publish(tree("three"), "alice", keep=3)
    assert seen(target) == {"two"}


def test_errors_name_the_place_there_and_not_the_copy(tmp_path: Path) -> None:
    (tmp_path / "kernelspecs").mkdir()
    with pytest.raises(ReleaseError, match=rf"^{tmp_path}/kernelspecs is a folder"):
        Elsewhere(tmp_path).publish(tree(), "alice", keep=3)


def test_what_is_not_there_has_no_release(tmp_path: Path) -> None:
    assert Elsewhere(tmp_path / "new").history() == []
    assert not (tmp_path / "new").exists()


class Answers:
    """A shell that answers with a tar."""

    def __init__(self, *members: tuple[str, bytes, str]) -> None:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w") as packed:
            for name, kind, to in members:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, to
                packed.addfile(member)
        self.tar = made.getvalue()

    def run(self, script: str, *words: str, given: bytes = b"") -> bytes:
        """Return the tar."""
        return self.tar


@pytest.mark.parametrize(
    "members",
    [
        [("../out", tarfile.REGTYPE, "")],
        [("/tmp/out", tarfile.REGTYPE, "")],
        [("kernelspecs", tarfile.SYMTYPE, "/etc")],
        [("kernelspecs", tarfile.SYMTYPE, "../x")],
        [("releases/r", tarfile.SYMTYPE, "/tmp"), ("releases/r/out", tarfile.REGTYPE, "")],
        [("releases/r/out", tarfile.LNKTYPE, "/etc/passwd")],
    ],
)
def test_nothing_that_comes_from_there_leaves_the_copy(members: list[tuple[str, bytes, str]]) -> None:
    with (
        pytest.raises(RemoteError, match="copy of the remote folder is invalid"),
        remote_target(Answers(*members), "/x"),
    ):
        pass


def test_what_is_no_tar_is_said() -> None:
    shell = Answers()
    shell.tar = b"Welcome to this machine!\n" * 100
    with pytest.raises(RemoteError, match="copy of the remote folder is invalid"), remote_target(shell, "/x"):
        pass


def test_ssh_runs_the_script_at_the_other_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = f'''#!/bin/sh
while [ "$1" != -- ]; do echo "$1" >>{tmp_path}/options; shift; done
echo "$2" >>{tmp_path}/host
exec sh -c "$3"'''
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", ssh=fake))
    folder = tmp_path / "über there"
    with remote_target(SshShell("alice@host"), str(folder)) as there:
        there.publish(tree(), "alice", keep=3)
    assert Target(folder).tree() == tree()
    assert (tmp_path / "host").read_text() == "alice@host\n" * 2
    assert "BatchMode=yes" in (tmp_path / "options").read_text()


@pytest.mark.parametrize("text", ["", "host", "host:", "host:relative", "-oProxyCommand=x:/y", "a b:/x", ":/x"])
def test_a_place_for_ssh_is_looked_at(text: str) -> None:
    with pytest.raises(RemoteError, match="write USER@HOST:/FOLDER"):
        ssh_place(text)


def test_places_for_ssh() -> None:
    assert ssh_place("alice@host.example:/srv/a:b") == ("alice@host.example", "/srv/a:b")
    assert ssh_place("host:/srv") == ("host", "/srv")


def test_a_program_that_is_missing_slow_or_fails_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no-such-program is not on PATH"):
        asked(["no-such-program"])
    with pytest.raises(RemoteError, match=r"did not finish within 0\.1 s"):
        asked(["sleep", "60"], seconds=0.1)
    with pytest.raises(RemoteError, match="sh: oops"):
        asked(["sh", "-c", "echo oops >&2; exit 3"])


# Pods are files; what runs in one runs here.
KUBECTL = """#!/bin/sh
echo "$@" >>{log}
while [ "${{1#--}}" != "$1" ]; do shift 2; done
case $1 in
create) cat >{pod};;
wait) {wait};;
get) echo "0/1 nodes are available";;
exec) while [ "$1" != -- ]; do shift; done; shift; exec "$@";;
delete) case $2$3 in podkernelspecs-*) rm -f {pod};; esac;;
esac
"""


def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: str = "true") -> tuple[Path, Path]:
    """Put a kubectl on PATH; return its log, and the file that is there while the pod is."""
    log, pod = tmp_path / "log", tmp_path / "pod"
    text = KUBECTL.format(log=log, pod=pod, wait=wait)
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", kubectl=text))
    return log, pod


def test_a_pod_lives_for_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, pod = kubectl(tmp_path, monkeypatch)
    with pod_shell(MountedClaim("specs", "gateway", "my-context", uid=4711)) as shell:
        made = json.loads(pod.read_text(encoding="utf-8"))
        with remote_target(shell, str(tmp_path / "there")) as there:
            there.publish(tree(), "alice", keep=3)
    assert made["spec"]["securityContext"]["runAsUser"] == 4711
    assert Target(tmp_path / "there").tree() == tree()
    assert not pod.exists()
    asked_for = [
        line.split()[4:6]
        for line in log.read_text().splitlines()
        if line.startswith("--context my-context --namespace gateway ")
    ]
    assert [words[0] for words in asked_for] == ["delete", "delete", "create", "wait", "exec", "exec", "delete"]


def test_the_pod_goes_also_when_the_work_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pod = kubectl(tmp_path, monkeypatch)
    with pytest.raises(KeyboardInterrupt), pod_shell(MountedClaim("specs", "gateway")):
        raise KeyboardInterrupt
    assert not pod.exists()


def test_a_pod_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, pod = kubectl(tmp_path, monkeypatch, wait="echo timed out >&2; exit 1")
    with (
        pytest.raises(RemoteError, match="does not start: 0/1 nodes are available"),
        pod_shell(MountedClaim("s", "g")),
    ):
        pass
    assert not pod.exists()


def test_the_pod_asks_for_no_rights() -> None:
    spec: dict[str, Any] = document("x", MountedClaim("specs", "gateway"))["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    labels = document("x", MountedClaim("specs", "gateway"))["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "kernelspecs-sync"
    assert RELEASES == "releases", "the name that the scripts use"
