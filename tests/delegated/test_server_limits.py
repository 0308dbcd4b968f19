"""What all processes of a server take together is limited: a real spawner in a delegated control group."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.runtime.local.cgroups import ControlGroups
from kernelpod.runtime.local.sandbox import MOST_PROCESSES
from kernelpod.settings.sections import Settings

pytestmark = [pytest.mark.hub, pytest.mark.timeout(300)]
# Tells that it runs, and goes on; what it starts counts as well.
SERVER = ["sh", "-c", "sleep 600 & sleep 600"]


@pytest.fixture
def groups() -> ControlGroups:
    found = ControlGroups.delegated("hub", "server-")
    assert found, "start the tests in a control group that is delegated and called `hub`"
    return found


@pytest.fixture
def spawner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from jupyterhub.spawner import LocalProcessSpawner

    from kernelpod.hub.spawners import sandbox

    settings = Settings.model_validate(
        {
            "policy": {"uid": os.getuid(), "gid": os.getgid()},
            "homes": {"root": str(tmp_path), "create_local": True},
            "runtime": {"kind": "local", "local": {"sandbox": "none"}},
        }
    )

    async def start(self: Any) -> tuple[str, int]:
        """Start the server as LocalProcessSpawner does, whose hub is not here."""
        self.proc = subprocess.Popen(SERVER, preexec_fn=self.make_preexec_fn("alice"), start_new_session=True)  # noqa: ASYNC220, PLW1509 - as it does
        self.pid = self.proc.pid
        return "127.0.0.1", self.port

    monkeypatch.setattr(LocalProcessSpawner, "start", start)
    user = SimpleNamespace(name="alice", groups=[], url="/user/alice/")
    made = sandbox.SandboxSpawner(settings=settings, of_hub=settings.hub(), user=user)
    made.mem_limit, made.cpu_limit = "256M", 0.5
    yield made
    made.clear_state()


async def test_a_server_is_in_a_group_with_its_limits_until_it_is_stopped(
    groups: ControlGroups, spawner: Any
) -> None:
    await spawner.start()
    (group,) = groups.folder.glob("server-*")
    limits = {name: (group / name).read_text().strip() for name in ("cpu.max", "memory.max", "pids.max")}
    assert limits == {
        "cpu.max": "50000 100000",
        "memory.max": str(256 * 2**20),
        "pids.max": str(MOST_PROCESSES),
    }
    assert spawner.pid in map(int, (group / "cgroup.procs").read_text().split())
    await spawner.stop()
    assert list(groups.folder.glob("server-*")) == []


async def test_what_an_earlier_server_left_is_ended_by_the_next_start(groups: ControlGroups, spawner: Any) -> None:
    await spawner.start()
    first = spawner.proc
    spawner.clear_state()
    await spawner.start()
    assert first.wait(20) == -signal.SIGKILL
    await spawner.stop()
    assert list(groups.folder.glob("server-*")) == []
