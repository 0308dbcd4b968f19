"""A request ends in every page, though the kernel's own word of its end is lost."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels import ends
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
