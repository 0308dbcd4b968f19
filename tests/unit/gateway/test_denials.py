"""Of each party's denials, a minute has a limited number of lines in the audit log."""

from __future__ import annotations

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.audit import MOST_DENIALS, Denials, Party

ALICE = Party(hub="hub", kind="user", name="alice")
BOB = Party(hub="hub", kind="user", name="bob")


def test_a_party_has_its_own_lines_in_each_minute() -> None:
    now = 1000.0
    denials = Denials(lambda: now)
    assert [denials.left_out(ALICE) for _ in range(MOST_DENIALS)] == [0] * MOST_DENIALS
    assert [denials.left_out(ALICE) for _ in range(7)] == [None] * 7
    assert [denials.left_out(party) for party in (BOB, None)] == [0, 0]
    now += 60
    assert [denials.left_out(ALICE) for _ in range(2)] == [7, 0]
    now += 3600
    assert denials.left_out(ALICE) == 0


def test_those_without_a_token_count_together() -> None:
    denials = Denials(lambda: 0.0)
    for _ in range(MOST_DENIALS):
        denials.left_out(None)
    assert denials.left_out(None) is None
