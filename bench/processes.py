"""Starts processes of a benchmark with a log, reads them in /proc, and ends them by pid. Linux only."""

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
    from typing import NoReturn

PR_SET_CHILD_SUBREAPER = 36
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(RuntimeError):
    """The benchmark could not run; the message names the part and contains the end of its log."""


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants, so that the final clean-up finds them all.

    Kernels run in separate sessions and survive their gateway; without this, pid 1 becomes their parent.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was just free; another process may still take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process in its own session, so that Ctrl-C does not reach it directly; its output goes to `log`."""
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
    """Return the last lines of a log; "" if there is none."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def descendants(pid: int) -> list[int]:
    """Return the pids of all descendants of `pid`, parents first."""
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found = list(children.get(pid, ()))
    for child in found:  # the list grows during the loop: breadth first
        found.extend(children.get(child, ()))
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                yield int(entry.name), int(fields[1])


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on (index 0); [] if the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the command name may contain spaces and parentheses


def end(process: subprocess.Popen[bytes], grace_seconds: float = 5.0) -> None:
    """End a process with SIGTERM and `grace_seconds` of time, then it and its descendants with SIGKILL."""
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


def finish() -> None:
    """Ignore further signals, so that a second Ctrl-C does not interrupt the clean-up."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def terminated(signum: int, _frame: object) -> NoReturn:
    """Let SIGTERM end the run like Ctrl-C, so that every `finally` runs."""
    raise SystemExit(128 + signum)


def sweep() -> None:
    """End all remaining descendants of this process, repeatedly, because killing a parent moves its children."""
    for _ in range(5):
        left = _identities(descendants(os.getpid()))
        if not left:
            return
        _kill(left)
        time.sleep(0.05)


def _identities(pids: list[int]) -> set[tuple[int, str]]:
    """Return pids with their start times, so that a reused pid is never signalled."""
    return {(pid, fields[19]) for pid in pids if (fields := _stat(pid))}


def _kill(identities: set[tuple[int, str]]) -> None:
    for pid, started in identities:
        fields = _stat(pid)
        if fields and fields[19] == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for pid, _ in identities:
        with contextlib.suppress(ChildProcessError):  # its own parent reaps it
            os.waitpid(pid, os.WNOHANG)


def resident_megabytes(pid: int) -> float:
    """Return the VmRSS of one process, without its children, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"process {pid} has no VmRSS: it has ended")


def cpu_percent(pid: int, seconds: float) -> float:
    """Return the user and system CPU of one process over the next `seconds`, in percent of one core."""
    before, start = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - start)


def cpu_seconds(pid: int) -> float:
    """Return the user and system CPU that one process has used so far."""
    fields = _stat(pid)
    if not fields:
        raise BenchError(f"process {pid} has ended while it was measured")
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
