"""The table of behaviours calls same what is the same, and worse whatever nobody has said to be better."""

from __future__ import annotations

from typing import Any

import pytest
from bench.parity.behaviour import verdict
from bench.parity.report import Row, closing, difference, holds, render


@pytest.mark.parametrize(
    ("local", "ours", "best", "said"),
    [
        ("ok", "ok", None, "same"),
        ("ok", "ok", "better", "same"),
        ("lost", "kept", "kept", "better"),
        ("lost", "half kept", "kept", "worse"),
        ("lost", "kept", None, "worse"),
        ("kept", "lost", "kept", "worse"),
        ("failed: no end", "kept", "kept", "better"),
        ("failed: no end", "half kept", "kept", "worse"),
        ("failed: no end", "kept", None, "unknown"),
        ("failed: no end", "failed: no end", None, "worse"),
    ],
)
def test_a_verdict(local: Any, ours: Any, best: Any, said: str) -> None:
    assert verdict(local, ours, best) == said


def test_the_table_shows_only_what_differs_and_counts() -> None:
    rows = [
        Row("cells", "prints", "1\n", "1\n", "same"),
        Row("cells", "ends", {"end": "ok", "x": 1}, {"end": "lost", "x": 1}, "worse"),
    ]
    assert difference(rows[1].local, rows[1].kernelpod) == ({"end": "ok"}, {"end": "lost"})
    assert closing(rows) == "2 behaviours: 1 same, 0 better, 1 worse"
    assert '    Kernelpod:    {"end": "lost"}' in render(rows).splitlines()


@pytest.mark.parametrize(
    ("verdicts", "ends", "held"),
    [
        ({"same": 50, "unknown": 1}, "51 behaviours: 1 unknown, 50 same, 0 better, 0 worse", True),
        ({"same": 48, "unknown": 1}, "49 behaviours: 1 unknown, 48 same, 0 better, 0 worse", False),
        ({"better": 50, "worse": 1}, "51 behaviours: 0 same, 50 better, 1 worse", False),
    ],
)
def test_the_table_holds_while_a_local_kernel_seldom_fails(
    verdicts: dict[str, int], ends: str, held: bool
) -> None:
    rows = [Row("cells", verdict, 1, 2, verdict) for verdict, number in verdicts.items() for _ in range(number)]
    assert closing(rows) == ends
    assert holds(rows) is held


def test_the_end_of_the_table_names_what_is_worse_or_unknown() -> None:
    rows = [Row("cells", f"is {verdict}", 1, 2, verdict) for verdict in ("better", "worse", "unknown")]
    assert render(rows).splitlines()[-3:-1] == ["worse: is worse", "unknown: is unknown"]
