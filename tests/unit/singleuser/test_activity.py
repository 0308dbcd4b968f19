"""What a server notes of its kernels at the gateway: activity of those that work, and none of its own making."""

from __future__ import annotations

import asyncio
import logging
import sys
from datetime import datetime, timedelta, timezone
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from kernelpod.singleuser.activity import (
    DEFAULT_SECONDS,
    SETTING,
    Bridge,
    Kernels,
    last_activity,
    period,
    start_bridge,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
log = logging.getLogger("a server")


def model(state: str = "idle", said: str = "2026-01-01T11:00:00.000000Z", **keys: Any) -> dict[str, Any]:
    return {"id": "k", "execution_state": state, "last_activity": said, **keys}


@pytest.mark.parametrize(
    ("models", "keep_busy", "hours_ago"),
    [
        ([], True, None),
        ([model()], True, 1),
        ([model(said="2026-01-01T11:00:00Z")], True, 1),
        ([model(said="2026-01-01T11:00:00")], True, 1),
        ([model(said="2026-01-01T11:00:00+00:00")], True, 1),
        ([model(said="2026-01-01T23:00:00.000000Z")], True, 0),
        ([model("busy")], True, 0),
        ([model("busy")], False, 1),
        ([model("starting")], True, 1),
        ([model("dead")], True, 1),
        ([model(said="2026-01-01T09:00:00.000000Z"), model()], True, 1),
        ([model("busy", "2026-01-01T02:00:00.000000Z"), model()], True, 0),
    ],
)
def test_when_kernels_last_did_something(models: list[Any], keep_busy: bool, hours_ago: int | None) -> None:
    wanted = None if hours_ago is None else NOW - timedelta(hours=hours_ago)
    assert last_activity(models, NOW, keep_busy) == wanted


class Gateway:
    """Answers with what it holds; an exception is raised."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def __call__(self) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def age(settings: dict[str, Any]) -> timedelta:
    found: timedelta = datetime.now(timezone.utc) - settings[SETTING]
    return found


async def test_an_idle_server_does_not_keep_itself_alive_by_asking() -> None:
    settings: dict[str, Any] = {}
    bridge = Bridge(Gateway([model()]), settings, log)
    for _ in range(3):
        await bridge.look()
    assert settings == {SETTING: NOW - timedelta(hours=1)}


async def test_without_kernels_nothing_is_noted() -> None:
    settings: dict[str, Any] = {}
    await Bridge(Gateway([]), settings, log).look()
    assert settings == {}


async def test_what_was_noted_does_not_go_back_when_the_kernel_is_gone() -> None:
    settings: dict[str, Any] = {}
    gateway = Gateway([model("busy")])
    bridge = Bridge(gateway, settings, log)
    await bridge.look()
    noted = settings[SETTING]
    for answer in ([model()], []):
        gateway.answer = answer
        await bridge.look()
        assert settings[SETTING] == noted


ODD: list[Any] = [
    OSError("refused"),
    ValueError("no JSON"),
    asyncio.TimeoutError(),
    [{"id": "k"}],
    [model(said="yesterday")],
    [model(said=None)],  # type: ignore[arg-type]
    ["k"],
    None,
]


@pytest.mark.parametrize("answer", ODD, ids=repr)
async def test_while_the_gateway_does_not_say_who_computed_still_does(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {}
    gateway = Gateway([model("busy")])
    bridge = Bridge(gateway, settings, log)
    caplog.set_level("INFO")
    await bridge.look()
    settings[SETTING] = NOW
    gateway.answer = answer
    for _ in range(3):
        await bridge.look()
    assert age(settings) < timedelta(hours=1)
    gateway.answer = [model()]
    await bridge.look()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"], "each is said once"


async def test_while_the_gateway_does_not_say_an_idle_server_stays_idle() -> None:
    settings: dict[str, Any] = {}
    gateway = Gateway([model()])
    bridge = Bridge(gateway, settings, log)
    await bridge.look()
    gateway.answer = OSError("refused")
    await bridge.look()
    assert settings == {SETTING: NOW - timedelta(hours=1)}


async def test_a_gateway_that_was_never_there_changes_nothing() -> None:
    settings: dict[str, Any] = {}
    await Bridge(Gateway(OSError("refused")), settings, log).look()
    assert settings == {}


async def test_cancelled_it_ends_also_amid_a_question() -> None:
    asked = asyncio.Event()

    async def silent() -> list[Any]:
        asked.set()
        await asyncio.Event().wait()
        return []

    task = asyncio.ensure_future(Bridge(silent, {}, log).run(60))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Manager(dict[str, Any]):
    """The part of jupyter_server's kernel manager that is used."""

    kernels_url = "http://gateway/api/kernels"

    def list_kernel_ids(self) -> list[str]:
        return list(self)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """What the gateway lists; the way to ask it needs jupyter_server 2 and is replaced."""
    gateway = Gateway([])

    async def ask(url: str) -> Any:
        assert url == Manager.kernels_url
        return await gateway()

    module = ModuleType("kernelpod.singleuser.asking")
    module.ask = ask  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return gateway


async def test_only_kernels_of_this_server_count(listed: Gateway) -> None:
    listed.answer = [
        model(id="known"),
        model(id="before", server=""),
        model(id="other", server="named"),
        model(id="script", server=None),
        model(id="stock"),
    ]
    found = await Kernels(Manager(known=1), "")()
    assert [one["id"] for one in found] == ["known", "before"]
    assert [one["id"] for one in await Kernels(Manager(), "named")()] == ["other"]


async def test_a_server_without_kernels_asks_once_and_again_when_it_has_started_one(listed: Gateway) -> None:
    manager = Manager()
    kernels = Kernels(manager, "")
    for _ in range(3):
        assert list(await kernels()) == []
    assert listed.asked == 1
    manager["k"] = 1
    listed.answer = [model(server="")]
    assert len(await kernels()) == 1
    manager.clear()
    assert len(await kernels()) == 1, "it had one"
    listed.answer = []
    for _ in range(3):
        assert await kernels() == []
    assert listed.asked == 4


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, DEFAULT_SECONDS),
        ({"KERNELPOD_ACTIVITY_SECONDS": "2.5"}, 2.5),
        *(
            ({"KERNELPOD_ACTIVITY_SECONDS": wrong}, DEFAULT_SECONDS)
            for wrong in ("", "soon", "0", "-1", "inf", "nan")
        ),
    ],
)
def test_how_often_is_a_variable(given: dict[str, str], seconds: float) -> None:
    assert period(given) == seconds


def test_a_server_with_kernels_of_its_own_asks_nobody() -> None:
    assert start_bridge(SimpleNamespace(gateway_config=SimpleNamespace(gateway_enabled=False))) is None
