"""Where kernels run: the verbs every runtime has, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from kernelpod.start.connection import Connection
from kernelpod.start.record import KernelRecord


@dataclass(frozen=True)
class RunningKernel:
    """A kernel that was started: its record, how the gateway reaches it, and which start this was."""

    record: KernelRecord
    connection: Connection
    incarnation: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """Why a kernel no longer runs: a sentence for its user, a stable code, more for the operator's log."""

    reason: str
    code: str = "kernel_exited"
    detail: str = ""

    @property
    def by_itself(self) -> bool:
        """Whether the kernel's own process ended: only then is it started again without being asked."""
        return self.code == "kernel_exited"


class Runtime(Protocol):
    """Starts, watches, signals and stops kernels; called from one event loop only."""

    async def open(self) -> None:
        """Make ready; raises StartFailed with the next step if this runtime cannot work here."""

    async def close(self) -> None:
        """Let go of everything but the kernels."""

    def ready(self) -> bool:
        """Return whether a kernel can be started now."""

    async def start(self, record: KernelRecord, key: SecretStr | None = None) -> RunningKernel:
        """Start the recorded plan; the kernel may not answer yet. A restart keeps its `key`.

        Raises UserError; then nothing of the start is left.
        """

    async def running(self) -> list[RunningKernel]:
        """Return every kernel that still runs, whoever started it; remove what is left of the others."""

    def ended(self, kernel: RunningKernel) -> Ended | None:
        """Return why a kernel no longer runs, or None while it does; never blocks."""

    async def wait_ended(self, kernel: RunningKernel) -> Ended:
        """Return once the kernel no longer runs."""

    async def signal(self, kernel: RunningKernel, signum: int) -> None:
        """Send a signal to the kernel's process group; nothing happens if it has ended."""

    async def stop(self, kernel: RunningKernel, grace_seconds: float) -> None:
        """Return once the kernel and everything made for it is gone: asked first, killed after the grace."""
