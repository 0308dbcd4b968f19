"""The interface that every runtime implements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from kernelpod.start.connection import Connection, ConnectionKeys
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session

# More of a kernel's last line is not shown.
_MOST_CHARACTERS = 300
# What the C library says when a disk, or a user's quota, is used up (ENOSPC, EDQUOT).
_NO_ROOM = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True)
class RunningKernel:
    """A started kernel: its record, its connection, and the id of this start (`incarnation`)."""

    record: KernelRecord
    connection: Connection
    incarnation: str
    notes: tuple[str, ...] = ()
    spare: bool = False
    """Whether it was prewarmed and nobody has taken it yet."""


@dataclass(frozen=True)
class Ended:
    """Why a kernel no longer runs: a sentence for the user, a stable code, and details for the operator's log."""

    reason: str
    code: str = "kernel_exited"
    detail: str = ""

    @property
    def by_itself(self) -> bool:
        """Return whether the kernel's own process ended. Only then is it restarted automatically."""
        return self.code == "kernel_exited"


def out_of_memory(plan: KernelPlan) -> Ended:
    """Return the end of a kernel that used more memory than its limit."""
    limit = plan.resources.memory_limit_bytes / 2**20
    return Ended(
        f"The kernel was stopped because it used more memory than its limit of {limit:g} MiB. Use less memory, or "
        "choose a larger profile.",
        "out_of_memory",
    )


def exited(exit_code: int | None, said: str) -> Ended:
    """Return the end of a kernel by itself, with its last line. A code above 128 is a signal, as in a shell."""
    last = said.splitlines()[-1][:_MOST_CHARACTERS] if said else ""
    if any(text in last for text in _NO_ROOM):
        return Ended(
            f"The kernel ended because its home, or its own disk, is full: {last}. Delete files that you no "
            "longer need, or ask an admin for more room.",
            "disk_full",
            said,
        )
    how = "" if exit_code is None else f" with exit code {exit_code}"
    if exit_code is not None and exit_code > 128:
        how = f" by signal {exit_code - 128}"
    return Ended(f"The kernel ended{how}." + (f" Its last output: {last}" if last else ""), detail=said)


class Lease(Protocol):
    """Says which of several gateways leads: the one that holds the lease. No two hold it at a time."""

    leader: str
    """Where the gateway that leads listens, as this one knows; empty if none does, or if it is this one."""

    async def hold(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        """Take the lease, or renew it, and return whether this gateway holds it. Called again and again.

        `is_gone` asks whether nobody listens any more where the leader did. Raises KernelpodError if it is not
        known who holds the lease; then nothing has changed.
        """

    @property
    def expired(self) -> bool:
        """Whether this gateway may change nothing, because another one may lead by now."""

    @property
    def term(self) -> int:
        """How often the lease has changed hands until this gateway took it."""

    def lost(self, term: int) -> None:
        """Know from another gateway that it has taken the lease, `term` changes after the first.

        Only a gateway whose own lease may have expired believes it.
        """

    async def release(self) -> None:
        """Let another gateway take the lease."""


class Runtime(Protocol):
    """Starts, watches, signals and stops kernels. All methods must be called from the same event loop."""

    async def open(self) -> None:
        """Prepare the runtime. Raises StartFailed, which says what to do, if it cannot work here."""

    async def close(self) -> None:
        """Release all resources. Kernels keep running."""

    def ready(self) -> bool:
        """Return whether kernels can be started now."""

    async def start(
        self, record: KernelRecord, keys: ConnectionKeys | None = None, *, spare: bool = False
    ) -> RunningKernel:
        """Start the recorded plan and return the kernel, which may not answer yet.

        Without `keys`, the kernel gets a new key to sign messages with. A `spare` stays one, also for later
        gateways, until `take`. Raises UserError. A failed start leaves nothing behind.
        """

    async def take(self, kernel: RunningKernel, session: Session | None) -> None:
        """Store that a spare is its owner's kernel now, and what for. Raises UserError; then stop the spare."""

    async def running(self) -> list[RunningKernel]:
        """Return all running kernels, also of earlier gateways. Remove what ended kernels left behind."""

    async def seen(self) -> list[RunningKernel]:
        """Return the kernels that another gateway runs now, and change nothing. Raises KernelpodError."""

    def lease(self, ip: str, port: int) -> Lease:
        """Return the lease of the gateways that share these kernels. This one listens on `ip` and `port`."""

    def ended(self, kernel: RunningKernel) -> Ended | None:
        """Return why a kernel no longer runs, or None while it runs. Never blocks."""

    async def wait_ended(self, kernel: RunningKernel) -> Ended:
        """Wait until the kernel no longer runs, and return why."""

    async def signal(self, kernel: RunningKernel, signum: int) -> None:
        """Send a signal to the kernel's process group. Does nothing if the kernel has ended."""

    async def stop(self, kernel: RunningKernel, grace_seconds: float) -> None:
        """Stop the kernel, kill it after the grace period, and wait until everything made for it is removed."""
