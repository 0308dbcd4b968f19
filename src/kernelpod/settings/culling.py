"""When what is idle ends, kernels first and then their servers: one number, and all that follows from it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pydantic import Field

from kernelpod.base.fields import Section

# Whoever looks or reports does so this often while the number passes.
TIMES = 10
MOST_IDLE_SECONDS = 10**8
# However large the number is: nobody waits longer than this for the next look or report.
LONGEST_KERNEL_LOOK = 10.0
LONGEST_ASK = 60.0
LONGEST_REPORT = 300
LONGEST_SERVER_LOOK = 600
SHORTEST_KERNEL_LOOK = 0.1
# jupyterhub-singleuser adds up to a tenth to the interval of its reports, and tries again after this long at most.
JITTER = 1.1
REPORT_RETRY_SECONDS = 15
# Servers that the hub is asked to stop at a time: each takes as long as its kernels take to end.
CONCURRENCY = 10


class Culling(Section):
    """Ending what is idle, kernels first and then servers; all other numbers are computed from one."""

    idle_seconds: float = Field(0, ge=0, le=MOST_IDLE_SECONDS, allow_inf_nan=False)
    """Kernels that were idle, without a client, for this long are ended, and servers a little later; 0 ends
    neither (docs/culling.md)."""
    busy: Literal["keep", "cull"] = "keep"
    """A kernel that computes: keeps itself and its server, or is culled with them unless it says something."""

    def kernel_idle_seconds(self, own: float | None) -> float:
        """Return how long a kernel may be idle, 0 for ever; `own` is what its kernelspec said at its start."""
        return self.idle_seconds if own is None or self.contradiction(own) else own

    def contradiction(self, own: float | None) -> str:
        """Return what is wrong with a kernelspec's own `cull_idle_seconds`, empty if nothing is."""
        if own is None or not self.idle_seconds or 0 < own <= self.idle_seconds:
            return ""
        said = f"{own:g} s" if own else "never"
        return f"{said} is later than servers are culled, {self.idle_seconds:g} s (culling.idle_seconds)"


NO_CULLING = Culling()


class Schedule(NamedTuple):
    """Who looks, asks and reports how often, and how long a server may be idle."""

    kernel_look_seconds: float
    """How often the gateway looks for idle kernels."""
    ask_seconds: float
    """How often a server asks the gateway what its kernels do."""
    report_seconds: int
    """How often a server tells the hub when something last happened in it."""
    server_look_seconds: int
    """How often the hub's culler looks for idle servers."""
    server_idle_seconds: int
    """How long a server may be idle."""
    first_look_seconds: int
    """How long after the hub's start its culler looks for the first time: each server has reported by then."""
    concurrency: int = CONCURRENCY
    """Requests of the hub's culler at a time."""


def schedule(idle_seconds: float, kernel_end_seconds: float) -> Schedule:
    """Return what follows from the one number; `kernel_end_seconds` is what the end of a kernel takes.

    What the hub knows of a server is as old as one question and one report; all that happened before, it knows.
    So a server that looks idle for longer than `server_idle_seconds` has had idle kernels for long enough, the
    gateway has looked, and they have ended.
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
