"""What a kernel has sent and some page has not received yet, numbered, within a budget in bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from kernelpod.gateway.channels.wire import Frame


@dataclass(frozen=True)
class Entry:
    """One message of a kernel."""

    number: int
    frame: Frame
    to: str | None = None
    """The session of the only page that gets the message, or None for all pages."""
    kept: bool = False
    """Whether output is dropped before this message: it is a reply, a request for input or a state."""
    parent: bytes = b"{}"
    """The parent header, so that a page can be told in the same cell what it did not get."""
    msg_id: str = ""
    """The message's id, if it is the kernel's own output."""

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.frame.data) + len(self.parent)


class Backlog:
    """Messages by number, oldest first.

    All pages share one backlog, so a page that reads slowly costs no memory of its own. Numbers count from 1 and
    are never used again.
    """

    def __init__(self) -> None:
        self._spared: deque[Entry] = deque()
        self._entries: deque[Entry] = deque()
        self.last = 0
        """The number of the newest message."""
        self.size = 0
        """The size of all messages in bytes."""

    def append(
        self, frame: Frame, *, to: str | None = None, kept: bool = False, parent: bytes = b"{}", msg_id: str = ""
    ) -> Entry:
        """Add a message and return it."""
        self.last += 1
        entry = Entry(self.last, frame, to, kept, parent, msg_id)
        self._entries.append(entry)
        self.size += entry.size
        return entry

    def after(self, number: int) -> Entry | None:
        """Return the oldest message with a higher number, or None if there is none."""
        if self._spared and self._spared[-1].number > number:
            return self._spared[bisect_right(self._spared, number, key=lambda entry: entry.number)]
        if not self._entries or number >= self.last:
            return None
        return self._entries[max(0, number + 1 - self._entries[0].number)]

    def has(self, number: int) -> bool:
        """Return whether the message of this number has not been removed."""
        found = self.after(number - 1)
        return found is not None and found.number == number

    def newest(self, msg_ids: Collection[str]) -> int | None:
        """Return the highest number of a message with one of these ids; None if there is none."""
        wanted = frozenset(msg_ids) - {""}
        numbers = (one.number for one in (*self._entries, *self._spared) if one.msg_id in wanted)
        return max(numbers, default=None) if wanted else None

    def forget(self, number: int) -> None:
        """Remove all messages up to this number, because every page has received them."""
        for entries in (self._spared, self._entries):
            while entries and entries[0].number <= number:
                self.size -= entries.popleft().size

    def drop(self, max_bytes: int) -> list[Entry]:
        """Remove the oldest messages until `max_bytes` are left, output first, and return them."""
        dropped: list[Entry] = []
        while self.size > max_bytes and self._entries:
            oldest = self._entries.popleft()
            if oldest.kept:
                self._spared.append(oldest)
            else:
                self.size -= oldest.size
                dropped.append(oldest)
        while self.size > max_bytes and self._spared:
            oldest = self._spared.popleft()
            self.size -= oldest.size
            dropped.append(oldest)
        return dropped
