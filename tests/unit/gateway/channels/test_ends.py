"""A request ends in every page, though the kernel's own word of its end is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
from itertools import chain, repeat
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import parse_monitor_message

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.errors import StartFailed
from kernelpod.gateway.channels import ends, probe
from kernelpod.gateway.channels.wire import from_page
from unit.gateway.channels.conftest import Page, Rig


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "LATE_SECONDS", 0.05)


def idles(page: Page) -> list[str]:
    """Return the requests that have ended, one after the other."""
    said = [got for got in page.got if got["content"].get("execution_state") == "idle"]
    return [got["parent_header"]["msg_id"] for got in said]


@pytest.mark.parametrize("replied", [False, True])
def test_a_cell_ends_though_its_end_was_lost(play: Any, replied: bool) -> None:
    """A message over the limit cuts the kernel off, and what it says until it is connected again is lost."""

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "cell")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        await page.until(lambda got: "busy" in str(got["content"]))
        if replied:
            rig.kernel.say("shell", "execute_reply", {}, parent, ident)
            await page.until(lambda got: got["msg_type"] == "execute_reply")
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "x" * 300_000}, parent)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        lost = await page.until(lambda got: "Output is lost" in str(got["content"]))
        assert lost["parent_header"]["msg_id"] == "cell"
        if not replied:
            rig.kernel.say("shell", "execute_reply", {}, parent, ident)
            await rig.kernel.answer_info()
        await page.until(lambda got: got["content"].get("execution_state") == "idle")
        assert rig.states[-1] == "idle"

    play(scene)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("kind", ["execute_request", "complete_request"])
def test_a_request_ends_though_the_kernel_dropped_its_states(play: Any, kind: str, begun: bool) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "lost", kind)
        ident, parent = await rig.parent()
        if begun:
            rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        rig.kernel.say("shell", kind.replace("request", "reply"), {}, parent, ident)
        await rig.kernel.answer_info()
        await page.until(lambda got: got["content"].get("execution_state") == "idle")
        assert idles(page) == ["lost"]
        assert rig.states[-1] == "idle"

    play(scene)


def test_an_end_that_comes_late_is_told_once(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "late")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        rig.kernel.say("shell", "execute_reply", {}, parent, ident)
        question = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, question[1])
        rig.kernel.say("shell", "kernel_info_reply", {}, question[1], question[0])
        await page.until(lambda got: got["content"].get("execution_state") == "idle")
        rig.ask("one", "next")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        await page.until(lambda got: got["parent_header"].get("msg_id") == "next")
        assert idles(page) == ["late", "next"]

    play(scene)


@pytest.mark.parametrize("kind", ["execute_request", "complete_request"])
@pytest.mark.parametrize("lost", ["busy", "idle"])
@pytest.mark.parametrize("asked", [["before", "cell"], ["cell"]])
def test_a_cell_whose_states_are_lost_says_that_output_may_be(
    play: Any, kind: str, lost: str, asked: list[str]
) -> None:
    """What a kernel prints before it has read that the gateway listens again goes nowhere."""

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        for msg_id in asked:
            rig.ask("one", msg_id, kind)
            ident, parent = await rig.parent()
            for state in ("busy", "idle"):
                if msg_id == "before" or state != lost:
                    rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
            rig.kernel.say("shell", kind.replace("request", "reply"), {}, parent, ident)
        if lost == "idle":
            await rig.kernel.answer_info()
        await page.until(lambda _: idles(page) == asked)
        told = [got["parent_header"]["msg_id"] for got in page.got if "may be lost" in str(got["content"])]
        assert told == (["cell"] if kind == "execute_request" else [])

    play(scene)


def test_an_aborted_cell_without_states_has_lost_nothing(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        for msg_id, status in (("fails", "error"), ("waits", "aborted")):
            rig.ask("one", msg_id)
            ident, parent = await rig.parent()
            for state in ("busy", "idle") if status == "error" else ():
                rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
            rig.kernel.say("shell", "execute_reply", {"status": status}, parent, ident)
        await rig.kernel.answer_info()
        await page.until(lambda _: idles(page) == ["fails", "waits"])
        assert "may be lost" not in str(page.got)

    play(scene)


def test_a_request_that_runs_is_not_ended(play: Any) -> None:
    """Nor is one whose reply is out and whose kernel does not answer yet, as while it runs another one."""

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "replied")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        rig.kernel.say("shell", "execute_reply", {}, parent, ident)
        rig.ask("one", "runs")
        await rig.parent()
        await rig.parent()  # the gateway's question, which is not answered
        assert idles(page) == []
        rig.connection.die("The kernel was stopped.")
        assert sorted(idles(page)) == ["replied", "runs"]

    play(scene)


def test_a_cell_does_not_end_while_its_output_arrives(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab drops what comes after the end. The reply overtakes output that waits in the kernel."""
    monkeypatch.setattr(probe, "OUTPUT_SECONDS", 0.02)

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "cell")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        rig.kernel.say("shell", "execute_reply", {}, parent, ident)
        for number in range(3 * probe.MOST_QUESTIONS):
            ident, question = await rig.parent()
            rig.kernel.say("iopub", "stream", {"name": "stdout", "text": f"{number}"}, parent)
            rig.kernel.say("shell", "kernel_info_reply", {}, question, ident)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, question)
        await page.until(lambda got: got["content"].get("execution_state") == "idle")
        ends_at = [got["content"].get("execution_state") for got in page.got].index("idle")
        assert [got["msg_type"] for got in page.got[ends_at:]] == ["status"]

    play(scene)


