"""What a kernel sends is given to its pages at once, or together within milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from kernelpod.gateway.channels import pace
from kernelpod.gateway.channels.pace import Pace


@dataclass
class Timer:
    """What is done later, unless it is cancelled."""

    at: float
    do: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    """An event loop whose time passes as a test says."""

    now: float = 1000.0
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, do: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + seconds, do))
        return self.timers[-1]

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        due = [timer for timer in self.timers if timer.at <= self.now and not timer.cancelled]
        self.timers = [timer for timer in self.timers if timer.at > self.now]
        for timer in due:
            timer.do()


class Pages:
    """Pages that count how often they are given something."""

    def __init__(self, count: int = 1) -> None:
        self.given = 0
        self.pace = Pace(self._give, lambda: count)

    def _give(self) -> None:
        self.given += 1

    def take(self, outputs: int) -> None:
        for _ in range(outputs):
            self.pace.add(10, at_once=False)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "asyncio", SimpleNamespace(get_running_loop=lambda: made))
    return made


def test_what_comes_after_a_pause_is_given_at_once() -> None:
    pages = Pages()
    pages.take(1)
    assert pages.given == 1


def test_small_outputs_wait_for_each_other_but_not_for_ever(clock: Clock) -> None:
    pages = Pages()
    pages.take(100)
    assert pages.given == 1
    clock.pass_by(pace.PAUSE_SECONDS_PER_PAGE)
    assert pages.given == 2
    clock.pass_by(60)
    assert pages.given == 2, "nothing was left"


@pytest.mark.parametrize(("size", "at_once"), [(10, True), (pace.MOST_HELD_BYTES, False)])
def test_replies_and_much_output_take_with_them_what_waits(clock: Clock, size: int, at_once: bool) -> None:
    pages = Pages()
    pages.take(3)
    pages.pace.add(size, at_once=at_once)
    assert pages.given == 2
    clock.pass_by(60)
    assert pages.given == 2, "nothing was left"


@pytest.mark.parametrize("count", [2, 10, 1000])
def test_the_more_pages_the_longer_but_none_waits_longer_than_people_notice(clock: Clock, count: int) -> None:
    pages = Pages(count)
    pages.take(2)
    wait = min(count * pace.PAUSE_SECONDS_PER_PAGE, pace.MOST_PAUSE_SECONDS)
    clock.pass_by(wait * 0.9)
    assert pages.given == 1
    clock.pass_by(wait * 0.2)
    assert pages.given == 2
