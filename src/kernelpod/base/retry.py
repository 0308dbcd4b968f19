"""Computes the pauses between attempts."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator


def back_off(
    first: float,
    longest: float,
    *,
    factor: float = 2.0,
    jitter: float = 0.0,
    until: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> Iterator[float]:
    """Yield the pauses between attempts, in seconds: each is `factor` times the previous one, at most `longest`.

    Each pause is shortened at random by up to the share `jitter`, so that clients that failed together do not
    retry together. The iterator ends once `clock` has passed `until`; then the caller gives up.
    """
    pause = first
    while clock() <= until:
        yield pause * (1 - jitter * chance())
        pause = min(factor * pause, longest)
