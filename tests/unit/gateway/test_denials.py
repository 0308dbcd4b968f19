"""Of each party's denials, a minute has a limited number of lines in the audit log; none is left out unsaid."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod import audit
from kernelpod.audit import MOST_DENIALS, Actor, AuditLog, Party

ALICE = Actor(Party(hub="hub", kind="user", name="alice"))
BOB = Actor(Party(hub="hub", kind="user", name="bob"))
NOBODY = Actor(None)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(audit, "time", made)
    return made


@pytest.fixture
def written(clock: Clock, tmp_path: Path) -> Any:
    """Return an audit log; its `lines` are who was denied, the code, and how many were left out before."""
    file = tmp_path / "audit.jsonl"
    made: Any = AuditLog(enabled=True, file=file)

    def lines() -> list[tuple[str | None, str, int]]:
        read = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("")
        return [(line["who"] and line["who"]["name"], line["code"], line["left_out"]) for line in read]

    made.lines = lines
    return made


def deny(log: AuditLog, by: Actor, times: int = 1, code: str = "no") -> None:
    for _ in range(times):
        log.write("read", by, outcome="denied", code=code)


def test_a_party_has_its_own_lines_in_each_minute(written: Any, clock: Clock) -> None:
    deny(written, ALICE, MOST_DENIALS + 6)
    deny(written, ALICE, code="last")
    deny(written, BOB)
    assert written.lines() == [("alice", "no", 0)] * MOST_DENIALS + [("bob", "no", 0)]
    clock.now += 60
    deny(written, ALICE, 2)
    assert written.lines() == [("alice", "last", 6), ("alice", "no", 0), ("alice", "no", 0)]
    clock.now += 3600
    deny(written, ALICE)
    assert written.lines() == [("alice", "no", 0)]


def test_those_without_a_token_count_together(written: Any) -> None:
    deny(written, NOBODY, MOST_DENIALS + 1)
    assert len(written.lines()) == MOST_DENIALS


def test_who_falls_silent_is_written_when_the_minute_is_over(
    written: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        if len(slept) == 2:
            raise asyncio.CancelledError
        slept.append(seconds)
        clock.now += seconds

    monkeypatch.setattr(asyncio, "sleep", sleep)
    deny(written, ALICE, MOST_DENIALS + 3)
    written.lines()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(written.watch())
    assert (slept, written.lines()) == ([20, 60], [("alice", "no", 2)])


def test_who_falls_silent_is_written_when_the_gateway_stops(written: Any) -> None:
    deny(written, NOBODY, MOST_DENIALS + 3)
    written.lines()
    written.close()
    assert written.lines() == [(None, "no", 2)]
    written.close()
    assert written.lines() == []


def test_what_is_done_is_always_written(written: Any) -> None:
    for _ in range(2 * MOST_DENIALS):
        written.write("stop", ALICE)
    assert len(written.lines()) == 2 * MOST_DENIALS
