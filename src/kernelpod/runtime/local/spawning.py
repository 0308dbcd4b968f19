"""Starts a kernel's process, in its sandbox and in its working directory."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from kernelpod.runtime.local.local_paths import NOT_ENTERED
from kernelpod.runtime.local.network import attach
from kernelpod.runtime.local.pipes import READ_TIMEOUT_SECONDS, pipe, read
from kernelpod.runtime.local.processes import Process, Transcript, payload_pid, start_ticks_of
from kernelpod.runtime.local.sandbox import Command

ENDED = b""
Limit = Callable[[list[int]], None]


@dataclass(frozen=True)
class Spawned:
    """A started process, what it prints, and whether it is in the folder that it was told to enter."""

    process: Process
    transcript: Transcript
    entered: bool
    root: Path | None = None
    """The root folder of its sandbox, as this machine sees it; None without a sandbox, or if it has ended."""


async def spawn(
    command: Command, env: dict[str, str], cwd: str, *, sandboxed: bool, way_out: bool = False, limit: Limit | None
) -> Spawned:
    """Return the started process, whose command was made by `local_paths.enter`.

    Before the command begins, `limit` gets the pids of its processes, and `way_out` gives its network a way out.
    Raises OSError if the process cannot be started; then no process is left.
    """
    with pipe() as (told, info), pipe() as (lives, sandbox), _line() as (ours, theirs):
        given = [("--info-fd", info)] if sandboxed else []
        given += [("--sync-fd", sandbox)] if way_out else []
        transcript = Transcript()
        popen = _popen(command, given, env, cwd, transcript, theirs)
        for one in (info, sandbox, theirs):
            one.close()
        pid = await asyncio.to_thread(_read_child_pid, told) if sandboxed else None
        answer = await asyncio.to_thread(_heard, ours)
        lives_on = answer != ENDED
        if lives_on and limit:
            try:
                limit([popen.pid, *(_inside(pid) if sandboxed else ())])
            except OSError:
                if pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                popen.kill()
                popen.wait()
                raise
        if lives_on and pid and way_out:
            await attach(pid, lives)
    ticks = start_ticks_of(pid) if pid else None
    if pid is None or ticks is None:
        # Without a sandbox. Or it failed, or the command has ended: the outer process's exit code tells which.
        outer = Process(popen.pid, start_ticks_of(popen.pid) or 0, sandboxed, popen)
        return Spawned(outer, transcript, answer != NOT_ENTERED)
    inner = Process(pid, ticks, sandboxed, popen)
    return Spawned(inner, transcript, answer != NOT_ENTERED, Path(f"/proc/{pid}/root"))


def _inside(sandbox: int | None) -> list[int]:
    """Return PID 1 of a sandbox and the command that waits in it.

    Raises OSError if one of them is not found: a command that is not limited must not begin.
    """
    inside = payload_pid(sandbox) if sandbox else None
    if sandbox is None or inside is None:
        raise ProcessLookupError(
            errno.ESRCH, "the command's process is not in /proc in time (CONFIG_PROC_CHILDREN)"
        )
    return [sandbox, inside]


def _popen(
    command: Command,
    given: list[tuple[str, FileIO]],
    env: dict[str, str],
    cwd: str,
    transcript: Transcript,
    stdin: socket.socket,
) -> subprocess.Popen[bytes]:
    """Start a command; `given` are options of bubblewrap that take a descriptor."""
    first, *others = command.words
    options = [word for option, file in given for word in (option, str(file.fileno()))]
    return subprocess.Popen(
        [first, *options, *others],
        env=env,
        cwd=cwd,
        stdin=stdin.fileno(),
        stdout=transcript.fd,
        stderr=transcript.fd,
        start_new_session=True,
        umask=0o022,  # the gateway's umask is only meant for its own files
        pass_fds=(*command.descriptors, *(file.fileno() for _, file in given)),
    )


@contextlib.contextmanager
def _line() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield the ends of a line, on which a process says that it is here and waits until the first is closed."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(READ_TIMEOUT_SECONDS)
        yield ours, theirs


def _heard(line: socket.socket) -> bytes | None:
    """Return what the process says: ENDED if it ends instead, None if it says nothing in time (slow storage)."""
    try:
        return line.recv(1)
    except TimeoutError:
        return None
    except OSError:
        return ENDED


def _read_child_pid(file: FileIO) -> int | None:
    """Return the `child-pid` that bubblewrap reports, or None if it fails."""
    said = b""
    while part := read(file):
        said += part
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads(said)["child-pid"])
    return None
