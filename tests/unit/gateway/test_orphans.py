"""Kernels whose server is gone: only what the hub says for sure, and says for long enough, ends a kernel."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

pytest.importorskip("tornado", reason="the base package has no gateway")

from doubles import KERNEL_ID, a_plan, an_identity
from kernelpod.gateway import orphans
from kernelpod.gateway.orphans import Orphans, servers_in
from kernelpod.settings.hubs import Hub
from kernelpod.start.record import KernelRecord

ALICE = KernelRecord(plan=a_plan(identity=an_identity("alice", server="")))


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(orphans, "time", made)
    return made


async def ended_after(clock: Clock, *rounds: tuple[float, Collection[str] | None]) -> list[str]:
    """Return the kernels that are ended after rounds of (time, what the hub lists for alice)."""
    ended: list[str] = []

    async def end(kernel_id: str, said: str) -> None:
        assert "its server is gone" in said
        ended.append(kernel_id)

    looking = Orphans(Hub(), 100, list, end)
    for clock.now, listed in rounds:
        await looking.look([] if ended else [ALICE], {ALICE.owner: listed})
    return ended


@pytest.mark.parametrize(
    ("rounds", "ends"),
    [
        ([(0, ()), (50, ()), (100, ())], True),
        ([(0, ()), (99, ())], False),
        ([(0, [""]), (200, [""])], False),
        ([(0, ["gpu"]), (100, ["gpu"])], True),
        ([(0, ()), (50, [""]), (100, ())], False),
        ([(0, ()), (50, None), (100, ())], True),
        ([(0, None), (500, None)], False),
        ([(0, ()), (500, None)], False),
    ],
    ids=[
        "gone",
        "not yet",
        "listed",
        "another server",
        "came back",
        "silent meanwhile",
        "silent",
        "silent at last",
    ],
)
async def test_a_kernel_ends_when_its_server_is_gone_for_long_enough(
    clock: Clock, rounds: list[tuple[float, Any]], ends: bool
) -> None:
    assert await ended_after(clock, *rounds) == ([KERNEL_ID] if ends else [])


@pytest.mark.parametrize(
    ("status", "body", "servers"),
    [
        (200, b'{"name": "alice", "servers": {"": {}, "gpu": {}}}', ("", "gpu")),
        (200, b'{"name": "alice", "servers": {}}', ()),
        (200, b'{"name": "bob", "servers": {}}', None),
        (200, b'{"servers": {}}', None),
        (200, b'{"name": "alice", "servers": {"": {}}, "servers": {}}', None),
        (404, b"", ()),
        (200, b'{"name": "alice"}', None),
        (200, b"<html>", None),
        (200, b'{"name": "alice", "servers": 3}', None),
        (200, b"[" * 100_000, None),
        (200, b"[]", None),
        (403, b"{}", None),
        (500, b'{"name": "alice", "servers": {}}', None),
    ],
)
def test_what_the_hub_says_of_a_users_servers(status: int, body: bytes, servers: Any) -> None:
    assert servers_in("alice", status, body) == servers
