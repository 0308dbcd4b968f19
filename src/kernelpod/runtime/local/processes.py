"""Finds, watches, signals and kills a local process together with all its child processes.

A sandboxed process is identified by PID 1 of its PID namespace: when PID 1 ends, Linux kills all others. Pids are
stored with the start time of the process, so that a reused pid is never mistaken for the old process.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRANSCRIPT_BYTES = 64 * 1024
REAP_SECONDS = 1


class Transcript:
    """The first 64 KiB that a process writes to stdout and stderr, kept in memory only."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("kernel-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, TRANSCRIPT_BYTES)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)

    def tail(self, characters: int = 2000) -> str:
        """Return the last characters that were written."""
        text = os.pread(self.fd, TRANSCRIPT_BYTES, 0).rstrip(b"\0").decode("utf-8", "replace").strip()
        return text[-characters:]

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.fd)


@dataclass
class Process:
    """A process group that this gateway or an earlier one started."""

    pid: int
    start_ticks: int
    sandboxed: bool
    popen: subprocess.Popen[bytes] | None = None
    _pidfd: int = -1
    _outer_pidfd: int = -1

    @classmethod
    def found(cls, identity: dict[str, Any]) -> Process | None:
        """Return the process of an `identity()`, or None if it has ended. Raises ValueError if it is malformed."""
        try:
            process = cls(int(identity["pid"]), int(identity["start_ticks"]), bool(identity["sandboxed"]))
        except (KeyError, TypeError) as error:
            raise ValueError("not a process identity") from error
        return process if start_ticks_of(process.pid) == process.start_ticks else None

    def identity(self) -> dict[str, Any]:
        """Return the data with which `found` finds this process again."""
        return {"pid": self.pid, "start_ticks": self.start_ticks, "sandboxed": self.sandboxed}

    def watch(self, loop: asyncio.AbstractEventLoop, ended: Callable[[int | None], None]) -> None:
        """Call `ended` once with the exit code when the process ends; None if an earlier gateway started it."""
        if self.sandboxed and self.popen is None:
            self._outer_pidfd = outer_pidfd(self.pid)
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            loop.call_soon(ended, self._reap())
            self.unwatch(loop)
            return

        def gone() -> None:
            code = self._reap()
            self.unwatch(loop)
            ended(code)

        loop.add_reader(self._pidfd, gone)

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop watching."""
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._outer_pidfd >= 0:
            os.close(self._outer_pidfd)
            self._outer_pidfd = -1

    def signal(self, signum: int) -> None:
        """Send a signal to the command's process group. Does nothing if it has ended."""
        target = payload_pid(self.pid) if self.sandboxed else self.pid
        if target is not None and start_ticks_of(self.pid) == self.start_ticks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(target), signum)

    def kill(self) -> None:
        """Kill the process and all its child processes at once."""
        if start_ticks_of(self.pid) == self.start_ticks:
            with contextlib.suppress(ProcessLookupError):
                if self.sandboxed:
                    os.kill(self.pid, signal.SIGKILL)
                else:
                    os.killpg(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill the process, which nobody watches. Return when all of it has ended, or after 2 s."""
        waited = [outer_pidfd(self.pid)]
        with contextlib.suppress(ProcessLookupError):
            waited.append(os.pidfd_open(self.pid))
        self.kill()
        for pidfd in waited:
            if pidfd >= 0:
                _wait(pidfd)
                os.close(pidfd)

    def _reap(self) -> int | None:
        # bubblewrap's outer process ends right after its child, so these waits are short.
        if self.popen is None:
            if self._outer_pidfd >= 0:
                _wait(self._outer_pidfd)
            return None
        try:
            code = self.popen.wait(timeout=REAP_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code


def _wait(pidfd: int) -> None:
    """Return when a process has ended, or after a second."""
    (ended := select.poll()).register(pidfd, select.POLLIN)
    ended.poll(REAP_SECONDS * 1000)


def outer_pidfd(child_pid: int) -> int:
    """Return a descriptor of bubblewrap's outer process, which starts the sandbox's PID 1; -1 if it has ended."""
    with contextlib.suppress(OSError, IndexError):
        parent = int(Path(f"/proc/{child_pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        if Path(f"/proc/{parent}/cmdline").read_bytes().split(b"\0")[0] == b"bwrap":
            return os.pidfd_open(parent)
    return -1


def payload_pid(child_pid: int) -> int | None:
    """Return the pid, outside of the sandbox, of the command in a sandbox, or None if it has ended.

    `child_pid` is bubblewrap's first process, PID 1 of the sandbox; the command is always PID 2 there.
    """
    try:
        children = Path(f"/proc/{child_pid}/task/{child_pid}/children").read_text(encoding="ascii").split()
        for child in map(int, children):
            for line in Path(f"/proc/{child}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("NSpid:") and line.split()[-1] == "2":
                    return child
    except OSError:
        return None
    return None


def find_process(argument: str) -> Process | None:
    """Return this user's sandbox process whose command line contains `argument`, or None.

    Finds starts that a gateway could not record before it ended. Only processes of this user are considered.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.stat().st_uid == os.getuid() and words[0] == b"bwrap" and os.fsencode(argument) in words:
                children = (entry / "task" / entry.name / "children").read_text(encoding="ascii").split()
                pid = int(children[0]) if children else int(entry.name)
                return Process(pid, start_ticks_of(pid) or 0, sandboxed=True)
    return None


def start_ticks_of(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie.

    Source: proc(5), /proc/pid/stat; the name in parentheses may contain spaces and parentheses.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