async def half(rig: Rig, page: Page) -> tuple[dict[str, Any], list[int]]:
    """Run a cell, of which only the first line and the reply arrive. Return its header and a counter of listeners.

    The kernel answers questions; what it says to them on iopub does not arrive either.
    """
    listeners: list[int] = []

    async def count() -> None:
        while True:
            if monitor.poll(0):
                listeners.append(parse_monitor_message(monitor.recv_multipart())["event"])
            await asyncio.sleep(0.01)

    async def answer() -> None:
        while True:
            ident, question = await rig.parent()
            rig.kernel.say("shell", "kernel_info_reply", {}, question, ident)

    rig.ask("one", "cell")
    ident, parent = await rig.parent()
    rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
    rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "first"}, parent)
    await page.until(lambda got: got["content"].get("text") == "first")
    monitor = rig.kernel.sockets["iopub"].get_monitor_socket(zmq.EVENT_ACCEPTED)
    rig.kernel.say("shell", "execute_reply", {}, parent, ident)
    rig.beside = [asyncio.ensure_future(count()), asyncio.ensure_future(answer())]
    return parent, listeners


def test_output_that_comes_long_after_the_reply_is_waited_for(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a network's outage TCP sends each connection's data at another time."""
    monkeypatch.setattr(probe, "OUTPUT_SECONDS", 0.01)

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        parent, listeners = await half(rig, page)
        await asyncio.sleep(4 * (probe.OUTPUT_SECONDS * probe.MOST_QUESTIONS + ends.LATE_SECONDS))
        assert idles(page) == []
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "last"}, parent)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        await page.until(lambda _: idles(page) == ["cell"])
        assert [got["content"]["text"] for got in page.got if got["msg_type"] == "stream"] == ["first", "last"]
        assert listeners == []

    play(scene)


def test_output_that_never_comes_is_listened_to_anew(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "OUTPUT_SECONDS", 0.01)
    monkeypatch.setattr(ends, "SILENT_SECONDS", 0.3)

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        _, listeners = await half(rig, page)
        await page.until(lambda _: idles(page) == ["cell"])
        told = [got["content"]["text"] for got in page.got if got["msg_type"] == "stream"]
        assert len(told) == 2
        assert "may be lost" in told[1]
        await page.until(lambda _: listeners)
        assert rig.states[-1] == "idle"

    play(scene)


@pytest.mark.parametrize("kind", ["execute_request", "complete_request"])
@pytest.mark.parametrize("comes", [True, False])
def test_a_request_that_ended_without_a_reply_gets_one(play: Any, kind: str, comes: bool) -> None:
    """ipykernel sends none if an interrupt comes between the last line of a cell and its reply."""
    reply = kind.replace("request", "reply")

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "asked", kind)
        ident, parent = await rig.parent()
        for state in ("busy", "idle"):
            rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
        question_ident, question = await rig.parent()
        if comes:  # late, but before the kernel answers the question
            rig.kernel.say("shell", reply, {"status": "ok"}, parent, ident)
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, question)
        rig.kernel.say("shell", "kernel_info_reply", {}, question, question_ident)
        told = await page.until(lambda got: got["msg_type"] == reply)
        assert told["parent_header"]["msg_id"] == "asked"
        assert (told["content"]["status"], "without an answer" in str(page.got)) == (
            ("ok", False) if comes else ("error", True)
        )
        assert rig.connection.computing.running() == []

    play(scene)


def test_a_kernel_that_starts_anew_is_not_asked_for_replies_of_the_last_start(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "asked")
        _, parent = await rig.parent()
        for state in ("busy", "idle"):
            rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
        await page.until(lambda got: got["content"].get("execution_state") == "idle")
        rig.connection.die("The kernel was stopped.")
        await asyncio.sleep(3 * ends.LATE_SECONDS)
        assert page.types("shell") == ["execute_reply"]

    play(scene)


async def _late(one: ends.Ends, msg_id: str) -> None:
    """Let a request have a reply, and no end."""
    header = {"msg_id": msg_id, "msg_type": "execute_request", "session": "one", "version": "5.3"}
    one.expect(from_page(json.dumps({"header": header, "content": {}, "channel": "shell"})))
    one.replied(msg_id, b"{}")
    await asyncio.sleep(0)


def test_what_a_kernel_says_as_its_state_takes_no_memory() -> None:
    async def ask() -> bool:
        return True

    one = ends.Ends(ask, lambda _, __: None, lambda _: None, lambda _: None, lambda: None)
    for state in ("busy", "idle", *map(str, range(100)), ["idle"], {"a": 1}, None):
        one.hear("nobody asked", state)
    assert one._says == {"busy", "idle"}


def test_a_kernel_that_says_no_ends_is_asked_seldom() -> None:
    """A question is remembered for an hour, so a kernel must not bring about any number of them."""

    async def scene() -> None:
        asked: list[float] = []
        ended: list[str] = []
        loop = asyncio.get_running_loop()

        async def ask() -> bool:
            asked.append(loop.time())
            return False

        one = ends.Ends(ask, lambda msg_id, _: ended.append(msg_id), lambda _: None, lambda _: None, lambda: None)
        for number in range(200):
            await _late(one, str(number))
            await asyncio.sleep(0.001)
        while len(ended) < 200:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)
        pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert min(pauses) >= ends.LATE_SECONDS * 0.9

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_question_that_fails_leaves_later_requests_their_end() -> None:
    async def scene() -> None:
        ended: list[str] = []
        asked = asyncio.Event()
        # How many questions follow depends on when the second reply is late.
        answers = chain([StartFailed("encryption_unsupported", "no")], repeat(None))

        async def ask() -> bool:
            asked.set()
            if error := next(answers):
                raise error
            return False

        one = ends.Ends(ask, lambda msg_id, _: ended.append(msg_id), lambda _: None, lambda _: None, lambda: None)
        await _late(one, "first")
        await asked.wait()
        await _late(one, "second")
        while "second" not in ended:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 5))
