"""When pages are given what a kernel sends: at once, or together with what follows within milliseconds.

A write to a websocket costs more than everything else that is done with a small message. So many small outputs are
written together, and the longer they wait for each other the more pages there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE_SECONDS_PER_PAGE = 0.002
MOST_PAUSE_SECONDS = 0.02
# More than this does not wait.
MOST_HELD_BYTES = 64 * 1024


class Pace:
    """The pauses between what the pages of one kernel are given."""

    def __init__(self, give: Callable[[], None], pages: Callable[[], int]) -> None:
        """`give` gives all pages what waits for them; `pages` returns how many are connected."""
        self._give, self._pages = give, pages
        self._given_at = 0.0
        self._held_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, size: int, *, at_once: bool) -> None:
        """Note a new message of so many bytes. What comes after a pause does not wait."""
        loop = asyncio.get_running_loop()
        self._held_bytes += size
        pause = min(PAUSE_SECONDS_PER_PAGE * self._pages(), MOST_PAUSE_SECONDS)
        left = self._given_at + pause - loop.time()
        if at_once or left <= 0 or self._held_bytes > MOST_HELD_BYTES:
            self._now()
        elif self._timer is None:
            self._timer = loop.call_later(left, self._now)

    def _now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._held_bytes = None, 0
        self._given_at = asyncio.get_running_loop().time()
        self._give()
