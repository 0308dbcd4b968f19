"""How long to wait before something is tried again."""

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
    """Yield the pauses between attempts, in seconds: each `factor` times the one before, at most `longest`.

    Up to the share `jitter` of a pause is left out by chance, so that clients which failed together do not come
    back together. There is no further pause once `clock` has passed `until`; then the caller gives up.
    """
    pause = first
    while clock() <= until:
        yield pause * (1 - jitter * chance())
        pause = min(factor * pause, longest)
