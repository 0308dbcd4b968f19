"""Kernels on one machine that end, and stops of one kernel that meet."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doubles import a_plan
from kernelpod.runtime.interface import RunningKernel
from kernelpod.runtime.local import runtime as runtime_module
from kernelpod.runtime.local.runtime import LocalRuntime
from kernelpod.runtime.local.startfolder import lead_into
from kernelpod.settings.runtimes import Local
from kernelpod.start.record import KernelRecord

PATIENCE_SECONDS = 30


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path, as names of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="kp-") as made:
        yield Path(made)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home."""
    (made := tmp_path / "alice").mkdir()
    return made


@asynccontextmanager
async def asleep(state_dir: Path, home: Path) -> AsyncIterator[tuple[LocalRuntime, RunningKernel]]:
    """Yield a runtime without a sandbox, and its only kernel, which sleeps."""
    runtime = LocalRuntime(Local(state_dir=str(state_dir), sandbox="none"))
    await runtime.open()
    plan = a_plan()
    mount = plan.mounts.home.model_copy(update={"path": str(home)})
    mounts = plan.mounts.model_copy(update={"home": mount, "shared": ()})
    changes = {"argv": ("sleep", "60"), "mounts": mounts, "working_dir": str(home)}
    yield runtime, await runtime.start(KernelRecord(plan=plan.model_copy(update=changes)))
    await runtime.close()


async def test_each_stop_returns_when_nothing_is_left(
    short_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the second one, which finds that the first is about to remove the kernel's folder."""
    begun, may_remove = threading.Event(), threading.Event()
    remove = runtime_module.try_remove

    def slowly(*folders: Path) -> None:
        begun.set()
        assert may_remove.wait(PATIENCE_SECONDS)
        remove(*folders)

    monkeypatch.setattr(runtime_module, "try_remove", slowly)
    state_dir = short_folder / "s"
    async with asleep(state_dir, home) as (runtime, kernel):
        first = asyncio.ensure_future(runtime.stop(kernel, 0))
        await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)
        second = asyncio.ensure_future(runtime.stop(kernel, 0))
        done, _ = await asyncio.wait({second}, timeout=0.2)
        assert not done, "the second stop has returned, and the folder is still there"
        may_remove.set()
        await asyncio.wait_for(asyncio.gather(first, second), PATIENCE_SECONDS)
        assert list(state_dir.glob("*-*")) == []


async def test_the_way_to_a_kernels_sockets_ends_with_its_process(short_folder: Path, home: Path) -> None:
    """It leads through the process's id, which may be another one's then."""
    state_dir = short_folder / "s"
    async with asleep(state_dir, home) as (runtime, kernel):
        (folder,) = state_dir.glob("*-*")
        shutil.rmtree(folder / "c")
        lead_into(folder, home)
        await runtime.signal(kernel, signal.SIGKILL)
        await asyncio.wait_for(runtime.wait_ended(kernel), PATIENCE_SECONDS)
        assert not (folder / "c").is_symlink()
        assert folder.is_dir()
        await runtime.stop(kernel, 0)
