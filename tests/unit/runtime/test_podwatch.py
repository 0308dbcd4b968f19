"""One watch: it lists, follows, resumes where it was, and lists again when the server has forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from doubles import PATIENCE_SECONDS

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from kernelpod.runtime.kubernetes import podwatch
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.runtime.kubernetes.podwatch import PodWatch
from kernelpod.settings.runtimes import Kubernetes


def a_pod(name: str, version: int, **status: Any) -> dict[str, Any]:
    """Return a pod at a version."""
    meta = {"name": name, "resourceVersion": str(version), "managedFields": ["long"]}
    return {"metadata": meta, "status": status}


class ScriptedServer(ApiServer):
    """An API server that answers lists and watches from a script, and notes what it was asked."""

    def __init__(self, lists: list[Any], watches: list[list[Any]]) -> None:
        super().__init__(Kubernetes())
        self.lists, self.watches = lists, watches
        self.asked: list[str] = []
        self.idle = asyncio.Event()
        """Set when the script is at its end; the last watch stays open for `send`."""
        self.more: asyncio.Queue[Any] = asyncio.Queue()

    async def call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        self.asked.append("list")
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        version, *pods = answer
        return {"metadata": {"resourceVersion": str(version)}, "items": pods}

    async def events(self, path: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(f"watch from {query['resourceVersion']}")
        for event in self.watches.pop(0) if self.watches else ():
            if isinstance(event, Exception):
                raise event
            yield {"type": event[0], "object": event[1]}
        while not self.watches:
            self.idle.set()
            event = await self.more.get()
            yield {"type": event[0], "object": event[1]}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podwatch, "BACK_OFF_SECONDS", (0.001, 0.002))


async def watching(lists: list[Any], watches: list[list[Any]]) -> tuple[PodWatch, ScriptedServer]:
    """Return a watch that has seen all of the script."""
    server = ScriptedServer(lists, watches)
    watch = PodWatch(server, "/pods", "a=b")
    await watch.open(5)
    await asyncio.wait_for(server.idle.wait(), PATIENCE_SECONDS)
    return watch, server


GONE = ("ERROR", {"code": 410, "reason": "Expired", "message": "too old resource version"})


async def test_it_knows_what_was_listed_and_what_came_after() -> None:
    events = [("ADDED", a_pod("b", 2)), ("MODIFIED", a_pod("a", 3, phase="Running")), ("DELETED", a_pod("b", 4))]
    watch, server = await watching([(1, a_pod("a", 1))], [events])
    assert watch.synced
    assert list(watch.pods()) == ["a"]
    assert watch.pod("a") == {"metadata": {"name": "a", "resourceVersion": "3"}, "status": {"phase": "Running"}}
    assert server.asked == ["list", "watch from 1"]
    await watch.close()


async def test_it_goes_on_where_it_was_after_bookmarks_ends_and_silence() -> None:
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "7"}})
    script = [[("ADDED", a_pod("a", 2))], [bookmark, ApiSilentError("gone")], [ApiSilentError("still")], []]
    watch, server = await watching([(1,)], script)
    assert server.asked == ["list", "watch from 1", "watch from 2", "watch from 7", "watch from 7"]
    assert list(watch.pods()) == ["a"]
    await watch.close()


@pytest.mark.parametrize("how", [GONE, ApiRefusedError(410, "Gone", "too old")])
async def test_it_lists_again_when_the_server_has_forgotten(how: Any) -> None:
    lists = [(1, a_pod("a", 1), a_pod("b", 1)), (9, a_pod("b", 8), a_pod("c", 9))]
    watch, server = await watching(lists, [[how], []])
    assert server.asked == ["list", "watch from 1", "list", "watch from 9"]
    assert sorted(watch.pods()) == ["b", "c"]
    await watch.close()


async def test_who_waits_for_a_pod_hears_of_its_deletion_while_the_watch_was_down() -> None:
    server = ScriptedServer([(1, a_pod("a", 1)), (5,)], [[], [GONE], []])
    watch = PodWatch(server, "/pods", "")
    gone = asyncio.ensure_future(watch.until("a", lambda pod: "gone" if pod is None else None))
    watch.expect(a_pod("a", 1))
    gone.cancel()
    await watch.open(5)
    assert (
        await asyncio.wait_for(watch.until("a", lambda pod: "gone" if pod is None else None), PATIENCE_SECONDS)
        == "gone"
    )
    await watch.close()


async def test_a_pod_that_is_expected_is_known_at_once_and_never_made_older() -> None:
    watch, server = await watching([(1,)], [[]])
    watch.expect(a_pod("new", 2))
    assert watch.pod("new") is not None
    server.more.put_nowait(("MODIFIED", a_pod("new", 3, phase="Running")))
    await watch.until("new", lambda pod: pod and pod["status"].get("phase"))
    watch.expect(a_pod("new", 2))
    assert watch.pods()["new"]["metadata"]["resourceVersion"] == "3"
    await watch.close()


async def test_nobody_who_gave_up_is_remembered() -> None:
    watch, _ = await watching([(1,)], [[]])
    waiting = asyncio.ensure_future(watch.until("x", lambda pod: pod))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert watch._listening == {}
    await watch.close()


async def test_a_server_that_never_answers_is_said_in_time() -> None:
    server = ScriptedServer([ApiSilentError("no")] * 1000, [])
    watch = PodWatch(server, "/pods", "")
    with pytest.raises(ApiSilentError, match="did not list"):
        await watch.open(0.05)
    assert not watch.synced
    await watch.close()
