"""Whether a gateway leads: how it begins, how it ends, and when it takes the leader's process for ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.errors import KernelpodError
from kernelpod.gateway.standby import leadership
from kernelpod.gateway.standby.leadership import Leadership
from kernelpod.runtime.local.lease import FileLease

ADDRESS = "127.0.0.1:1"


class Held:
    """A lease that another gateway holds, which listens at an address."""

    def __init__(self, leader: str) -> None:
        self.leader = leader
        self.said: list[bool] = []

    async def hold(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        self.said.append(await is_gone())
        return False

    term = 0

    def lost(self, term: int) -> None:
        """Do nothing."""

    async def release(self) -> None:
        """Do nothing."""


async def until(question: Callable[[], bool]) -> None:
    """Return when the answer is yes."""
    for _ in range(1000):
        if question():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never is")


async def nothing() -> None:
    """Find nothing new."""


async def leading(former: str) -> None:
    """Lead, without a word."""


async def test_a_gateway_that_takes_over_knows_no_other_leader(tmp_path: Path) -> None:
    """Else it would pass requests on to itself, again and again, until it leads."""
    part, known = Leadership(FileLease(tmp_path / "lease", ADDRESS)), asyncio.Event()

    async def lead(_: str) -> None:
        assert (part.leads, part.leader) == (False, "")
        known.set()
        await asyncio.sleep(60)

    following = asyncio.ensure_future(part.follow(lead, nothing))
    await asyncio.wait_for(known.wait(), 5)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_gateway_that_ends_while_it_takes_over_goes_no_further(tmp_path: Path) -> None:
    part, began, ended = Leadership(FileLease(tmp_path / "lease", ADDRESS)), asyncio.Event(), asyncio.Event()

    async def lead(_: str) -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    following = asyncio.ensure_future(part.follow(lead, nothing))
    await asyncio.wait_for(began.wait(), 5)
    following.cancel()
    await asyncio.wait_for(ended.wait(), 5)
    await asyncio.gather(following, return_exceptions=True)
    assert not part.leads


async def test_a_lock_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    async def never() -> bool:
        raise AssertionError("the kernel knows")

    with pytest.raises(KernelpodError, match="cannot be used"):
        await FileLease(tmp_path / "no" / "lease", ADDRESS).hold(never)


async def test_only_a_process_that_has_cut_its_line_and_refuses_another_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: lines.append(writer), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    lease = Held(f"{host}:{port}")
    following = asyncio.ensure_future(Leadership(lease).follow(leading, nothing))
    monkeypatch.setattr(leadership, "LOOK_SECONDS", 0.01)
    await until(lambda: len(lines) >= 1)
    monkeypatch.setattr(leadership, "LINE_SECONDS", 0.05)
    await until(lambda: len(lines) >= 3)  # each one in time, before the leader closes the one before
    server.close()  # it ends, and finishes what is under way
    looked = len(lease.said)
    await until(lambda: len(lease.said) >= looked + 10)
    assert not any(lease.said)
    for line in lines:
        line.close()
    await until(lambda: lease.said[-1])
    following.cancel()
    await asyncio.gather(following, *(line.wait_closed() for line in lines), return_exceptions=True)


async def test_the_one_that_led_before_is_named_and_one_that_learns_it_ends_at_once() -> None:
    class Passed(Held):
        """A lease that this gateway gets at its third look, and loses by what another one says."""

        held = False

        async def hold(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
            self.said.append(True)
            self.held = self.held or len(self.said) == 3
            return self.held

        def lost(self, term: int) -> None:
            self.held, self.said = False, [True] * 9

    named: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def lead(former: str) -> None:
        named.set_result(former)

    part = Leadership(Passed(ADDRESS))
    following = asyncio.ensure_future(part.follow(lead, nothing))
    assert await asyncio.wait_for(named, 5) == ADDRESS
    part.lost(2)
    await asyncio.wait_for(following, 5)
