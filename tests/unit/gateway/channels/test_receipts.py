"""What a page has that counts its frames, and what it is sent again after an outage."""

from __future__ import annotations

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels import receipts
from kernelpod.gateway.channels.receipts import Receipts


def everything(_number: int) -> bool:
    return True


def sent(count: int = 0, number: int = 100, frames: int = 5) -> Receipts:
    """Return the receipts of a page that was sent frames of 10 bytes, one for every second message."""
    made = Receipts(count, number)
    for one in range(1, frames + 1):
        made.sent(number + 2 * one, 10)
    return made


@pytest.mark.parametrize(
    ("received", "goes_on_after"), [(0, 100), (1, 102), (4, 108), (5, 110), (6, 110), (10**14, 110)]
)
def test_a_page_goes_on_after_what_it_has(received: int, goes_on_after: int) -> None:
    assert sent().resume(received, everything) == (goes_on_after, 0)


def test_counts_begin_where_both_agree() -> None:
    assert sent(count=7).resume(9, everything) == (104, 0)
    assert sent(count=7).resume(2, everything) == (100, 0), "a page that has forgotten what it had"


def test_what_was_confirmed_is_not_sent_again() -> None:
    made = sent()
    made.confirm(3)
    assert (made.confirmed, made.complete) == (106, False)
    assert made.resume(1, everything) == (106, 0)
    made.confirm(99)
    assert (made.confirmed, made.complete) == (110, True)


def test_what_the_backlog_no_longer_has_is_told() -> None:
    assert sent().resume(1, lambda number: number > 106) == (102, 20)


def test_a_page_that_never_confirms_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "MOST_UNCONFIRMED", 3)
    made = sent()
    assert made.confirmed == 104
    assert made.resume(0, everything) == (104, 0)
