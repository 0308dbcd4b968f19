"""The server's end of a kernel's websocket. Run in the hub's environment, for jupyter_server 2."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.hub


def test_outages_of_one_cell_are_added_and_those_without_a_cell_forgotten() -> None:
    from kernelpod.singleuser.connection import LOST, Unheard

    now = [0.0]
    unheard = Unheard(lambda: now[0])

    def outage(seconds: float, *, anew: bool) -> float:
        unheard.begins(anew=anew)
        now[0] += seconds
        unheard.ends()
        now[0] += 100
        return unheard.seconds

    unheard.ends()
    assert unheard.seconds == 0
    assert [outage(5, anew=True), outage(2, anew=False), outage(1, anew=True)] == [5, 7, 1]
    assert "for 7 s" in LOST.format(7)
