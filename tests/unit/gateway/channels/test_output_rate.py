"""A kernel's output is limited as jupyter_server limits it: by messages and by bytes, in a window of time."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels.output_rate import WINDOW_SECONDS, OutputRate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_messages_pass_up_to_the_limit(clock: Clock) -> None:
    rate = OutputRate(10, 0, clock)
    assert [rate.passes("display_data", 1) for _ in range(31)] == [True] * 30 + [False]
    assert rate.exceeded == "message"
    assert "IOPub message rate exceeded" in rate.notice
    assert "10 messages per second" in rate.notice


def test_bytes_of_streams_pass_up_to_the_limit(clock: Clock) -> None:
    rate = OutputRate(0, 1000, clock)
    assert rate.passes("display_data", 10**9), "only streams are counted"
    assert [rate.passes("stream", 1000) for _ in range(4)] == [True] * 3 + [False]
    assert rate.exceeded == "data"
    assert "gateway.iopub_data_rate_limit" in rate.notice


@pytest.mark.parametrize("kind", ["status", "comm_open", "execute_input"])
def test_what_is_no_output_always_passes(clock: Clock, kind: str) -> None:
    rate = OutputRate(1, 1, clock)
    assert all(rate.passes(kind, 10**9) for _ in range(100))


def test_output_is_shown_again_when_there_is_less_of_it(clock: Clock) -> None:
    rate = OutputRate(10, 0, clock)
    for number in range(31):
        clock.now = 100 + number / 100
        rate.passes("stream", 1)
    assert rate.exceeded
    clock.now = 100 + WINDOW_SECONDS + 0.05  # five of thirty have left the window, which is not enough
    assert not rate.passes("stream", 1)
    clock.now = 100 + WINDOW_SECONDS + 0.1
    assert rate.passes("stream", 1)
    assert rate.exceeded == ""


def test_the_end_of_a_cell_starts_anew(clock: Clock) -> None:
    rate = OutputRate(1, 0, clock)
    for _ in range(3):
        assert [rate.passes("stream", 1) for _ in range(4)] == [True, True, True, False]
        rate.restart()


def test_without_limits_everything_passes(clock: Clock) -> None:
    rate = OutputRate(0, 0, clock)
    assert all(rate.passes("stream", 10**6) for _ in range(10_000))


def test_a_clock_that_jumps_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates go by a clock that nobody sets; the time of day may jump by years, either way."""
    limited = OutputRate(1000, 1_000_000)
    for now in (0.0, 4e9, -4e9, 1e9):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert limited.passes("stream", 100_000)
    assert not limited.passes("stream", 4_000_000)
