"""Processes of one benchmark: started with a log, watched through /proc, ended by pid. Linux only."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PR_SET_CHILD_SUBREAPER = 36
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(RuntimeError):
    """The benchmark itself could not run; the text says which part and shows the end of its log."""


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants, so that the last sweep finds them all.

    Kernels run in sessions of their own and outlive their gateway; without this they move to pid 1.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; another process may still take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """The started process, in its own session (a Ctrl-C reaches it through us only), output in `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, or "" when there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def descendants(pid: int) -> list[int]:
    """Pids below `pid`, parents first, `pid` itself not included."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, ()))
    for child in found:  # the list grows while it is walked: breadth first
        found.extend(children.get(child, ()))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                yield int(entry.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (index 0), or [] when the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the command name may hold blanks and brackets


def end(process: subprocess.Popen[bytes], grace_seconds: float = 5.0) -> None:
    """End a process and everything below it: SIGTERM and `grace_seconds` for it, SIGKILL for the rest."""
    below = _identities(descendants(process.pid))
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
    below |= _identities(descendants(process.pid))
    if process.poll() is None:
        process.kill()
        process.wait(grace_seconds)
    _kill(below)


def sweep() -> None:
    """End whatever is still below this process; repeated, because killing a parent moves its children."""
    for _ in range(5):
        left = _identities(descendants(os.getpid()))
        if not left:
            return
        _kill(left)
        time.sleep(0.05)


def _identities(pids: list[int]) -> set[tuple[int, str]]:
    """Pids with their start time, so that a pid given away meanwhile is never signalled."""
    return {(pid, fields[19]) for pid in pids if (fields := _stat(pid))}


def _kill(identities: set[tuple[int, str]]) -> None:
    for pid, started in identities:
        fields = _stat(pid)
        if fields and fields[19] == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for pid, _ in identities:
        with contextlib.suppress(ChildProcessError):  # not ours to reap: its own parent does
            os.waitpid(pid, os.WNOHANG)


def resident_megabytes(pid: int) -> float:
    """VmRSS of one process (its children not included), in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"process {pid} has no VmRSS: it has ended")


def cpu_percent(pid: int, seconds: float) -> float:
    """CPU of one process over the next `seconds`, user and system, in percent of one core."""
    before, start = _cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (_cpu_seconds(pid) - before) / (time.monotonic() - start)


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    if not fields:
        raise BenchError(f"process {pid} has ended while it was measured")
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
