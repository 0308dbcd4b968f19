"""Finds and kills all descendants of this process, and tells how busy the machine is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let orphaned descendants become children of this process, such as those of a killed gateway."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Return the running descendants of `pid`, without zombies."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return sorted(found[1:])


def slowness() -> float:
    """Return how much longer than its processor time a program takes now; at least 1, which is a quiet machine."""
    before, began = os.times(), time.monotonic()
    subprocess.run([sys.executable, "-c", "import asyncio; sum(range(2_000_000))"], check=True, timeout=60)
    took, after = time.monotonic() - began, os.times()
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return max(1.0, took / max(worked, 0.01))


def reap() -> None:
    """Collect every child that has ended, adopted ones included."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants() -> list[int]:
    """Kill all descendants of this process and return their pids."""
    left = descendants(os.getpid())
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    reap()
    return left
