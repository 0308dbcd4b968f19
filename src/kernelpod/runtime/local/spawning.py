"""Starts a kernel's process, in its sandbox and in its working directory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO

from kernelpod.runtime.local.local_paths import NOT_ENTERED
from kernelpod.runtime.local.processes import Process, Transcript, start_ticks_of
from kernelpod.runtime.local.sandbox import Command

SPAWN_TIMEOUT_SECONDS = 20


@dataclass(frozen=True)
class Spawned:
    """A started process, what it prints, and whether it is in the folder that it was told to enter."""

    process: Process
    transcript: Transcript
    entered: bool


async def spawn(
    command: Command, env: dict[str, str], cwd: str, *, sandboxed: bool, enters: bool = False
) -> Spawned:
    """Return the started process. `enters` says that its command was made by `local_paths.enter`.

    Raises OSError if the process cannot be started; then no process is left.
    """
    transcript = Transcript()
    with _pipe() as (told, info), _pipe() as (answer, asked):
        popen = _popen(command, env, cwd, transcript, asked if enters else None, info if sandboxed else None)
        info.close()
        asked.close()
        pid = await asyncio.to_thread(_read_child_pid, told) if sandboxed else None
        ticks = start_ticks_of(pid) if pid else None
        if pid is None or ticks is None:
            # Without a sandbox. Or it failed, or the command has ended: the outer process's exit code tells which.
            pid, ticks = popen.pid, start_ticks_of(popen.pid) or 0
        entered = not enters or await asyncio.to_thread(_read, answer) != NOT_ENTERED
    return Spawned(Process(pid, ticks, sandboxed, popen), transcript, entered)


def _popen(
    command: Command,
    env: dict[str, str],
    cwd: str,
    transcript: Transcript,
    stdin: FileIO | None,
    info: FileIO | None,
) -> subprocess.Popen[bytes]:
    words, kept = command.words, command.descriptors
    if info:
        words, kept = [words[0], "--info-fd", str(info.fileno()), *words[1:]], (*kept, info.fileno())
    return subprocess.Popen(
        words,
        env=env,
        cwd=cwd,
        stdin=stdin or subprocess.DEVNULL,
        stdout=transcript.fd,
        stderr=transcript.fd,
        start_new_session=True,
        umask=0o022,  # the gateway's umask is only meant for its own files
        pass_fds=kept,
    )


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Yield the ends of a pipe: what is written to the second one can be read from the first."""
    reader, writer = os.pipe()
    with FileIO(reader, "r") as first, FileIO(writer, "w") as second:
        yield first, second


def _read(file: FileIO) -> bytes:
    """Return the next bytes of a pipe; none if it is closed, or if there are none in time."""
    # Not select(), which knows no descriptors from 1024 on.
    waiting = select.poll()
    waiting.register(file, select.POLLIN)
    return file.read(4096) or b"" if waiting.poll(SPAWN_TIMEOUT_SECONDS * 1000) else b""


def _read_child_pid(file: FileIO) -> int | None:
    """Return the `child-pid` that bubblewrap reports, or None if it fails."""
    said = b""
    while part := _read(file):
        said += part
        with contextlib.suppress(ValueError, KeyError):
            return int(json.loads(said)["child-pid"])
    return None
