"""What a page was sent and has not confirmed: a page that counts frames says after an outage how many it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

# Frames that are remembered; the oldest are taken for received.
MOST_UNCONFIRMED = 20_000


class _Frame(NamedTuple):
    place: int
    """Its place in the page's count."""
    number: int
    """The number of its message in the backlog."""
    size: int


class Receipts:
    """Frames of one page, counted from where both agree."""

    def __init__(self, count: int, number: int) -> None:
        """The page has received `count` frames, up to the message `number`."""
        self._count = count
        self.confirmed = number
        """The number of the last message that the page certainly has."""
        self._unconfirmed: deque[_Frame] = deque()

    @property
    def complete(self) -> bool:
        """Whether the page has certainly received all that it was sent."""
        return not self._unconfirmed

    def sent(self, number: int, size: int) -> None:
        """Count a frame that the page is sent."""
        self._count += 1
        self._unconfirmed.append(_Frame(self._count, number, size))
        if len(self._unconfirmed) > MOST_UNCONFIRMED:
            self.confirmed = self._unconfirmed.popleft().number

    def confirm(self, count: int) -> None:
        """Note that the page has received this many frames; more than were sent stand for all that were."""
        while self._unconfirmed and self._unconfirmed[0].place <= count:
            self.confirmed = self._unconfirmed.popleft().number

    def resume(self, count: int, has: Callable[[int], bool]) -> tuple[int, int]:
        """Return where a page goes on that has received so many frames: its last message, and the bytes it lost.

        `has` says whether the backlog still has the message of a number.
        """
        self.confirm(count)
        return self.confirmed, sum(one.size for one in self._unconfirmed if not has(one.number))
