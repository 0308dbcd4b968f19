"""A backlog keeps what somebody still needs, within its budget: output goes first, the oldest of it first."""

from __future__ import annotations

import asyncio
import random

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels.backlog import Backlog, Entry
from kernelpod.gateway.channels.subscriber import IN_FLIGHT_BYTES, Subscriber
from kernelpod.gateway.channels.wire import Frame


def output(size: int = 10) -> Frame:
    return Frame(b"o" * size, binary=False)


def numbers(backlog: Backlog, after: int = 0) -> list[int]:
    found = []
    while entry := backlog.after(after):
        found.append(entry.number)
        after = entry.number
    return found


def filled(kept: str = "") -> Backlog:
    """Return a backlog of messages of 12 bytes, one for each letter, where `k` is a reply."""
    backlog = Backlog()
    for letter in kept:
        backlog.append(output(), kept=letter == "k")
    return backlog


def test_messages_are_found_by_number() -> None:
    backlog = filled("ooo")
    assert (numbers(backlog), numbers(backlog, 2), backlog.after(3)) == ([1, 2, 3], [3], None)
    backlog.forget(2)
    assert (numbers(backlog), backlog.size) == ([3], 12)
    backlog.forget(3)
    assert (numbers(backlog), backlog.size, backlog.last) == ([], 0, 3)


@pytest.mark.parametrize(
    ("kept", "budget", "left"),
    [
        ("oooo", 48, [1, 2, 3, 4]),
        ("oooo", 47, [2, 3, 4]),
        ("oooo", 11, []),
        ("koko", 24, [1, 3]),
        ("kooo", 24, [1, 4]),
        ("kkkk", 24, [3, 4]),
        ("ookk", 12, [4]),
        ("", 0, []),
    ],
)
def test_the_oldest_output_goes_first_and_replies_last(kept: str, budget: int, left: list[int]) -> None:
    backlog = filled(kept)
    dropped = backlog.drop(budget)
    assert numbers(backlog) == left
    assert sorted([*left, *(entry.number for entry in dropped)]) == list(range(1, len(kept) + 1))
    assert backlog.size == 12 * len(left) <= budget


def test_a_backlog_is_in_order_whatever_happens_to_it() -> None:
    chance = random.Random(3)
    backlog, expected = Backlog(), dict[int, Entry]()
    for _ in range(3000):
        match chance.randrange(6):
            case 0:
                backlog.forget(done := chance.randrange(max(0, backlog.last - 20), backlog.last + 1))
                expected = {number: entry for number, entry in expected.items() if number > done}
            case 1:
                for entry in backlog.drop(chance.randrange(600)):
                    del expected[entry.number]
            case _:
                entry = backlog.append(output(chance.randrange(40)), kept=chance.random() < 0.2)
                expected[entry.number] = entry
        assert numbers(backlog) == list(expected)
        assert backlog.size == sum(entry.size for entry in expected.values())


class Websocket:
    """A page's websocket that sends only when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Frame, asyncio.Future[None]]] = []
        self.sent: list[bytes] = []
        self.closed: list[int] = []

    def write(self, frame: Frame) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((frame, future))
        return future

    def close(self, status: int, _reason: str) -> None:
        self.closed.append(status)

    async def take(self, most: int = 1000) -> None:
        """Send what waits."""
        for _ in range(most):
            if not self.waiting:
                break
            frame, future = self.waiting.pop(0)
            self.sent.append(frame.data)
            future.set_result(None)
            await asyncio.sleep(0)


def subscribed(backlog: Backlog) -> tuple[Subscriber, Websocket]:
    page = Websocket()
    subscriber = Subscriber(backlog, "me", lambda lost, _: Frame(b"lost %d" % lost, binary=False), lambda: None)
    subscriber.attach(page.write, page.close)
    return subscriber, page


def test_a_page_gets_what_is_for_it_in_order() -> None:
    async def run() -> None:
        backlog = Backlog()
        subscriber, page = subscribed(backlog)
        for number, to in enumerate((None, "me", "another", None)):
            backlog.append(Frame(b"%d" % number, binary=False), to=to)
        subscriber.pump()
        await page.take()
        assert page.sent == [b"0", b"1", b"3"]
        assert (subscriber.sent, subscriber.given) == (4, 4)

    asyncio.run(run())


def test_a_page_that_does_not_read_is_given_a_bounded_number_of_bytes() -> None:
    async def run() -> None:
        backlog = Backlog()
        subscriber, page = subscribed(backlog)
        for _ in range(10):
            backlog.append(output(IN_FLIGHT_BYTES // 2))
        subscriber.pump()
        assert len(page.waiting) == 2
        assert subscriber.sent == 0
        await page.take(1)
        assert (subscriber.sent, len(page.waiting)) == (1, 2)
        await page.take()
        assert (subscriber.sent, len(page.sent)) == (10, 10)

    asyncio.run(run())


def test_a_page_is_told_how_much_it_lost_before_what_follows() -> None:
    async def run() -> None:
        backlog = Backlog()
        subscriber, page = subscribed(backlog)
        backlog.append(output(IN_FLIGHT_BYTES))
        subscriber.pump()
        for _ in range(3):
            backlog.append(output(98))
        backlog.append(output(98), to="another")
        firsts = [subscriber.lose(entry) for entry in backlog.drop(200)]
        assert firsts.count(True) == 1
        backlog.append(Frame(b"the end", binary=False), kept=True)
        await page.take()
        assert page.sent[1:] == [b"lost 200", b"o" * 98, b"the end"]

    asyncio.run(run())


def test_a_page_that_comes_back_gets_what_its_websocket_had_not_sent() -> None:
    async def run() -> None:
        backlog = Backlog()
        subscriber, page = subscribed(backlog)
        for number in range(3):
            backlog.append(Frame(b"%d" % number, binary=False))
        subscriber.pump()
        await page.take(1)
        assert subscriber.detach(page.write)
        again = Websocket()
        subscriber.attach(again.write, again.close)
        subscriber.pump()
        assert not subscriber.detach(page.write), "the old websocket closes after the new one has opened"
        page.waiting[0][1].set_exception(ConnectionError())
        await again.take()
        assert again.sent == [b"1", b"2"]

    asyncio.run(run())
