"""Pauses between attempts, without waiting for any."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from kernelpod.base.retry import back_off


@pytest.mark.parametrize(
    ("given", "pauses"),
    [
        ({"first": 1, "longest": 8}, [1, 2, 4, 8, 8, 8]),
        ({"first": 1, "longest": 5}, [1, 2, 4, 5, 5, 5]),
        ({"first": 4, "longest": 9, "factor": 1.5}, [4, 6, 9, 9, 9, 9]),
        ({"first": 3, "longest": 3}, [3, 3, 3, 3, 3, 3]),
        ({"first": 2, "longest": 8, "jitter": 0.5, "chance": lambda: 1.0}, [1, 2, 4, 4, 4, 4]),
        ({"first": 2, "longest": 8, "jitter": 0.5, "chance": lambda: 0.0}, [2, 4, 8, 8, 8, 8]),
    ],
)
def test_pauses_grow_up_to_the_longest(given: dict[str, Any], pauses: list[float]) -> None:
    assert list(islice(back_off(**given), 6)) == pauses


def test_jitter_stays_within_its_share() -> None:
    pauses = list(islice(back_off(10, 10, jitter=0.3), 200))
    assert all(7 <= pause <= 10 for pause in pauses)
    assert len(set(pauses)) > 100


@pytest.mark.parametrize(
    ("times", "pauses"),
    [
        ([0, 4, 8, 10, 11], [1, 2, 4, 8]),
        ([0, 12, 20], [1]),
        ([11], []),
    ],
    ids=["the last moment counts", "one attempt took long", "there is no time at all"],
)
def test_nothing_is_tried_again_after_the_deadline(times: list[float], pauses: list[float]) -> None:
    clock = iter(times)
    assert list(back_off(1, 60, until=10, clock=lambda: next(clock))) == pauses


def test_the_machines_clock_counts() -> None:
    assert list(back_off(1, 60, until=0)) == []
