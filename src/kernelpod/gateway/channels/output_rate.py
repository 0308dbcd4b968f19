"""Limits how fast a kernel's output is passed on, so that a loop that prints does not stop its pages.

The limits are those of jupyter_server for kernels on the same machine: messages, and bytes of streams, in a window
of time. The end of a cell starts the window anew, so that many short cells do not add up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 3.0
# Output is shown again when its rate is below this share of the limit.
RESUME_SHARE = 0.8
# What is not output: states, and what opens a comm or shows a cell's code.
NOT_LIMITED = frozenset({"status", "comm_open", "execute_input"})


class OutputRate:
    """The rate of one kernel's output."""

    def __init__(
        self, messages_per_second: float, bytes_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A limit of 0 is no limit."""
        self._most = {"message": messages_per_second, "data": bytes_per_second}
        self._clock = clock
        self._passed: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self.exceeded = ""
        """Which rate is exceeded: "message", "data", or "" if none is."""

    @property
    def notice(self) -> str:
        """What the cell says whose output is not shown."""
        setting = f"gateway.iopub_{'msg' if self.exceeded == 'message' else 'data'}_rate_limit"
        limit = f"{self._most[self.exceeded]:g} {'messages' if self.exceeded == 'message' else 'bytes'} per second"
        return (
            f"\n[IOPub {self.exceeded} rate exceeded: output is not shown until there is less of it. "
            f"The limit is {limit}; an admin can change it ({setting}).]\n"
        )

    def restart(self) -> None:
        """Forget what has passed, because a cell has ended."""
        self._passed.clear()
        self._bytes, self.exceeded = 0, ""

    def passes(self, msg_type: str, size: int) -> bool:
        """Return whether a message of this size in bytes is passed on; see `exceeded` for the reason if not."""
        if msg_type in NOT_LIMITED or not any(self._most.values()):
            return True
        now, counted = self._clock(), size if msg_type == "stream" else 0
        while self._passed and self._passed[0][0] <= now - WINDOW_SECONDS:
            self._bytes -= self._passed.popleft()[1]
        share = RESUME_SHARE if self.exceeded else 1.0
        rates = (len(self._passed) + 1) / WINDOW_SECONDS, (self._bytes + counted) / WINDOW_SECONDS
        most = self._most.items()
        over = [name for (name, limit), rate in zip(most, rates, strict=True) if limit and rate > share * limit]
        self.exceeded = over[0] if over else ""
        if not over:
            self._passed.append((now, counted))
            self._bytes += counted
        return not over
