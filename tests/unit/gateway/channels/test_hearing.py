"""A kernel that no longer hears the gateway, because another gateway has or had its identity."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

import zmq

from kernelpod.gateway.channels import connection, ends, hearing
from unit.gateway.channels.conftest import Rig


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hearing, "PAUSE_SECONDS", (0.1, 0.2))
    monkeypatch.setattr(hearing, "ORDER_SECONDS", 0.2)
    monkeypatch.setattr(hearing, "ANSWER_SECONDS", 0.2)
    return None


async def answer(rig: Rig, *, cells: bool = True) -> None:
    """Answer all that is heard, as an idle kernel."""
    while True:
        ident, parent = await rig.parent()
        kind = parent["header"]["msg_type"]
        if kind == "kernel_info_request" or cells:
            for state in ("busy", "idle"):
                rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
            rig.kernel.say("shell", kind.replace("_request", "_reply"), {"status": "ok"}, parent, ident)


async def replied(rig: Rig, page: Any, msg_id: str) -> dict[str, Any]:
    """Return the content of the reply to a cell."""
    del rig
    said = await page.until(
        lambda got: got["msg_type"] == "execute_reply" and got["parent_header"]["msg_id"] == msg_id
    )
    return dict(said["content"])


def identity(rig: Rig) -> bytes:
    """Return the identity with which the gateway has connected."""
    return rig.connection._sockets._identity


def stolen(rig: Rig) -> None:
    """Connect with the gateway's identity, as a gateway does that was replaced, and end."""
    thief, address = rig.open_socket("shell", identity(rig))
    thief.connect(address)
    thief.send_multipart([b"hello"])
    thief.close(linger=1000)


def with_handover(rig: Rig) -> None:
    """Give an identity to the latest connection that has it, as ipykernel does."""
    rig.kernel.sockets["shell"].setsockopt(zmq.ROUTER_HANDOVER, 1)


def test_a_gateway_whose_identity_was_taken_connects_anew(play: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(rig: Rig) -> None:
        with_handover(rig)
        await rig.ready()
        before = identity(rig)
        stolen(rig)
        while (await rig.kernel.heard_raw())[-1] != b"hello":
            pass
        answering = asyncio.ensure_future(answer(rig))
        page, _ = rig.page("one")
        rig.ask("one", "lost")
        assert "Another gateway was connected" in (await replied(rig, page, "lost"))["evalue"]
        rig.ask("one", "next")
        assert (await replied(rig, page, "next"))["status"] == "ok"
        assert identity(rig) != before
        answering.cancel()

    play(scene)
    assert caplog.text.count("does not hear this gateway and is connected anew") == 1


def test_a_kernel_that_ignores_the_identity_of_the_last_gateway_is_connected_anew(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        own = rig.connection._session.sign([b"kernelpod"])[: connection.IDENTITY_BYTES]
        last, address = rig.open_socket("shell", own)
        last.connect(address)
        last.send_multipart([b"hello"])
        await rig.kernel.heard_raw()
        rig.connection.open(rig.open_socket)
        rig.connection.release()
        answering = asyncio.ensure_future(answer(rig))
        page, _ = rig.page("one")
        rig.ask("one", "lost")
        assert "Another gateway was connected" in (await replied(rig, page, "lost"))["evalue"]
        rig.ask("one", "next")
        assert (await replied(rig, page, "next"))["status"] == "ok"
        answering.cancel()
        last.close(linger=0)

    play(scene)


def test_a_kernel_that_answers_nobody_is_not_given_up(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        before = identity(rig)
        page, _ = rig.page("one")
        rig.ask("one", "late")
        asked = [
            (await rig.parent())[1]["header"]["msg_id"] for _ in range(6)
        ]  # both connections, again and again
        assert asked[0] == "late"
        rig.ask("one", "later")
        answering = asyncio.ensure_future(answer(rig))
        assert (await replied(rig, page, "later"))["status"] == "ok"
        assert identity(rig) == before
        answering.cancel()

    play(scene)


def test_a_kernel_that_works_off_what_has_waited_is_not_given_up(play: Any) -> None:
    """The gateway's own question is behind all that waits, and the witness's is not. No state is heard."""

    async def scene(rig: Rig) -> None:
        await rig.ready()
        before = identity(rig)
        page, _ = rig.page("one")
        cells = [f"cell{number}" for number in range(20)]
        for cell in cells:
            rig.ask("one", cell)
        waiting = [await rig.parent() for _ in range(len(cells) + 2)]
        own = waiting[0][0]
        waiting.sort(key=lambda one: (one[0] == own, one[1]["header"]["msg_type"] == "kernel_info_request"))
        for ident, parent in waiting:
            kind = parent["header"]["msg_type"]
            rig.kernel.say("shell", kind.replace("_request", "_reply"), {"status": "ok"}, parent, ident)
            await asyncio.sleep(0.05)
        for cell in cells:
            assert (await replied(rig, page, cell))["status"] == "ok", cell
        assert identity(rig) == before

    play(scene)


def test_an_answer_that_went_to_another_gateway_is_missed(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "LATE_SECONDS", 0.1)

    async def scene(rig: Rig) -> None:
        with_handover(rig)
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "taken")
        _, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        await page.until(lambda got: "busy" in str(got))
        stolen(rig)
        while (await rig.kernel.heard_raw())[-1] != b"hello":
            pass
        answering = asyncio.ensure_future(answer(rig))
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        assert "its answer is lost" in (await replied(rig, page, "taken"))["evalue"]
        answering.cancel()

    play(scene)


def test_nothing_is_watched_after_the_kernel_has_ended(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        rig.page("one")
        rig.ask("one", "cell")
        _, parent = await rig.parent()
        for state in ("busy", "idle"):
            rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
        await asyncio.sleep(0.05)
        rig.connection.die("It is over.")
        rig.ask("one", "after")
        await asyncio.sleep(1)
        assert rig.connection._hearing._timer is None
        assert rig.connection._hearing._check is None
        assert rig.connection._sockets._streams == {}

    play(scene)


def test_a_kernel_that_computes_is_not_asked(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "long")
        ident, parent = await rig.parent()
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        await page.until(lambda got: "busy" in str(got))
        rig.ask("one", "waits")
        _, waiting = await rig.parent()
        assert waiting["header"]["msg_id"] == "waits"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(rig.parent(), 1)
        rig.kernel.say("shell", "execute_reply", {"status": "ok"}, parent, ident)
        assert (await replied(rig, page, "long"))["status"] == "ok"

    play(scene)


def test_what_a_kernel_reads_without_a_word_counts_as_read_once_it_answers(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        before = identity(rig)
        rig.page("one")
        rig.ask("one", "c", kind="comm_msg")
        answering = asyncio.ensure_future(answer(rig, cells=False))
        while rig.connection._requests.unread_bytes:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        assert identity(rig) == before
        answering.cancel()

    play(scene)
