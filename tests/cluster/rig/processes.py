"""The cluster's processes: started once, known by pid and start time, so that no other is ever ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import cgroups, namespaces
from .layout import RUN, Layout, RigError
from .shell import wait

KILL_SECONDS = 20


@dataclass(frozen=True)
class Component:
    """One process of the cluster: its command line and how one sees that it serves."""

    name: str
    argv: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)


def _record(name: str) -> Path:
    return RUN / "pids" / name


def _birth(pid: int) -> str:
    """The boot and the clock tick in which the process began: with the pid, it means one process for ever."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"


@contextmanager
def _opened(name: str) -> Iterator[int | None]:
    """A pidfd of the living process of that name, or None."""
    try:
        pid, birth = _record(name).read_text().split(" ", 1)
        descriptor = os.pidfd_open(int(pid))
    except (FileNotFoundError, ProcessLookupError):
        yield None
        return
    try:
        try:
            same = _birth(int(pid)) == birth
        except FileNotFoundError:
            same = False
        yield descriptor if same and not _ended(descriptor, 0) else None
    finally:
        os.close(descriptor)


def _ended(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def alive(name: str) -> bool:
    """Whether the process runs."""
    with _opened(name) as descriptor:
        return descriptor is not None


def start(component: Component, layout: Layout, *, seconds: float = 60) -> None:
    """Start the component and wait until it serves; RigError with the end of its log when it does not."""
    log = layout.logs / f"{component.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            component.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **component.environment},
            start_new_session=True,
            preexec_fn=cgroups.join,  # noqa: PLW1509 - before exec, or its first children would be missed; no threads here
        )
    _record(component.name).parent.mkdir(exist_ok=True)
    _record(component.name).write_text(f"{process.pid} {_birth(process.pid)}")

    def settled() -> bool:
        return process.poll() is not None or component.ready()

    if not wait(settled, seconds) or process.poll() is not None:
        what = "ended at once" if process.poll() is not None else f"does not serve after {seconds:.0f} s"
        stop(component.name)
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise RigError(f"{component.name} {what}; the end of {log}:\n{end}")


def enter_mounts(name: str) -> None:
    """See what a component sees mounted, if it lives. `cluster run` has mounts of its own, which no pod sees."""
    with _opened(name) as descriptor:
        if descriptor is not None:
            namespaces.enter_mounts(descriptor)


def stop(name: str, *, seconds: float = 3) -> None:
    """End the process, politely first unless it has no time for it, and return when it is gone."""
    with _opened(name) as descriptor:
        if descriptor is not None:
            if seconds:
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            if not _ended(descriptor, seconds):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                _ended(descriptor, KILL_SECONDS)
    _record(name).unlink(missing_ok=True)


def send(name: str, signum: signal.Signals) -> None:
    """Send a signal to the process. Raises RigError if it does not run."""
    with _opened(name) as descriptor:
        if descriptor is None:
            raise RigError(f"{name} does not run: start it first")
        signal.pidfd_send_signal(descriptor, signum)
