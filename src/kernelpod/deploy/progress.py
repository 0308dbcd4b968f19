"""Prints one line for each finished step, with its duration in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Progress:
    """Prints each step and its duration. A step that fails prints nothing and raises its error."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        """Run a step as a `with` block, then print its line."""
        began = time.monotonic()
        yield
        self.say(f"{time.monotonic() - began:6.1f} s  {what}")
