"""Measures what is promised within a time, on a machine that does other things, or stands still for a while."""

from __future__ import annotations

import threading
import time

from kernelpod.demo.processes import slowness

LOOK_SECONDS = 0.05


class Watch:
    """Measures from now on. What this process oversleeps is not counted: then the machine stood still."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._overslept = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self._count()

    def _count(self) -> None:
        now = time.monotonic()
        self._overslept += max(0.0, now - self._last - 2 * LOOK_SECONDS)
        self._last = now

    def seconds(self) -> float:
        """Stop, and return how long it took."""
        self._stopped.set()
        self._thread.join()
        self._count()
        return self._last - self._began - self._overslept

    def within(self, seconds: float, said: str = "") -> None:
        """Stop. Raise AssertionError if it took longer, on a machine that has nothing else to do."""
        took = self.seconds()
        if took >= seconds and took >= seconds * (slow := slowness()):
            raise AssertionError(
                f"took {took:.1f} s, on a machine that is {slow:.1f} times slower than quiet: {said}"
            )
