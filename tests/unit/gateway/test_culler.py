"""Kernels that are idle: none is ended too early, none is forgotten, and none by a gateway that was replaced."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from doubles import KERNEL_ID, a_plan
from kernelpod.errors import KernelpodError, kernel_not_found
from kernelpod.gateway import culler
from kernelpod.gateway.culler import Culler
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.settings.culling import Culling
from kernelpod.start.record import KernelRecord


class OverError(Exception):
    """The time to look at has passed."""


class Clock:
    """Time that passes while somebody sleeps; `frozen` is how much longer the next sleep takes."""

    now, frozen, end = 1000.0, 0.0, 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now, self.frozen = self.now + seconds + self.frozen, 0.0
        if self.now > self.end:
            raise OverError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(culler, "time", made)
    monkeypatch.setattr(culler, "asyncio", made)
    return made


def a_kernel(idle_since: float, *, pages: int = 0, state: str = "idle", own: float | None = None) -> Any:
    record = KernelRecord(plan=a_plan().model_copy(update={"cull_idle_seconds": own}))
    connection = SimpleNamespace(pages=pages)
    return SimpleNamespace(record=record, idle_since=idle_since, connection=connection, execution_state=state)


class Watched:
    """A culler of one kernel, and when it ended it."""

    def __init__(self, clock: Clock, kernel: Any, **culling: Any) -> None:
        self.clock, self.kernels = clock, [kernel]
        self.ended: list[float] = []
        self.culler = Culler(Culling(**{"idle_seconds": 100, **culling}), lambda: self.kernels, self.end)

    async def end(self, kernel_id: str, said: str) -> None:
        assert kernel_id == KERNEL_ID
        assert "is ended" in said
        self.ended.append(self.clock.now)
        self.kernels = []

    async def until(self, now: float) -> list[float]:
        """Watch until that time, and return when kernels were ended."""
        self.clock.end = now
        with pytest.raises(OverError):
            await self.culler.watch()
        return self.ended


@pytest.mark.parametrize(
    ("kernel", "culling", "ended"),
    [
        ({}, {}, 110),
        ({"pages": 1}, {}, None),
        ({"state": "busy"}, {}, None),
        ({"state": "busy"}, {"busy": "cull"}, 110),
        ({"own": 20}, {}, 30),
        ({"own": 20}, {"idle_seconds": 0}, 30),
        ({}, {"idle_seconds": 0}, None),
    ],
)
async def test_a_kernel_ends_at_the_first_look_after_its_time(
    clock: Clock, kernel: dict[str, Any], culling: dict[str, Any], ended: float | None
) -> None:
    watched = Watched(clock, a_kernel(clock.now, **kernel), **culling)
    assert await watched.until(2000) == ([] if ended is None else [1000 + ended])


async def test_a_kernel_without_a_client_is_idle_since_it_had_one(clock: Clock) -> None:
    """Pages lose their websockets for a moment when a gateway that passes them on ends."""
    kernel = a_kernel(clock.now, pages=1)
    watched = Watched(clock, kernel)
    assert await watched.until(1500) == []
    kernel.connection.pages = 0
    assert await watched.until(1590) == []
    assert await watched.until(2000) == [pytest.approx(1610)]


async def test_a_gateway_that_was_frozen_ends_no_kernel_before_it_has_heard_it(clock: Clock) -> None:
    watched = Watched(clock, a_kernel(clock.now))
    assert await watched.until(1050) == []
    clock.frozen = 3600
    assert await watched.until(4700) == []
    assert await watched.until(5000) == [pytest.approx(4780)]


async def test_a_look_that_is_a_little_late_is_one_as_others(clock: Clock) -> None:
    watched = Watched(clock, a_kernel(clock.now))
    assert await watched.until(1050) == []
    clock.frozen = 9
    assert await watched.until(2000) == [pytest.approx(1109)]


def ending(*, may_act: bool = True, error: Exception | None = None) -> tuple[Any, list[str]]:
    """Return kernels of which one is to be ended, and what is ended."""
    ended: list[str] = []

    async def end(kernel_id: str, **_: Any) -> None:
        if error:
            raise error
        ended.append(kernel_id)

    return SimpleNamespace(may_act=lambda: may_act, end=end), ended


@pytest.mark.parametrize("may_act", [True, False])
async def test_only_a_gateway_that_surely_leads_ends_what_nobody_asked_to_end(*, may_act: bool) -> None:
    kernels, ended = ending(may_act=may_act)
    await DirectMappingKernelManager.end_unasked(kernels, KERNEL_ID, "it is ended", code="idle")
    assert ended == ([KERNEL_ID] if may_act else [])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (kernel_not_found(KERNEL_ID), "was stopped by somebody else first"),
        (KernelpodError("the API server is silent"), "could not be ended: the API server is silent"),
        (RuntimeError("unforeseen"), "could not be ended"),
    ],
)
async def test_one_that_cannot_be_ended_does_not_keep_others_from_it(
    error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kernels, ended = ending(error=error)
    await DirectMappingKernelManager.end_unasked(kernels, KERNEL_ID, "it is ended", code="idle")
    assert ended == []
    assert said in caplog.text
