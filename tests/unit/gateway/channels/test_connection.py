"""One connection for all pages of a kernel: who gets what, what waits, and what is said when a kernel ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

import zmq

from kernelpod.gateway.channels import sockets
from unit.gateway.channels.conftest import Rig


@pytest.mark.parametrize("aside", ["debug_request", "kernel_info_request", "create_subshell_request"])
def test_the_control_channel_and_subshells_do_not_end_busy(play: Any, aside: str) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.states.clear()
        cell = {"header": {"msg_id": "cell", "msg_type": "execute_request"}}
        debug = {"header": {"msg_id": "debug", "msg_type": aside}}
        shell = {"header": {"msg_id": "sub", "msg_type": "execute_request", "subshell_id": "s1"}}
        for parent, state in [(cell, "busy"), (debug, "busy"), (debug, "idle"), (shell, "busy"), (shell, "idle")]:
            rig.kernel.say("iopub", "status", {"execution_state": state}, parent)
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "x"}, cell)
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, cell)
        await page.until(lambda got: got["parent_header"].get("msg_id") == "cell" and "idle" in str(got))
        assert rig.states == ["busy", "", "", "busy", "busy", "", "idle"]

    play(scene)


def test_a_reply_goes_to_its_page_or_to_all_when_that_is_away(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        (one, subscriber), (other, _) = rig.page("one"), rig.page("other")
        rig.ask("one", "1")
        ident, parent = await rig.parent()
        rig.kernel.say("stdin", "input_request", {"prompt": "?"}, parent, ident)
        await one.until(lambda got: got["channel"] == "stdin")
        rig.kernel.say("shell", "execute_reply", {}, parent, ident)
        await one.until(lambda got: got["channel"] == "shell")
        assert (other.types("shell"), other.types("stdin")) == ([], [])
        rig.ask("one", "2")
        ident, parent = await rig.parent()
        rig.connection.leave(subscriber, one.write)
        rig.kernel.say("shell", "execute_reply", {}, parent, ident)
        await other.until(lambda got: got["channel"] == "shell")
        back, _ = rig.page("one")
        await back.until(lambda got: got["parent_header"].get("msg_id") == "2")

    play(scene)


def test_what_is_sent_while_a_kernel_starts_waits_for_it_in_order(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        page, _ = rig.page("one")
        for number in range(5):
            rig.ask("one", str(number))
        await rig.ready()
        assert [(await rig.parent())[1]["header"]["msg_id"] for _ in range(5)] == list("01234")
        assert page.closed == []

    play(scene)


def test_all_requests_of_a_dead_kernel_end_with_its_reason(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        rig.ask("one", "before")
        rig.connection.hold()
        rig.ask("one", "waiting")
        rig.connection.die("It was out of memory.")
        rig.ask("one", "after")
        for msg_id in ("before", "waiting", "after"):
            mine = [got for got in page.got if got["parent_header"].get("msg_id") == msg_id]
            assert [got["msg_type"] for got in mine] == ["error", "execute_reply", "status"], msg_id
            assert mine[1]["content"]["evalue"] == "It was out of memory."
        assert page.types()[-1] == "status"
        assert [got["content"] for got in page.got if not got["parent_header"]] == [{"execution_state": "dead"}]

    play(scene)


@pytest.mark.parametrize("held", [False, True], ids=["a kernel that never reads", "a kernel that starts"])
def test_what_waits_for_a_kernel_is_bounded(play: Any, held: bool) -> None:
    async def scene(rig: Rig) -> None:
        if not held:
            await rig.ready()
        page, _ = rig.page("one")
        for number in range(20):
            rig.ask("one", str(number), code="x" * 10_000)
        refused = [got["parent_header"]["msg_id"] for got in page.got if got["msg_type"] == "execute_reply"]
        assert refused == [str(number) for number in range(9, 20)]
        assert rig.connection._held_bytes + rig.connection._requests.unread_bytes <= 100_000

    play(scene, max_backlog_bytes=100_000)


def test_what_a_kernel_has_read_does_not_count(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        for number in range(20):
            rig.ask("one", str(number), kind="comm_info_request", code="x" * 10_000)
            _, parent = await rig.parent()
            rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
            await page.until(lambda got, wanted=str(number): got["parent_header"].get("msg_id") == wanted)
        assert page.types("shell") == []

    play(scene, max_backlog_bytes=100_000)


def test_a_page_that_comes_back_replaces_its_old_websocket(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        old, subscriber = rig.page("one")
        new, _ = rig.page("one")
        assert [status for status, _ in old.closed] == [1001]
        rig.connection.leave(subscriber, old.write)
        assert rig.connection.pages == 1
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "x"}, None)
        await new.until(lambda got: got["msg_type"] == "stream")
        assert old.got == []

    play(scene)


def test_a_kernel_that_closes_its_connections_is_connected_later_each_time(play: Any, tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        shell, made = tmp_path / "shell", list[float]()
        open_socket = rig.open_socket

        def counted(channel: str, identity: bytes) -> tuple[zmq.Socket[bytes], str]:
            made.append(asyncio.get_running_loop().time())
            return open_socket(channel, identity)

        rig.connection._sockets._open_socket = counted
        rig.kernel.sockets["shell"].close()
        shell.unlink(missing_ok=True)
        hang_up = await asyncio.start_unix_server(lambda _, writer: writer.close(), str(shell))
        await asyncio.sleep(2)
        hang_up.close()
        assert 2 <= len(made) <= 12, made

    play(scene)


def test_a_kernel_that_prints_faster_than_it_is_read_does_not_keep_its_sockets_open(
    play: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MOST_DRAINED", 10)

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        for _ in range(100):
            rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "x"}, None)
        time.sleep(0.3)  # noqa: ASYNC251 - libzmq delivers in threads of its own, and nothing is read meanwhile
        before = page.types().count("stream")
        rig.connection.close()
        assert page.types().count("stream") - before <= 10

    play(scene)


def test_few_absent_pages_are_remembered(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        for number in range(50):
            page, subscriber = rig.page(str(number))
            rig.connection.leave(subscriber, page.write)
        rig.page("last")
        assert len(list(rig.connection._output._subscribers)) < 12
        assert rig.connection.pages == 1

    play(scene)


def test_what_waits_for_a_page_that_is_away_is_within_its_users_budget(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        (away, subscriber), (here, _) = rig.page("away"), rig.page("here")
        rig.connection.leave(subscriber, away.write)
        for number in range(40):
            rig.kernel.say("iopub", "stream", {"text": f"{number}{'x' * 50_000}"}, {})
        await here.until(lambda got: str(got["content"].get("text")).startswith("39"))
        assert 500_000 < rig.budget.size <= 1_000_000

    play(scene, max_user_backlog_bytes=1_000_000)
