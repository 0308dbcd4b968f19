"""The pages of one kernel, connected or away, and those that a gateway before this one had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels import subscriber
from kernelpod.gateway.channels.backlog import Backlog
from kernelpod.gateway.channels.subscriber import Subscribers
from kernelpod.gateway.channels.wire import Frame


class Pages:
    """Pages that share a backlog, each with what it has got."""

    def __init__(self) -> None:
        self.backlog = Backlog()
        self.trims = 0
        self.all = Subscribers("k", self.backlog, self._notice, self._trim)

    def _notice(self, lost_bytes: int, _parent: bytes) -> Frame:
        return Frame(f"lost {lost_bytes}".encode(), binary=False)

    def _trim(self) -> None:
        self.trims += 1

    def say(self, text: str) -> None:
        """Let the kernel say something."""
        self.backlog.append(Frame(text.encode(), binary=False))

    def open(self, session: str) -> list[str]:
        """Open a page and return what it gets."""
        got: list[str] = []

        def write(frame: Frame) -> Any:
            got.append(frame.data.decode())
            done = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done

        self.all.attach(session, write, lambda *_: None)
        return got


def play(scene: Callable[[Pages], Any]) -> None:
    """Play a scene in an event loop."""

    async def played() -> None:
        await scene(Pages())

    asyncio.run(played())


def test_a_page_gets_nothing_of_what_came_before_it() -> None:
    async def scene(pages: Pages) -> None:
        pages.say("before")
        assert pages.open("new") == []

    play(scene)


def test_pages_of_the_gateway_before_get_what_came_before_they_returned() -> None:
    async def scene(pages: Pages) -> None:
        pages.all.expect_return()
        pages.say("late")
        assert (pages.open("one"), pages.open("other")) == (["late"], ["late"])

    play(scene)


def test_what_was_dropped_meanwhile_is_told_to_pages_that_return() -> None:
    async def scene(pages: Pages) -> None:
        pages.all.expect_return()
        pages.say("first")
        for entry in pages.backlog.drop(0):
            for one in pages.all:
                one.lose(entry)
        pages.say("second")
        assert pages.open("one") == ["lost 7", "second"]

    play(scene)


def test_pages_are_expected_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "RETURN_SECONDS", 0)

    async def scene(pages: Pages) -> None:
        pages.all.expect_return()
        pages.say("late")
        while not pages.trims:  # noqa: ASYNC110 - the loop itself is what is waited for
            await asyncio.sleep(0.01)
        assert (pages.open("one"), next(iter(pages.all)).session) == ([], "one")

    play(scene)
