"""Keeps the state of all kernel pods of this installation up to date with one watch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from kernelpod.base.retry import back_off
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError

log = logging.getLogger(__name__)

T = TypeVar("T")
Pod = dict[str, Any]

# The server ends a watch after this many seconds, and the next watch continues from there.
WATCH_SECONDS = 290
BACK_OFF_SECONDS = (0.1, 5.0)
# HTTP 410 Gone: the server no longer has the resource version to continue from.
GONE = 410


class PodWatch:
    """The pods at `path` that match `selector`. Their state may lag behind the cluster."""

    def __init__(self, api: ApiServer, path: str, selector: str) -> None:
        self._api, self._path, self._selector = api, path, selector
        self._pods: dict[str, Pod] = {}
        self._listening: dict[str, set[asyncio.Future[None]]] = {}
        self._version = ""
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        self.synced = False
        """Whether the watch is running. If not, the state of the pods may be out of date."""

    async def open(self, seconds: float) -> None:
        """Start watching, or start anew, and return once all pods are listed.

        Raises ApiSilentError after `seconds`.
        """
        await self.close()
        self._version = ""
        self._first.clear()
        self._task = asyncio.ensure_future(self._run())
        try:
            await asyncio.wait_for(self._first.wait(), seconds)
        except asyncio.TimeoutError as error:
            raise ApiSilentError(f"the API server did not list the kernel pods within {seconds:g} s") from error

    async def close(self) -> None:
        """Stop watching."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def pods(self) -> dict[str, Pod]:
        """Return all pods by name."""
        return dict(self._pods)

    def pod(self, name: str) -> Pod | None:
        """Return the pod of this name, or None if there is none."""
        return self._pods.get(name)

    def expect(self, pod: Pod) -> None:
        """Add a pod that was just created, before the watch reports it."""
        self._pods.setdefault(pod["metadata"]["name"], pod)

    async def until(self, name: str, answer: Callable[[Pod | None], T | None]) -> T:
        """Return `answer(pod)` as soon as it is not None. It is called now and whenever the pod changes."""
        while (found := answer(self._pods.get(name))) is None:
            news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._listening.setdefault(name, set()).add(news)
            try:
                await news
            finally:
                self._stop_listening(name, news)
        return found

    def _stop_listening(self, name: str, news: asyncio.Future[None]) -> None:
        others = self._listening.get(name, set())
        others.discard(news)
        if not others:
            self._listening.pop(name, None)

    async def _run(self) -> None:
        pauses = _pauses()
        while True:
            try:
                if not self._version:
                    await self._list()
                self.synced = True
                self._first.set()
                await self._follow()
                pauses = _pauses()
            except ApiRefusedError as error:
                if error.status == GONE:
                    self._version = ""
                    continue
                self._lost(error)
            except ApiSilentError as error:
                self._lost(error)
            await asyncio.sleep(next(pauses))

    def _lost(self, error: Exception) -> None:
        log.log(logging.WARNING if self.synced else logging.DEBUG, "kernel pods are not watched: %s", error)
        self.synced = False

    async def _list(self) -> None:
        before = set(self._pods)  # pods that `expect` adds during the request may be newer than the list
        answer = await self._api.call("GET", self._path, {"labelSelector": self._selector})
        listed = {pod["metadata"]["name"]: pod for pod in answer["items"]}
        for name in before - listed.keys():
            self._learn(name, None)
        for name, pod in listed.items():
            self._learn(name, pod)
        self._version = answer["metadata"]["resourceVersion"]

    async def _follow(self) -> None:
        query = {
            "labelSelector": self._selector,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async for event in self._api.events(self._path, query):
            kind, pod = event["type"], event["object"]
            if kind == "ERROR":
                raise ApiRefusedError(pod.get("code", 500), pod.get("reason", ""), pod.get("message", ""))
            self._version = pod["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._learn(pod["metadata"]["name"], None if kind == "DELETED" else pod)

    def _learn(self, name: str, pod: Pod | None) -> None:
        if pod is None:
            self._pods.pop(name, None)
        else:
            pod["metadata"].pop("managedFields", None)
            self._pods[name] = pod
        for news in self._listening.pop(name, ()):
            if not news.done():
                news.set_result(None)


def _pauses() -> Iterator[float]:
    return back_off(*BACK_OFF_SECONDS, jitter=0.5)
