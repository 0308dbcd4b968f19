"""What waits for pages and kernels, in bytes: of each user's kernels together, and of all.

One kernel's part has a limit of its own (`connection.py`). Beyond a user's limit, the kernel of that user with the
most gives way; beyond the limit of all, a kernel of the user with the most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable

Shrink = Callable[[int], None]
"""Drops what waits until at most so many bytes are left, as far as it can be dropped."""


class Budget:
    """The parts of all kernels."""

    def __init__(self, per_owner: int, total: int) -> None:
        """Limits in bytes."""
        self._per_owner, self._limit = per_owner, total
        self._parts: set[Part] = set()
        self._of: Counter[Hashable] = Counter()
        self.size = 0
        """The size of all parts in bytes."""

    def part(self, owner: Hashable, shrink: Shrink) -> Part:
        """Return the part of one more kernel of this owner."""
        made = Part(self, owner, shrink)
        self._parts.add(made)
        return made

    def room(self, owner: Hashable) -> int:
        """Return how many more bytes may wait for this owner's kernels."""
        return min(self._per_owner - self._of[owner], self._limit - self.size)

    def resize(self, part: Part, by: int) -> None:
        """Note that a part has grown, or shrunk, by so many bytes, and make room if a limit is exceeded."""
        self._of[part.owner] += by
        self.size += by
        if by > 0 and self._of[part.owner] > self._per_owner:
            self._make_room(part.owner, self._of[part.owner] - self._per_owner)
        if by > 0 and self.size > self._limit:
            self._make_room(self._of.most_common(1)[0][0], self.size - self._limit)

    def remove(self, part: Part) -> None:
        """Forget a part."""
        self._parts.discard(part)
        self.resize(part, -part.size)
        if not self._of[part.owner]:
            del self._of[part.owner]

    def _make_room(self, owner: Hashable, over: int) -> None:
        largest = max((part for part in self._parts if part.owner == owner), key=lambda part: part.size)
        largest.shrink(max(0, largest.size - over))


class Part:
    """What waits for one kernel and its pages."""

    def __init__(self, budget: Budget, owner: Hashable, shrink: Shrink) -> None:
        """See Budget.part."""
        self._budget, self.owner, self.shrink = budget, owner, shrink
        self._closed = False
        self.size = 0
        """Its size in bytes."""

    @property
    def room(self) -> int:
        """How many more bytes may wait."""
        return self._budget.room(self.owner)

    def resize(self, size: int) -> None:
        """Note its size. If that exceeds a limit, this part or another one is shrunk, which calls this again."""
        if not self._closed:
            by, self.size = size - self.size, size
            self._budget.resize(self, by)

    def close(self) -> None:
        """Give the part up."""
        if not self._closed:
            self._budget.remove(self)
        self._closed = True
