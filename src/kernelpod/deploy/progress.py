"""One line a step, with its seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Says what was done and how long it took; a step that fails says so by its error."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Run a step and then say its line."""
        began = time.monotonic()
        yield
        self.say(f"{time.monotonic() - began:6.1f} s  {what}")
