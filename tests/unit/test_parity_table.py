"""The table of behaviours calls same what is the same, and worse whatever nobody has said to be better."""

from __future__ import annotations

from typing import Any

import pytest
from bench.parity.behaviour import verdict
from bench.parity.report import Row, closing, difference, render


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
