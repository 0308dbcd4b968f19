"""Listings are kept for as long as the kernelspecs are the same, and for each set of groups apart."""

from __future__ import annotations

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway import services
from kernelpod.gateway.services import Listings


def test_a_listing_is_made_once_for_each_set_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_LISTINGS", 2)
    made: list[str] = []
    found, specs = Listings(), {}

    def body(groups: tuple[str, ...]) -> str:
        def make() -> str:
            made.append(f"{groups} {len(made)}")
            return made[-1]

        return found.body(specs, groups, make)

    assert body(("a",)) == body(("a",)) == "('a',) 0"
    assert body(("b",)) == "('b',) 1"
    assert body(("a",)) == "('a',) 2", "no more than two are kept"
    specs = {}
    assert body(("a",)) == "('a',) 3", "the kernelspecs changed"
