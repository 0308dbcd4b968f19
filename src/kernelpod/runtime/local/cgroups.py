"""Limits what all processes of a kernel or of a server take together, by control groups (cgroup v2).

The gateway has them where they were delegated to it: its own group is called `gateway`, and its user may change
the group above. In a unit of systemd (254 or newer) that is `Delegate=yes` and `DelegateSubgroup=gateway`; for a
hub, which limits servers, `DelegateSubgroup=hub`.
Source: cgroup-v2.rst of the Linux kernel.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kernelpod.runtime.local.sandbox import MOST_PROCESSES

log = logging.getLogger(__name__)

MOUNTED = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory", "pids")
CPU_PERIOD_MICROSECONDS = 100_000
EMPTY_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What the processes of a group may take together; None: as much as there is."""

    memory_bytes: int | None
    cpu_millicores: int | None


@dataclass(frozen=True)
class ControlGroups:
    """The groups of kernels, or of servers: folders beside the own group of the gateway, or of the hub."""

    folder: Path
    controllers: frozenset[str]
    """Those of CONTROLLERS that limit them."""
    prefix: str = "kernel-"
    """What the names of their groups begin with."""

    @classmethod
    def delegated(
        cls, subgroup: str = "gateway", prefix: str = "kernel-", own: str = "", mounted: Path = MOUNTED
    ) -> ControlGroups | None:
        """Return the groups that were delegated to this process; None if there are none, or they limit nothing.

        `subgroup` is how this process's own group must be called. `own` is the content of /proc/self/cgroup, which
        is read if it is empty.
        """
        own = own or Path("/proc/self/cgroup").read_text("ascii")
        path = next((line[3:] for line in own.splitlines() if line.startswith("0::/")), "")
        group = mounted / path.strip("/")
        folder = group.parent
        control = folder / "cgroup.subtree_control"
        if (
            path.rpartition("/")[2] != subgroup
            or not os.access(control, os.W_OK)
            or not os.access(folder, os.W_OK)
        ):
            return None
        try:
            for controller in set(CONTROLLERS) & set((folder / "cgroup.controllers").read_text("ascii").split()):
                control.write_text(f"+{controller}", "ascii")
            # What a group has is what is enabled for all groups beside it.
            enabled = frozenset(CONTROLLERS) & frozenset((group / "cgroup.controllers").read_text("ascii").split())
        except OSError as error:
            log.warning("control groups below %s cannot be used: %s", folder, error.strerror)
            return None
        return cls(folder, enabled, prefix) if enabled else None

    def make(self, name: str, limits: Limits) -> None:
        """Make a group with these limits. Raises OSError, and then there is no group."""
        group = self._group(name)
        group.mkdir()
        try:
            for file, value in self._files(limits).items():
                (group / file).write_text(value, "ascii")
            if "memory" in self.controllers and (group / "memory.swap.max").exists():
                (group / "memory.swap.max").write_text("0", "ascii")
        except OSError:
            group.rmdir()
            raise

    def _files(self, limits: Limits) -> dict[str, str]:
        files: dict[str, str] = {}
        if "memory" in self.controllers and limits.memory_bytes is not None:
            # What is written to /tmp and /dev/shm counts. All processes end together.
            files |= {"memory.max": str(limits.memory_bytes), "memory.oom.group": "1"}
        if "pids" in self.controllers:
            files["pids.max"] = str(MOST_PROCESSES)
        if "cpu" in self.controllers and limits.cpu_millicores is not None:
            quota = max(1000, limits.cpu_millicores * CPU_PERIOD_MICROSECONDS // 1000)
            files["cpu.max"] = f"{quota} {CPU_PERIOD_MICROSECONDS}"
        return files

    def enter(self, name: str) -> None:
        """Put this process into a group. Raises OSError."""
        self.take(name, (0,))

    def take(self, name: str, pids: Iterable[int]) -> None:
        """Put processes into a group; what they start later is in it, too. Raises OSError."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (self._group(name) / "cgroup.procs").write_text(str(pid), "ascii")

    def ran_out_of_memory(self, name: str) -> bool:
        """Return whether Linux ended processes of the group because they used more memory than its limit."""
        with contextlib.suppress(OSError):
            events = (self._group(name) / "memory.events").read_text("ascii").splitlines()
            return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in events)
        return False

    def remove(self, name: str) -> None:
        """End what still runs in a group, and remove it. Waits for seconds at most; raises nothing."""
        group = self._group(name)
        with contextlib.suppress(OSError):
            (group / "cgroup.kill").write_text("1", "ascii")
        deadline = time.monotonic() + EMPTY_SECONDS
        while True:
            try:
                group.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError as error:
                if time.monotonic() > deadline:
                    log.warning("the control group %s cannot be removed: %s", group, error.strerror)
                    return
            time.sleep(0.02)

    def sweep(self, running: Iterable[str]) -> None:
        """Remove the groups that are not among these and have no processes."""
        kept = {self.prefix + name for name in running}
        for group in self.folder.glob(f"{self.prefix}*"):
            if group.name not in kept:
                with contextlib.suppress(OSError):
                    group.rmdir()

    def _group(self, name: str) -> Path:
        return self.folder / f"{self.prefix}{name}"
