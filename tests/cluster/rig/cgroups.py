"""The cgroup `kernelpod`: whatever the cluster started, pods included, is found and ended through it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from .layout import NAME, RigError
from .shell import wait

KUBELET_NEEDS = ("cpuset", "cpu", "memory", "pids")


def hierarchies() -> list[Path]:
    """Where cgroups are mounted: one folder (v2), or one a controller (v1)."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(fields[4]) for fields in mounts if fields[fields.index("-") + 1] in ("cgroup", "cgroup2")]


def is_v2(hierarchy: Path) -> bool:
    """Whether the hierarchy is of the unified kind."""
    return (hierarchy / "cgroup.controllers").exists()


def tracking() -> Path:
    """The cgroup that every process of the rig joins; in v1, `pids` alone, the others stay the caller's."""
    found = hierarchies()
    return next((h for h in found if h.name == "pids"), found[0]) / NAME / "system"


def make() -> None:
    """Make the cgroup in every hierarchy, ready for kubelet's pods."""
    for hierarchy in hierarchies():
        ours = hierarchy / NAME
        ours.mkdir(exist_ok=True)
        if (hierarchy / "cpuset.cpus").exists() and not is_v2(hierarchy):
            for setting in ("cpuset.cpus", "cpuset.mems"):  # empty in a new v1 group, which then takes no process
                (ours / setting).write_text((hierarchy / setting).read_text())
        if is_v2(hierarchy):
            controllers = set((hierarchy / "cgroup.controllers").read_text().split())
            wanted = " ".join(f"+{name}" for name in KUBELET_NEEDS if name in controllers)
            for parent in (hierarchy, ours):
                (parent / "cgroup.subtree_control").write_text(wanted)
    tracking().mkdir(exist_ok=True)


def join() -> None:
    """Put the calling process into the tracking cgroup."""
    (tracking() / "cgroup.procs").write_text(str(os.getpid()))


def _members() -> set[int]:
    found: set[int] = set()
    for hierarchy in hierarchies():
        for file in (hierarchy / NAME).rglob("cgroup.procs"):
            try:
                found.update(int(pid) for pid in file.read_text().split())
            except OSError:
                continue  # removed while it was read
    return found


def _kill(pid: int) -> None:
    """Kill the process if it is still a member; the pidfd keeps its number from meaning another one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if f"/{NAME}/" in Path(f"/proc/{pid}/cgroup").read_text() + "/":
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(descriptor)


def kill() -> None:
    """End every process of the cluster."""

    def none_left() -> bool:
        members = _members()
        for pid in members:
            _kill(pid)
        return not members

    if not wait(none_left, seconds=20):
        raise RigError(f"processes do not end: {sorted(_members())}")


def remove() -> None:
    """Remove the cgroup with all that is below it."""
    for hierarchy in hierarchies():
        ours = hierarchy / NAME

        def gone(ours: Path = ours) -> bool:
            below = sorted((path for path in ours.rglob("*") if path.is_dir()), reverse=True)
            try:
                for folder in [*below, *([ours] if ours.exists() else [])]:
                    folder.rmdir()
            except OSError:
                return False  # the kernel takes a moment to let go of a group whose processes ended
            return True

        if not wait(gone, seconds=10):
            raise RigError(f"{ours} cannot be removed: a process is still in it")
