"""An API server in memory, for runtimes that are not to need a cluster."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from kernelpod.runtime.kubernetes import runtime
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer
from kernelpod.settings.runtimes import Kubernetes

PODS, SECRETS, EXECUTORS = (
    "/api/v1/namespaces/kernels/pods",
    "/api/v1/namespaces/kernels/secrets",
    "/api/v1/namespaces/spark-ml/pods",
)
RUNS = {
    "phase": "Running",
    "podIP": "127.0.0.1",
    "containerStatuses": [{"name": "kernel", "state": {"running": {"startedAt": "2026-01-01T12:00:00Z"}}}],
}


class Cluster(ApiServer):
    """An API server that keeps objects, with Kubernetes' garbage collector. Its pods run at once."""

    def __init__(self) -> None:
        super().__init__(Kubernetes())
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.refused: set[str] = set()
        """Requests that are refused, as in `asked`."""
        self._news: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        self._news = asyncio.Queue()

    async def call(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        self.asked.append(f"{method} {path}")
        if f"{method} {path}" in self.refused:
            raise ApiRefusedError(403, "Forbidden", "not here")
        if method == "POST":
            return self._create(path, copy.deepcopy(body))
        chosen = self._chosen(path, query or {})
        if method == "DELETE":
            if path not in self.objects and query is None:
                raise ApiRefusedError(404, "NotFound", path)
            for name in chosen:
                self._delete(name)
            return {}
        return {"metadata": {"resourceVersion": "1"}, "items": [self.objects[name] for name in chosen]}

    async def events(self, path: str, query: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        while True:
            yield await self._news.get()

    def add(self, path: str, name: str, **labels: str) -> str:
        """Add an object that the gateway did not make, and return its path."""
        self._create(path, {"metadata": {"name": name, "labels": labels}})
        return f"{path}/{name}"

    def _create(self, path: str, made: dict[str, Any]) -> dict[str, Any]:
        whole = f"{path}/{made['metadata']['name']}"
        made["metadata"] |= {"uid": f"uid of {whole}", "resourceVersion": "1"}
        if path == PODS:
            made["status"] = RUNS
        if path == SECRETS:
            made["data"] = {key: base64.b64encode(text.encode()) for key, text in made.pop("stringData").items()}
        self.objects[whole] = made
        return made

    def _delete(self, path: str) -> None:
        gone = self.objects.pop(path)
        if path.startswith(PODS):
            self._news.put_nowait({"type": "DELETED", "object": gone})
        for other, found in list(self.objects.items()):
            owners = found["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == gone["metadata"]["uid"] for owner in owners) and other in self.objects:
                self._delete(other)

    def _chosen(self, path: str, query: Mapping[str, str]) -> list[str]:
        if path in self.objects:
            return [path]
        wanted = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
        below = [name for name in self.objects if name.startswith(f"{path}/")]
        return [name for name in below if wanted.items() <= self.objects[name]["metadata"]["labels"].items()]


def a_cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return the cluster that all runtimes use from now on; each pod listens at once."""

    async def listens(*_: Any) -> str:
        return "127.0.0.1"

    made = Cluster()
    monkeypatch.setattr(runtime, "ApiServer", lambda _: made)
    monkeypatch.setattr(runtime, "address_of", listens)
    return made
