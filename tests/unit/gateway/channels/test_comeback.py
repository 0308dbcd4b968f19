"""Pages that come from a gateway that has ended to one that has listened to their kernel."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import zmq

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.base.headers import IN_ORDER
from kernelpod.gateway.channels import comeback as comebacks
from kernelpod.gateway.channels import wire
from kernelpod.gateway.channels.comeback import Comeback, Outcomes, read_comeback

CELL = {"msg_id": "cell", "msg_type": "execute_request", "session": "page"}


async def listening(rig: Any) -> None:
    """Listen to the kernel, until its output arrives, and then speak to it as a gateway that has taken over."""
    rig.connection.open(rig.open_socket, listening=True)
    for _ in range(1000):
        rig.connection.forget_old()
        rig.kernel.say("iopub", "status", {"execution_state": "starting"}, {})
        await asyncio.sleep(0.01)
        if rig.states:
            return
    raise AssertionError("nothing was heard")


def print_lines(rig: Any, *texts: str) -> None:
    for text in texts:
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": text}, CELL)


def end(rig: Any, **error: Any) -> None:
    """Say all of a cell but its reply."""
    rig.kernel.say("iopub", "status", {"execution_state": "busy"}, CELL)
    rig.kernel.say("iopub", "execute_input", {"code": "1", "execution_count": 7}, CELL)
    print_lines(rig, "out")
    if error:
        rig.kernel.say("iopub", "error", error, CELL)
    rig.kernel.say("iopub", "status", {"execution_state": "idle"}, CELL)


def kept(rig: Any, text: str) -> bool:
    """Return whether the connection keeps this output."""
    return any(text.encode() in entry.frame.data for entry in rig.connection._output._backlog._entries)


async def heard(rig: Any, text: str) -> None:
    """Return when the connection has heard this output."""
    for _ in range(1000):
        if kept(rig, text):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it was not heard")


def texts(page: Any) -> list[str]:
    return [got["content"]["text"] for got in page.got if got["msg_type"] == "stream"]


def take_over(rig: Any) -> None:
    rig.connection.speak()
    rig.connection.release()


def test_a_page_goes_on_after_the_last_message_that_it_had(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "a", "b", "c")
        await heard(rig, '"c"')
        had = [one.msg_id for one in rig.connection._output._backlog._entries if b'"a"' in one.frame.data]
        take_over(rig)
        assert rig.connection.has_heard(Comeback(had=("other", *had)))
        page, _ = rig.page("page", had=("other", *had))
        print_lines(rig, "d")
        await page.until(lambda got: got["content"].get("text") == "d")
        assert texts(page) == ["b", "c", "d"]

    play(scene)


def test_a_page_that_says_nothing_gets_what_is_recent(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "long ago")
        await heard(rig, "long ago")
        monkeypatch.setattr(comebacks, "RECENT_SECONDS", 0)
        rig.connection.forget_old()
        await asyncio.sleep(0.01)
        print_lines(rig, "just now")
        await heard(rig, "just now")
        take_over(rig)
        page, _ = rig.page("page")
        await page.until(lambda got: got["content"].get("text") == "just now")
        assert texts(page) == ["just now"]

    play(scene)


def test_old_output_is_not_kept(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "old")
        await heard(rig, "old")
        monkeypatch.setattr(comebacks, "KEEP_SECONDS", -1)
        rig.connection.forget_old()
        rig.connection.forget_old()
        assert rig.connection._output.size == 0
        assert rig.budget.size == 0

    play(scene)


def test_who_has_listened_too_short_has_not_heard_all(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        assert not rig.connection.has_heard(Comeback(had=("unknown",), away_seconds=1))

    play(scene)


def test_who_was_cut_off_while_listening_has_not_heard_all_and_ends_no_cell(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, CELL)
        print_lines(rig, "a")
        await heard(rig, '"a"')
        had = [one.msg_id for one in rig.connection._output._backlog._entries if b'"a"' in one.frame.data]
        assert rig.connection.has_heard(Comeback(had=tuple(had)))
        print_lines(rig, "x" * 300_000)  # over the limit
        for _ in range(500):
            print_lines(rig, "b")
            await asyncio.sleep(0.01)
            if not rig.connection.has_heard(Comeback(had=tuple(had))):
                break
        for _ in range(500):  # until it is connected again
            print_lines(rig, "c")
            assert not rig.connection.has_heard(Comeback(had=tuple(had)))
            await asyncio.sleep(0.01)
            if kept(rig, '"c"'):
                break
        assert not rig.connection.has_heard(Comeback(had=tuple(had)))
        take_over(rig)
        page, _ = rig.page("page", had=had)
        await page.until(lambda got: got["content"].get("text") == "c")
        assert set(texts(page)) <= {"b", "c"}
        assert "status" not in page.types()

    play(scene)


def test_who_does_not_hear_the_kernel_now_has_not_heard_all(play: Any) -> None:
    """It knows messages that the page has had, and may be connected again too late for those after them."""

    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "a")
        await heard(rig, '"a"')
        told = Comeback(had=tuple(one.msg_id for one in rig.connection._output._backlog._entries))
        rig.connection.speak()
        rig.kernel.sockets["iopub"].close()
        for _ in range(1000):
            if not rig.connection.has_heard(told):
                break
            await asyncio.sleep(0.01)
        rig.kernel.sockets["iopub"] = again = rig.context.socket(zmq.PUB)
        again.linger = 0
        again.bind(f"ipc://{rig.kernel.folder}/iopub")
        for _ in range(1000):
            print_lines(rig, "b")
            assert not rig.connection.has_heard(told)
            if kept(rig, '"b"'):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it is not connected again")

    play(scene)


def test_output_that_was_dropped_was_not_heard(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "x" * 5000, "y" * 5000)
        print_lines(rig, "small")
        await heard(rig, "small")
        had = tuple(one.msg_id for one in rig.connection._output._backlog._entries)
        assert not rig.connection.has_heard(Comeback(had=had))

    play(scene, max_offline_bytes=2000)


@pytest.mark.parametrize("reply_first", [True, False])
@pytest.mark.parametrize("error", [{}, {"ename": "E", "evalue": "v", "traceback": ["t"]}])
def test_a_cell_whose_reply_went_to_the_last_gateway_is_replied_to(
    play: Any, error: dict[str, Any], reply_first: bool
) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        end(rig, **error)
        await heard(rig, '"out"')
        take_over(rig)
        page, _ = rig.page("page", had=("x",), open=("cell", "never-begun"))
        rig.ask("page", "question", "kernel_info_request", **{IN_ORDER: True})
        ident, parent = await rig.parent()
        while parent["header"]["msg_id"] != "question":
            ident, parent = await rig.parent()
        says = [
            lambda: rig.kernel.say("shell", "kernel_info_reply", {}, parent, ident),
            lambda: rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent),
        ]
        for say in says if reply_first else reversed(says):
            say()
            await asyncio.sleep(0.05)
        await page.until(lambda got: got["msg_type"] == "kernel_info_reply")
        replies = [got for got in page.got if got["channel"] == "shell"]
        assert [got["msg_type"] for got in replies] == ["execute_reply", "kernel_info_reply"]
        assert replies[0]["parent_header"]["msg_id"] == "cell"
        expected = {"status": "error", **error} if error else {"status": "ok"}
        assert replies[0]["content"].items() >= {**expected, "execution_count": 7, "payload": []}.items()

    play(scene)


async def asked(rig: Any) -> tuple[list[bytes], dict[str, Any]]:
    """Ask a page's question, and return the sender and the question as the kernel has it."""
    rig.ask("page", "question", "kernel_info_request", **{IN_ORDER: True})
    while True:
        ident, parent = await rig.parent()
        if parent["header"]["msg_id"] == "question":
            return ident, parent


