"""An interrupt by message: the gateway waits for the kernel's word, and pages hear nothing of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.gateway.channels import probe
from unit.gateway.channels.conftest import Rig


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "INTERRUPT_SECONDS", 30)


async def _interrupting(
    rig: Rig, *, wait: bool = True
) -> tuple[asyncio.Future[None], list[bytes], dict[str, Any]]:
    """Return an interrupt that has reached the kernel, and who sent which request."""
    interrupt = asyncio.ensure_future(rig.connection.probe.interrupt(wait=wait))
    ident, parts = await rig.kernel.heard("control")
    return interrupt, ident, rig.kernel.session.deserialize(parts)


def test_it_returns_when_the_kernel_has_done_it_and_pages_hear_nothing(play: Any) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        interrupt, ident, parent = await _interrupting(rig)
        assert parent["msg_type"] == "interrupt_request"
        rig.kernel.say("iopub", "status", {"execution_state": "busy"}, parent)
        await asyncio.wait({interrupt}, timeout=0.1)
        assert not interrupt.done()
        rig.kernel.say("control", "interrupt_reply", {"status": "ok"}, parent, ident)
        await interrupt
        rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "next"}, {})
        await page.until(lambda got: got["content"].get("text") == "next")
        assert page.types() == ["stream"]
        assert page.types("control") == []

    play(scene)


def test_a_kernel_that_answers_no_interrupt_is_not_waited_for(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(rig: Rig) -> None:
        await rig.ready()
        await (await _interrupting(rig, wait=False))[0]
        monkeypatch.setattr(probe, "INTERRUPT_SECONDS", 0.01)
        await (await _interrupting(rig))[0]

    play(scene)


def test_any_number_of_interrupts_leaves_little_behind(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MOST_REQUESTS", 5)

    async def scene(rig: Rig) -> None:
        await rig.ready()
        page, _ = rig.page("one")
        asked = [(await _interrupting(rig, wait=False))[2] for _ in range(6)]
        for parent in asked:
            rig.kernel.say("iopub", "status", {"execution_state": "idle"}, parent)
        rig.kernel.say("iopub", "stream", {"name": "stdout", "text": "next"}, {})
        await page.until(lambda got: got["content"].get("text") == "next")
        states = [got["parent_header"]["msg_id"] for got in page.got if got["msg_type"] == "status"]
        assert states == [asked[0]["header"]["msg_id"]], "of the oldest it knows nothing any more"

    play(scene)
