"""Runs each kernel as a sandboxed process on this machine.

Each start has a folder `<state_dir>/<kernel id>-<incarnation>`, see `startfolder`. There is no other state: the
next gateway finds the kernel by this folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kernelpod.base.addresses import join_address, on_this_machine
from kernelpod.errors import KernelpodError, StartFailed
from kernelpod.homes.mounts import Mount
from kernelpod.runtime.interface import Ended, RunningKernel, exited, out_of_memory
from kernelpod.runtime.local import startfolder
from kernelpod.runtime.local.cgroups import ControlGroups, Limits
from kernelpod.runtime.local.lease import FileLease
from kernelpod.runtime.local.local_paths import (
    OPEN_NETWORK,
    enter,
    on_disk,
    refuse_what_needs_a_pod,
    refuse_without_network,
)
from kernelpod.runtime.local.mounting import Bind
from kernelpod.runtime.local.network import has_way_out, warn_without_way_out
from kernelpod.runtime.local.processes import Process, Transcript, find_process
from kernelpod.runtime.local.records import read_kernel, seen_kernels, write_taken
from kernelpod.runtime.local.sandbox import Sandbox, prepared, require_sandbox
from kernelpod.runtime.local.spawning import Spawned, spawn
from kernelpod.runtime.local.statedir import kernel_folders, make_state_dir, try_remove, write_private
from kernelpod.settings.runtimes import Local
from kernelpod.start.connection import ConnectionKeys
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session

log = logging.getLogger(__name__)

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
KILL_TIMEOUT_SECONDS = 10
SWEEP_WAIT_SECONDS = 10
_NOT_HERE = "The kernel's process could not be started here."


@dataclass
class _Local:
    """The state of one running kernel. Only the gateway that started it has its `transcript`."""

    folder: Path
    process: Process
    gone: asyncio.Event
    transcript: Transcript | None = None
    ended: Ended | None = None
    removal: asyncio.Future[None] | None = None
    """The removal of its folder, once it has begun."""


class LocalRuntime:
    """Runs plans as local processes. Of gateways with the same `state_dir`, one leads; see `lease`."""

    def __init__(self, settings: Local) -> None:
        self._settings = settings
        self._sandboxed = settings.sandbox == "required"
        self._kernels: dict[str, _Local] = {}
        self._groups: ControlGroups | None = None
        self._sweep: asyncio.Future[None] | None = None

    async def open(self) -> None:
        """Create the state folder. Raises StartFailed (sandbox_missing) if the required sandbox does not work."""
        if self._sandboxed:
            await asyncio.to_thread(require_sandbox)
            if self._settings.network == "own":
                warn_without_way_out()
        else:
            log.warning("runtime.local.sandbox is none: no isolation between users")
        make_state_dir(self._settings.state_dir)
        self._groups = ControlGroups.delegated()
        if self._groups:
            limited = ", ".join(sorted(self._groups.controllers))
            log.info("control groups in %s limit kernels as a whole: %s", self._groups.folder, limited)

    async def close(self) -> None:
        """Stop watching. Kernels keep running."""
        loop = asyncio.get_running_loop()
        for kernel in self._kernels.values():
            kernel.process.unwatch(loop)
        self._kernels.clear()

    def ready(self) -> bool:
        """Return True, since `open` has already checked this machine."""
        return True

    async def start(
        self, record: KernelRecord, keys: ConnectionKeys | None = None, *, spare: bool = False
    ) -> RunningKernel:
        """Start the plan in a sandbox; see `Runtime.start`."""
        incarnation = secrets.token_hex(3)
        folder = self._folder(record.kernel_id, incarnation)
        task = asyncio.ensure_future(self._start(record, keys, incarnation, folder, spare))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # A start cannot be undone halfway, so finish it and then stop the kernel.
            with contextlib.suppress(KernelpodError, OSError):
                await self.stop(await task, 0)
            raise
        except BaseException as error:
            await asyncio.to_thread(self._remove, folder)
            if isinstance(error, OSError):
                raise StartFailed("kernel_start_failed", _NOT_HERE, detail=repr(error)) from error
            raise

    async def _start(
        self, record: KernelRecord, keys: ConnectionKeys | None, incarnation: str, folder: Path, spare: bool
    ) -> RunningKernel:
        plan = record.plan
        refuse_what_needs_a_pod(plan)
        if self._sandboxed and self._settings.network == "own":
            refuse_without_network(plan)
        connection = startfolder.new_connection_in(folder, plan, keys)
        await asyncio.to_thread(
            startfolder.make, folder, record, connection, spare=spare, sandboxed=self._sandboxed
        )
        spawned = await self._spawn(plan, folder)
        try:
            if spawned.root:
                startfolder.lead_into(folder, spawned.root)
            write_private(folder / "process.json", json.dumps(spawned.process.identity()))
        except BaseException:
            spawned.process.kill()
            raise
        home = plan.mounts.home.mount_path
        note = f"The folder {plan.working_dir!r} does not exist, so the kernel started in {home!r}."
        kernel = RunningKernel(record, connection, incarnation, () if spawned.entered else (note,), spare)
        self._watch(kernel, folder, spawned.process, spawned.transcript)
        return kernel

    async def _spawn(self, plan: KernelPlan, folder: Path) -> Spawned:
        """Start the plan's command in its home, from where it enters its working directory."""
        file = startfolder.connection_file(folder, sandboxed=self._sandboxed)
        argv = [word.replace("{connection_file}", file) for word in plan.argv]
        argv = enter(plan.working_dir if self._sandboxed else on_disk(plan, plan.working_dir), argv)
        with contextlib.ExitStack() as stack:
            # In a thread, since the storage may be slow.
            made = prepared(self._sandbox(plan, folder), argv, sandboxed=self._sandboxed)
            command = await asyncio.to_thread(stack.enter_context, made)
            if self._groups:
                has = plan.resources
                self._groups.make(folder.name, Limits(has.memory_limit_bytes, has.cpu_limit_millicores))
            return await spawn(
                command,
                env={"PATH": self._search_path(), **plan.env, "HOME": self._place(plan.mounts.home)},
                cwd="/" if self._sandboxed else plan.mounts.home.path,
                sandboxed=self._sandboxed,
                way_out=self._own_network(plan) and plan.network == OPEN_NETWORK and has_way_out(),
                limit=partial(self._groups.take, folder.name) if self._groups else None,
            )

    async def take(self, kernel: RunningKernel, session: Session | None) -> None:
        """Store that a spare is its owner's kernel now; see `Runtime.take`."""
        folder = self._folder(kernel.record.kernel_id, kernel.incarnation)
        try:
            write_taken(folder, kernel.record.model_copy(update={"session": session}))
        except OSError as error:
            raise StartFailed("kernel_start_failed", _NOT_HERE, detail=repr(error)) from error

    async def running(self) -> list[RunningKernel]:
        """Return the kernels whose processes are still running. Remove the folders of all others."""
        found, left = [], []
        for folder in kernel_folders(self._settings.state_dir):
            try:
                kernel, process = read_kernel(folder)
            except KernelpodError as error:
                log.error("%s is ignored: %s", folder.name, error)
                continue
            except (OSError, ValueError) as error:
                log.warning("removing %s, left by an incomplete start: %s", folder.name, type(error).__name__)
                if stray := find_process(startfolder.mark(folder)):
                    await asyncio.to_thread(stray.end)
                process = None
            if process is None:
                left.append(folder)
                continue
            self._watch(kernel, folder, process, None)
            found.append(kernel)
        if self._groups:
            self._groups.sweep(self._folder(kernel.record.kernel_id, kernel.incarnation).name for kernel in found)
        self._sweep = asyncio.ensure_future(asyncio.to_thread(try_remove, *left))
        # A folder may hold so much that the gateway rather starts meanwhile.
        await asyncio.wait({self._sweep}, timeout=SWEEP_WAIT_SECONDS)
        return found

    async def seen(self) -> list[RunningKernel]:
        """Return the kernels whose folders say that they run."""
        return seen_kernels(kernel_folders(self._settings.state_dir))

    def lease(self, ip: str, port: int) -> FileLease:
        """Return the lock of the gateways that share `state_dir`."""
        folder = self._settings.state_dir
        return FileLease(folder.with_name(f"{folder.name}.lease"), join_address(on_this_machine(ip), port))

    def ended(self, kernel: RunningKernel) -> Ended | None:
        """Return why the kernel ended, or None while it runs. An unknown kernel counts as ended."""
        local = self._kernels.get(_key(kernel))
        return local.ended if local else Ended("The kernel no longer runs.")

    async def wait_ended(self, kernel: RunningKernel) -> Ended:
        """Wait until the kernel's process has ended, and return why."""
        local = self._kernels.get(_key(kernel))
        if local:
            await local.gone.wait()
        return (local and local.ended) or Ended("The kernel no longer runs.")

    async def signal(self, kernel: RunningKernel, signum: int) -> None:
        """Send a signal to the kernel's process group."""
        local = self._kernels.get(_key(kernel))
        if local and not local.ended:
            local.process.signal(signum)

    async def stop(self, kernel: RunningKernel, grace_seconds: float) -> None:
        """Wait half of the grace period for the kernel to end, send SIGTERM, and kill it after the other half."""
        local = self._kernels.get(_key(kernel))
        if local is None:
            return
        if grace_seconds > 0:
            for signum in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(local.gone.wait(), grace_seconds / 2)
                if local.ended:
                    break
                if signum == signal.SIGTERM:
                    local.process.signal(signum)
        local.process.kill()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(local.gone.wait(), KILL_TIMEOUT_SECONDS)
        local.process.unwatch(asyncio.get_running_loop())
        if local.removal is None:  # else another caller is removing it
            local.removal = asyncio.ensure_future(asyncio.to_thread(self._remove, local.folder))
        await asyncio.shield(local.removal)
        self._kernels.pop(_key(kernel), None)

    def _watch(self, kernel: RunningKernel, folder: Path, process: Process, transcript: Transcript | None) -> None:
        local = _Local(folder, process, asyncio.Event(), transcript)
        self._kernels[_key(kernel)] = local

        def ended(exit_code: int | None) -> None:
            startfolder.lead_nowhere(folder)
            if self._groups and self._groups.ran_out_of_memory(folder.name):
                local.ended = out_of_memory(kernel.record.plan)
            else:
                local.ended = _explain(kernel.record.plan, exit_code, transcript)
            local.gone.set()
            log.info("kernel %s ended, exit code %s", kernel.record.kernel_id, exit_code)

        process.watch(asyncio.get_running_loop(), ended)

    def _remove(self, folder: Path) -> None:
        if self._groups:
            self._groups.remove(folder.name)
        try_remove(folder)

    def _folder(self, kernel_id: str, incarnation: str) -> Path:
        return self._settings.state_dir / f"{kernel_id.replace('-', '')}-{incarnation}"

    def _search_path(self) -> str:
        return ":".join([*self._settings.search_path, DEFAULT_PATH])

    def _place(self, mount: Mount) -> str:
        return mount.mount_path if self._sandboxed else mount.path

    def _sandbox(self, plan: KernelPlan, folder: Path) -> Sandbox:
        system = tuple(Bind(path, path, read_only=True) for path in self._settings.read_only_paths)
        return Sandbox(
            system=(*system, startfolder.bound(folder)),
            in_memory=startfolder.INSIDE,
            links=startfolder.LINKS,
            mounts=plan.mounts,
            uid=plan.uid,
            gid=plan.gid,
            groups=plan.supplemental_groups,
            working_dir=plan.mounts.home.mount_path,
            memory_limit_bytes=plan.resources.memory_limit_bytes,
            shm_bytes=plan.shm_bytes,
            own_network=self._own_network(plan),
        )

    def _own_network(self, plan: KernelPlan) -> bool:
        """Return whether the kernel gets a network of its own; one that speaks TCP could not be reached there."""
        return self._sandboxed and self._settings.network == "own" and plan.transport == "ipc"


def _key(kernel: RunningKernel) -> str:
    return f"{kernel.record.kernel_id}-{kernel.incarnation}"


def _explain(plan: KernelPlan, exit_code: int | None, transcript: Transcript | None) -> Ended:
    said = transcript.tail() if transcript else ""
    if exit_code == 127:
        return Ended(
            f"The command {plan.argv[0]!r} of the kernelspec {plan.address!r} does not exist where kernels run.",
            "command_not_found",
            said,
        )
    return exited(exit_code, said)
