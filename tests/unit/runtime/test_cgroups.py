"""The control groups of kernels: what is delegated, what is written, and what a real cgroup2 does."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from kernelpod.runtime.local.cgroups import ControlGroups, Limits
from kernelpod.runtime.local.local_paths import enter
from kernelpod.runtime.local.runtime import DEFAULT_PATH

UNIT = "system.slice/kernelpod.service"
OWN = f"0::/{UNIT}/gateway\n"
ALL = frozenset(("cpu", "memory", "pids"))


LIMITS = Limits(memory_bytes=2**30, cpu_millicores=1500)


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """Files like those of a unit with `Delegate=yes`; they show what is written, and no kernel reads them."""
    folder = tmp_path / UNIT
    (folder / "gateway").mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.subtree_control").write_text("")
    (folder / "gateway" / "cgroup.controllers").write_text("memory pids\n")
    return tmp_path


def test_groups_that_were_delegated_are_found(mounted: Path) -> None:
    found = ControlGroups.delegated(own=OWN, mounted=mounted)
    assert found == ControlGroups(mounted / UNIT, frozenset(("memory", "pids")))
    assert (mounted / UNIT / "cgroup.subtree_control").read_text() in ("+cpu", "+memory", "+pids")


@pytest.mark.parametrize(
    "own",
    [
        "\n",
        f"0::/{UNIT}\n",
        "0::/user.slice/session-1.scope\n",
        "0::/\n",
        "0::/gateway\n",
        "11:pids:/system.slice/kernelpod.service/gateway\n",
    ],
    ids=["nothing", "no group of its own", "a session", "root", "another machine's", "version 1"],
)
def test_what_was_not_delegated_is_left_alone(own: str, mounted: Path) -> None:
    before = sorted(mounted.rglob("*"))
    assert ControlGroups.delegated(own=own, mounted=mounted) is None
    assert sorted(mounted.rglob("*")) == before


def test_without_controllers_nothing_is_limited(mounted: Path) -> None:
    (mounted / UNIT / "cgroup.controllers").write_text("cpuset io\n")
    (mounted / UNIT / "gateway" / "cgroup.controllers").write_text("\n")
    assert ControlGroups.delegated(own=OWN, mounted=mounted) is None


def test_a_hub_has_groups_of_its_own(mounted: Path) -> None:
    (mounted / UNIT / "gateway").rename(mounted / UNIT / "hub")
    asked = {"own": f"0::/{UNIT}/hub\n", "mounted": mounted}
    assert ControlGroups.delegated(**asked) is None
    servers = ControlGroups.delegated("hub", "server-", **asked)
    assert servers == ControlGroups(mounted / UNIT, frozenset(("memory", "pids")), "server-")


def test_without_a_limit_only_processes_are_limited(tmp_path: Path) -> None:
    ControlGroups(tmp_path, ALL, "server-").make("one", Limits(None, None))
    assert [file.name for file in (tmp_path / "server-one").iterdir()] == ["pids.max"]


def test_limits_are_those_that_are_given(tmp_path: Path) -> None:
    ControlGroups(tmp_path, ALL).make("one", LIMITS)
    written = {file.name: file.read_text() for file in (tmp_path / "kernel-one").iterdir()}
    assert written == {
        "memory.max": str(2**30),
        "memory.oom.group": "1",
        "pids.max": "4096",
        "cpu.max": "150000 100000",
    }
    ControlGroups(tmp_path, frozenset(("pids",))).make("two", LIMITS)
    assert [file.name for file in (tmp_path / "kernel-two").iterdir()] == ["pids.max"]


@pytest.mark.parametrize(
    ("events", "expected"),
    [("low 0\noom 1\noom_kill 2\noom_group_kill 1\n", True), ("oom 0\noom_kill 0\n", False), (None, False)],
)
def test_a_kernel_that_ran_out_of_memory_is_known(events: str | None, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "kernel-one").mkdir()
    if events is not None:
        (tmp_path / "kernel-one" / "memory.events").write_text(events)
    assert ControlGroups(tmp_path, ALL).ran_out_of_memory("one") is expected


@pytest.fixture
def real(tmp_path: Path) -> Iterator[ControlGroups]:
    """A group of a real cgroup2, whose controllers may belong to version 1 of this machine."""
    place = tmp_path / "cgroup2"
    place.mkdir()
    command = ["mount", "-t", "cgroup2", "none", str(place)]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount cgroup2")
    folder = place / f"kernelpod-test-{os.getpid()}"
    try:
        folder.mkdir()
        yield ControlGroups(folder, frozenset())
    finally:
        for group in folder.glob("kernel-*"):
            with contextlib.suppress(OSError):
                group.rmdir()
        folder.rmdir()
        subprocess.run(["umount", str(place)], check=True)


def test_processes_and_what_they_start_end_with_their_group(real: ControlGroups) -> None:
    real.make("one", LIMITS)
    command = ["sh", "-c", "read x; sleep 1000 & echo $!; wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdin
        assert one.stdout
        real.take("one", [one.pid, 2**22 + 1])  # a process that has ended meanwhile is nobody's matter
        one.stdin.write("go\n")
        one.stdin.flush()
        child = int(one.stdout.readline())
        members = (real.folder / "kernel-one" / "cgroup.procs").read_text().split()
        assert sorted(map(int, members)) == sorted((one.pid, child))
        real.sweep(())
        assert (real.folder / "kernel-one").exists(), "it still has processes"
        real.remove("one")
        assert one.wait(20) == -signal.SIGKILL
    assert not (real.folder / "kernel-one").exists()
    real.remove("one")


def test_only_groups_of_nobody_are_swept(real: ControlGroups) -> None:
    for name in ("left", "kept"):
        real.make(name, LIMITS)
    (real.folder / "gateway").mkdir()
    real.sweep(["kept"])
    assert sorted(one.name for one in real.folder.iterdir() if one.is_dir()) == ["gateway", "kernel-kept"]
    (real.folder / "gateway").rmdir()


def test_a_limit_that_linux_refuses_leaves_no_group(real: ControlGroups) -> None:
    """Here the controllers are not enabled, so that their files are not there."""
    with pytest.raises(OSError, match=r"Permission denied|No such file"):
        ControlGroups(real.folder, ALL).make("one", LIMITS)
    assert not (real.folder / "kernel-one").exists()


@pytest.mark.parametrize("argv", [enter("/", ["sleep", "1000"]), ["sleep", "1000"]], ids=["enters", "is silent"])
def test_a_start_that_cannot_be_limited_is_no_start(argv: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """See `spawn`: the processes are ended before the command begins, also if it does not say that it is here."""
    import asyncio

    from kernelpod.runtime.local import spawning
    from kernelpod.runtime.local.sandbox import Command

    monkeypatch.setattr(spawning, "READ_TIMEOUT_SECONDS", 1)

    taken: list[list[int]] = []

    def refuse(pids: list[int]) -> None:
        taken.append(pids)
        raise OSError(16, "Device or resource busy")

    async def scene() -> Any:
        await spawning.spawn(Command(argv), {}, "/", sandboxed=False, limit=refuse)

    with pytest.raises(OSError, match="busy"):
        asyncio.run(scene())
    ((pid,),) = taken
    assert not Path(f"/proc/{pid}").exists()


def test_a_sandbox_whose_command_is_not_found_is_no_start(need: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a Linux without the list of a process's children: the command would run outside of its limits."""
    import asyncio

    from kernelpod.runtime.local import spawning
    from kernelpod.runtime.local.sandbox import Command

    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    sandboxes: list[int] = []

    def unknown(sandbox: int) -> None:
        sandboxes.append(sandbox)

    monkeypatch.setattr(spawning, "payload_pid", unknown)
    words = ["bwrap", "--unshare-pid", "--die-with-parent", "--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    command = Command([*words, *enter("/", ["sleep", "1000"])])

    async def scene() -> Any:
        await spawning.spawn(command, {"PATH": DEFAULT_PATH}, "/", sandboxed=True, limit=lambda _: None)

    with pytest.raises(ProcessLookupError, match="CONFIG_PROC_CHILDREN"):
        asyncio.run(scene())
    (sandbox,) = sandboxes
    eventually(lambda: not Path(f"/proc/{sandbox}").exists(), what="the sandbox has ended")