def test_a_reply_of_the_kernel_that_comes_after_the_output_is_the_only_one(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        end(rig)
        await heard(rig, '"out"')
        take_over(rig)
        page, _ = rig.page("page", had=("x",), open=("cell",))
        ident, parent = await asked(rig)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        await page.until(lambda got: got["parent_header"].get("msg_id") == "question")
        rig.kernel.say("shell", "execute_reply", {"status": "ok", "true": 1}, CELL, ident)
        rig.kernel.say("shell", "kernel_info_reply", {}, parent, ident)
        await page.until(lambda got: got["msg_type"] == "kernel_info_reply")
        replies = [got["content"] for got in page.got if got["msg_type"] == "execute_reply"]
        assert replies == [{"status": "ok", "true": 1}]

    play(scene)


@pytest.mark.parametrize("dropped", [False, True])
def test_a_reply_of_the_kernel_that_has_come_before_the_page_is_the_only_one(play: Any, dropped: bool) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        take_over(rig)
        rig.ask("other", "begin", "kernel_info_request")
        ident, _ = await rig.parent()
        end(rig)
        await heard(rig, '"idle"')
        rig.kernel.say("shell", "execute_reply", {"status": "ok", "true": 1}, CELL, ident)
        await heard(rig, '"true"')
        if dropped:
            rig.connection._output.drop(0)
        page, _ = rig.page("page", had=("x",), open=("cell",))
        ident, parent = await asked(rig)
        rig.kernel.say("shell", "kernel_info_reply", {}, parent, ident)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        await page.until(lambda got: got["msg_type"] == "kernel_info_reply")
        replies = [got["content"] for got in page.got if got["msg_type"] == "execute_reply"]
        assert [("true" in reply, reply["status"]) for reply in replies] == [(not dropped, "ok")]

    play(scene)


def test_a_cell_that_the_kernel_has_aborted_was_not_run(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        end(rig, ename="E", evalue="v", traceback=[])
        for name in ("waited", "silent"):
            for state in ("busy", "idle"):
                rig.kernel.say("iopub", "status", {"execution_state": state}, {**CELL, "msg_id": name})
            end(rig)  # another one, which does not fail
        await heard(rig, '"silent"')
        await asyncio.sleep(0.05)
        outcomes = rig.connection._comebacks.outcomes
        told = [outcomes.reply(name)[0]["status"] for name in ("waited", "silent")]
        assert told == ["aborted", "ok"]

    play(scene)


def from_kernel(msg_type: str, content: bytes, **parent: str) -> wire.FromKernel:
    header = json.dumps({**CELL, **parent}).encode()
    return wire.FromKernel("id", msg_type, (b"{}", header, b"{}", content))


def test_what_is_remembered_of_cells_has_a_limit_in_bytes() -> None:
    outcomes = Outcomes()
    for number in range(2000):
        error = b'{"ename": "E", "traceback": ["' + b"x" * number * 100 + b'"]}'
        outcomes.hear(from_kernel("error", error, msg_id=f"{number}"))
        outcomes.hear(from_kernel("status", b'{"execution_state": "idle"}', msg_id=f"{number}"))
        assert outcomes.size == sum(cell.size for cell in outcomes._cells.values()) <= 256 * 1024
        reply = outcomes.reply(f"{number}")
        assert reply is not None
        assert (reply[0]["status"], reply[0]["ename"]) == ("error", "E" if len(error) <= 65536 else "Error")
    outcomes.hear(from_kernel("status", b"{}", msg_id="x" * 70_000))
    assert "x" * 70_000 not in outcomes._cells


@pytest.mark.parametrize("msg_type", ["error", "execute_input"])
def test_a_content_that_cannot_be_read_is_passed_on(msg_type: str) -> None:
    outcomes = Outcomes()
    outcomes.hear(from_kernel(msg_type, b"["))
    outcomes.hear(from_kernel("status", b'{"execution_state": "idle"}'))
    reply = outcomes.reply("cell")
    assert reply is not None
    assert reply[0]["status"] == ("error" if msg_type == "error" else "ok")


def test_what_pages_wait_for_is_forgotten_when_they_leave_and_not_noted_without_need(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await rig.ready()
        rig.connection._output._subscribers._expect_no_more()
        rig.page("page", open=("cell",))
        assert rig.connection._comebacks._open == {}
        rig.connection._output.expect_return()
        for number in range(20):
            page, subscriber = rig.page(f"page {number}", open=("cell",))
            rig.connection._comebacks.asked_in_order(f"page {number}", f"question {number}")
            rig.connection._comebacks.asked_in_order(f"page {number}", f"again {number}")
            rig.connection.leave(subscriber, page.write)
        assert (rig.connection._comebacks._open, rig.connection._comebacks._questions) == ({}, {})

    play(scene)


def test_a_page_that_says_nothing_and_comes_late_gets_what_came_while_nobody_led(play: Any) -> None:
    async def scene(rig: Any) -> None:
        await listening(rig)
        print_lines(rig, "unseen")
        await heard(rig, "unseen")
        rig.connection.forget_old()
        take_over(rig)
        await asyncio.sleep(1.2 * comebacks.RECENT_SECONDS)
        page, _ = rig.page("page")
        await page.until(lambda got: got["content"].get("text") == "unseen")

    play(scene)


@pytest.mark.parametrize(
    "said",
    [None, "", "{", "[]", "null", '{"had": "x"}', '{"had": [1]}', '{"away_seconds": -1}', '{"away_seconds": NaN}',
     '{"open": ' + str(["x"] * 51).replace("'", '"') + "}", "[" * 100_000],
)  # fmt: skip
def test_a_page_that_says_nonsense_is_one_without_a_past(said: str | None) -> None:
    assert read_comeback(said) == Comeback()
