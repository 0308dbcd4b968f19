"""One local process and everything below it: started, watched, signalled, ended for certain.

A sandboxed process is known by PID 1 of its PID namespace: when that one goes, the kernel removes all the
others. Pids are kept with the process's start time, so a reused pid is never taken for the old process.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelpod.runtime.local.sandbox import payload_pid

SPAWN_TIMEOUT_SECONDS = 20
TRANSCRIPT_BYTES = 64 * 1024


class Transcript:
    """The first 64 KiB a process writes to stdout and stderr: in memory, bounded, gone with the process."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("kernel-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, TRANSCRIPT_BYTES)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)

    def tail(self, characters: int = 2000) -> str:
        """Return the end of what was written."""
        text = os.pread(self.fd, TRANSCRIPT_BYTES, 0).rstrip(b"\0").decode("utf-8", "replace").strip()
        return text[-characters:]

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.fd)


@dataclass
class Process:
    """A process group this user started, maybe through an earlier gateway."""

    pid: int
    start_ticks: int
    sandboxed: bool
    popen: subprocess.Popen[bytes] | None = None
    _pidfd: int = -1

    @classmethod
    def found(cls, identity: dict[str, Any]) -> Process | None:
        """Return the process of `identity()` if it still lives, else None. Raises ValueError on a bad identity."""
        try:
            process = cls(int(identity["pid"]), int(identity["start_ticks"]), bool(identity["sandboxed"]))
        except (KeyError, TypeError) as error:
            raise ValueError("not a process identity") from error
        return process if _start_ticks(process.pid) == process.start_ticks else None

    def identity(self) -> dict[str, Any]:
        """Return what finds this process again."""
        return {"pid": self.pid, "start_ticks": self.start_ticks, "sandboxed": self.sandboxed}

    def watch(self, loop: asyncio.AbstractEventLoop, ended: Callable[[int | None], None]) -> None:
        """Call `ended` once with the exit code (None if an earlier gateway started it) when the process goes."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            loop.call_soon(ended, self._reap())
            return

        def gone() -> None:
            self.unwatch(loop)
            ended(self._reap())

        loop.add_reader(self._pidfd, gone)

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop watching."""
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def signal(self, signum: int) -> None:
        """Signal the command's process group; nothing happens if it has gone."""
        target = payload_pid(self.pid) if self.sandboxed else self.pid
        if target is not None and _start_ticks(self.pid) == self.start_ticks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(target), signum)

    def kill(self) -> None:
        """End the process and all below it at once."""
        if _start_ticks(self.pid) == self.start_ticks:
            with contextlib.suppress(ProcessLookupError):
                if self.sandboxed:
                    os.kill(self.pid, signal.SIGKILL)
                else:
                    os.killpg(self.pid, signal.SIGKILL)

    def _reap(self) -> int | None:
        if self.popen is None:
            return None
        try:
            # bubblewrap's outer process follows its child at once; nothing else is waited for.
            code = self.popen.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return None
        return 128 - code if code < 0 else code


async def spawn(
    command: Callable[[int | None], list[str]], env: dict[str, str], cwd: str, *, sandboxed: bool
) -> tuple[Process, Transcript]:
    """Return the started process and its transcript; `command` gets the descriptor for bubblewrap's answer.

    Raises OSError if the process cannot be started; then none is left.
    """
    transcript = Transcript()
    if not sandboxed:
        popen = _popen(command(None), env, cwd, transcript)
        return Process(popen.pid, _start_ticks(popen.pid) or 0, sandboxed=False, popen=popen), transcript
    reader, writer = os.pipe()
    try:
        popen = _popen(command(writer), env, cwd, transcript, keep=writer)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    pid = await asyncio.to_thread(_read_child_pid, reader)
    ticks = _start_ticks(pid) if pid else None
    if pid is None or ticks is None:
        # The sandbox itself failed, or all is over already: its outer process tells by its exit code.
        pid, ticks = popen.pid, _start_ticks(popen.pid) or 0
    return Process(pid, ticks, sandboxed=True, popen=popen), transcript


def _popen(
    command: list[str], env: dict[str, str], cwd: str, transcript: Transcript, keep: int | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=transcript.fd,
        stderr=transcript.fd,
        start_new_session=True,
        umask=0o022,  # the gateway's own is for its own files
        pass_fds=() if keep is None else (keep,),
    )


def _read_child_pid(reader: int) -> int | None:
    """Return `child-pid` of bubblewrap's answer, None if it gives up; closes the descriptor."""
    with os.fdopen(reader, "rb", buffering=0) as file:
        said = b""
        while select.select([file], [], [], SPAWN_TIMEOUT_SECONDS)[0] and (part := file.read(4096)):
            said += part
            with contextlib.suppress(ValueError, KeyError):
                return int(json.loads(said)["child-pid"])
    return None


def find_process(argument: str) -> Process | None:
    """Return the sandbox of this user whose command line holds `argument`, or None.

    For starts that a gateway did not live to note down; a process that only poses as one is its user's own.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if entry.stat().st_uid == os.getuid() and words[0] == b"bwrap" and os.fsencode(argument) in words:
                children = (entry / "task" / entry.name / "children").read_text(encoding="ascii").split()
                pid = int(children[0]) if children else int(entry.name)
                return Process(pid, _start_ticks(pid) or 0, sandboxed=True)
    return None


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None if it is gone or a zombie.

    Source: proc(5), /proc/pid/stat; the name in parentheses may hold spaces and parentheses.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
