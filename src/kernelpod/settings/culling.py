"""Idle culling of kernels and servers: one setting, and the intervals and limits computed from it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pydantic import Field

from kernelpod.base.fields import Section

# Each check and each report runs this many times within `idle_seconds`.
TIMES = 10
MOST_IDLE_SECONDS = 10**8
# Upper limits for the intervals of checks and reports, however large `idle_seconds` is.
LONGEST_KERNEL_LOOK = 10.0
LONGEST_ASK = 60.0
LONGEST_REPORT = 300
LONGEST_SERVER_LOOK = 600
SHORTEST_KERNEL_LOOK = 0.1
# jupyterhub-singleuser lengthens the interval of its reports by up to a tenth. It retries a failed report after
# at most this long.
JITTER = 1.1
REPORT_RETRY_SECONDS = 15
# How many servers the culler stops at the same time. Stopping one takes as long as its kernels take to end.
CONCURRENCY = 10


class Culling(Section):
    """Idle culling: idle kernels are ended first, then idle servers. All intervals follow from `idle_seconds`."""

    idle_seconds: float = Field(0, ge=0, le=MOST_IDLE_SECONDS, allow_inf_nan=False)
    """Kernels that have been idle without a client for this long are ended; their servers end a little later.
    0 turns culling off (docs/culling.md)."""
    busy: Literal["keep", "cull"] = "keep"
    """What happens to a kernel that is computing. `keep`: it and its server keep running. `cull`: they are culled
    like idle ones, unless the kernel produces output."""

    def kernel_idle_seconds(self, own: float | None) -> float:
        """Return how many seconds a kernel may be idle; 0 means without limit.

        `own` is the `cull_idle_seconds` of its kernelspec at the kernel's start, None if it had none.
        """
        return self.idle_seconds if own is None or self.contradiction(own) else own

    def contradiction(self, own: float | None) -> str:
        """Return what is wrong with a kernelspec's own `cull_idle_seconds`, empty if nothing is."""
        if own is None or not self.idle_seconds or 0 < own <= self.idle_seconds:
            return ""
        said = f"{own:g} s" if own else "never"
        return f"{said} is later than servers are culled, {self.idle_seconds:g} s (culling.idle_seconds)"


NO_CULLING = Culling()


class Schedule(NamedTuple):
    """The intervals of all checks and reports, and how long a server may be idle."""

    kernel_look_seconds: float
    """How often the gateway checks for idle kernels."""
    ask_seconds: float
    """How often a server asks the gateway for the state of its kernels."""
    report_seconds: int
    """How often a server reports its last activity to the hub."""
    server_look_seconds: int
    """How often the hub's culler checks for idle servers."""
    server_idle_seconds: int
    """How long a server may be idle."""
    first_look_seconds: int
    """How long after the hub's start its culler first checks. By then each server has reported its activity."""
    concurrency: int = CONCURRENCY
    """How many requests the hub's culler makes at the same time."""


def schedule(idle_seconds: float, kernel_end_seconds: float) -> Schedule:
    """Return all intervals for an `idle_seconds`; `kernel_end_seconds` is how long a kernel takes to end.

    What the hub knows about a server's activity is at most `ask_seconds` plus one report old. A server that looks
    idle for longer than `server_idle_seconds` has therefore had only idle kernels for `idle_seconds`, the gateway
    has checked since, and these kernels have ended.
    """
    part = idle_seconds / TIMES or math.inf
    kernel_look = min(max(part, SHORTEST_KERNEL_LOOK), LONGEST_KERNEL_LOOK)
    ask = min(max(part, 1.0), LONGEST_ASK)
    report = int(min(max(part, 1), LONGEST_REPORT))
    unknown = ask + JITTER * report
    server_idle = math.ceil(idle_seconds + kernel_look + kernel_end_seconds + unknown)
    return Schedule(
        kernel_look_seconds=kernel_look,
        ask_seconds=ask,
        report_seconds=report,
        server_look_seconds=int(min(max(part, 1), LONGEST_SERVER_LOOK)),
        server_idle_seconds=server_idle if idle_seconds else 0,
        first_look_seconds=math.ceil(unknown) + REPORT_RETRY_SECONDS,
    )
