"""What the gateway makes for a kernel with executors of Spark, and that all of it goes with the kernel."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from doubles import a_plan, a_spec
from kernelpod.base import names
from kernelpod.errors import StartFailed
from kernelpod.runtime.kubernetes import removal, runtime
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer
from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.record import KernelRecord

SETTINGS = Kubernetes(executors=("spark-ml", "spark-staff"))
PODS, SECRETS, EXECUTORS = (
    "/api/v1/namespaces/kernels/pods",
    "/api/v1/namespaces/kernels/secrets",
    "/api/v1/namespaces/spark-ml/pods",
)
BESIDE, AMONG = (
    f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies" for namespace in ("kernels", "spark-ml")
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


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return the cluster that every gateway of the test uses; each pod listens at once."""

    async def listens(*_: Any) -> str:
        return "127.0.0.1"

    made = Cluster()
    monkeypatch.setattr(runtime, "ApiServer", lambda _: made)
    monkeypatch.setattr(runtime, "address_of", listens)
    return made


async def a_gateway() -> KubernetesRuntime:
    opened = KubernetesRuntime(SETTINGS)
    await opened.open()
    return opened


def record(account: str = "spark-ml") -> KernelRecord:
    return KernelRecord(plan=a_plan(spec=a_spec(service_account=account or None)))


def driver_of(cluster: Cluster) -> str:
    (path,) = [path for path in cluster.objects if path.startswith(f"{PODS}/")]
    return path.rpartition("/")[2]


async def removed(gateway: KubernetesRuntime, cluster: Cluster) -> None:
    """Wait until the gateway removes nothing more, and end it."""
    while going := list(gateway._removal._going.values()):
        await asyncio.wait_for(asyncio.gather(*going), 5)
    await gateway.close()


async def test_a_kernel_has_its_policies_before_it_has_a_pod(cluster: Cluster) -> None:
    gateway = await a_gateway()
    await gateway.start(record())
    made = [asked for asked in cluster.asked if asked.startswith("POST")]
    assert made == [f"POST {SECRETS}", f"POST {AMONG}", f"POST {BESIDE}", f"POST {PODS}"]
    name = driver_of(cluster)
    for path in (BESIDE, AMONG):
        spec = cluster.objects[f"{path}/{name}"]["spec"]
        assert spec["podSelector"] == {"matchLabels": {names.LABEL_DRIVER: name}}
    (owner,) = cluster.objects[f"{BESIDE}/{name}"]["metadata"]["ownerReferences"]
    assert owner["uid"] == cluster.objects[f"{SECRETS}/{name}"]["metadata"]["uid"]
    assert "ownerReferences" not in cluster.objects[f"{AMONG}/{name}"]["metadata"]
    await gateway.close()


@pytest.mark.parametrize("account", ["", "other"])
async def test_a_kernel_that_cannot_start_executors_has_no_policy(cluster: Cluster, account: str) -> None:
    gateway = await a_gateway()
    kernel = await gateway.start(record(account))
    await gateway.stop(kernel, 0)
    assert not [asked for asked in cluster.asked if "networkpolicies" in asked or "/spark-" in asked]
    assert cluster.objects == {}
    await gateway.close()


async def test_a_kernel_that_is_stopped_takes_its_executors_with_it_and_no_others(cluster: Cluster) -> None:
    gateway = await a_gateway()
    kernel = await gateway.start(record())
    cluster.add(EXECUTORS, "exec-1", **{names.LABEL_DRIVER: driver_of(cluster)})
    other = cluster.add(EXECUTORS, "exec-2", **{names.LABEL_DRIVER: "k-bob-1"})
    await gateway.stop(kernel, 0)
    assert list(cluster.objects) == [other]
    await gateway.close()


@pytest.mark.parametrize("refused", [AMONG, BESIDE, PODS])
async def test_a_start_that_is_refused_leaves_nothing(cluster: Cluster, refused: str) -> None:
    cluster.refused.add(f"POST {refused}")
    gateway = await a_gateway()
    with pytest.raises(StartFailed, match="not here"):
        await gateway.start(record())
    await removed(gateway, cluster)
    assert cluster.objects == {}


async def test_the_next_gateway_keeps_running_kernels_and_removes_what_others_left(cluster: Cluster) -> None:
    first = await a_gateway()
    await first.start(record())
    own = cluster.add(EXECUTORS, "exec-1", **{names.LABEL_DRIVER: driver_of(cluster)})
    await first.close()
    before = set(cluster.objects)
    cluster.add(AMONG, "k-bob-1", **names.release_labels("kernelpod"))
    cluster.add(EXECUTORS, "exec-2", **{names.LABEL_DRIVER: "k-bob-1"})
    others = cluster.add(AMONG, "executors", **names.release_labels("other"))
    second = await a_gateway()
    assert len(await second.running()) == 1
    await removed(second, cluster)
    assert set(cluster.objects) == {*before, others}
    assert own in before


async def test_a_gateway_that_takes_over_keeps_a_kernel_that_its_watch_has_not_seen(cluster: Cluster) -> None:
    second, first = await a_gateway(), await a_gateway()
    await first.start(record())
    before = set(cluster.objects)
    (kernel,) = await second.running()
    await removed(second, cluster)
    assert set(cluster.objects) == before
    assert second.ended(kernel) is None
    for gateway in (first, second):
        await gateway.close()


async def test_the_policy_that_names_executors_stays_while_they_cannot_be_removed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what the next gateway finds them by."""
    monkeypatch.setattr(removal, "PERSIST_SECONDS", 0)
    gateway = await a_gateway()
    kernel = await gateway.start(record())
    name = driver_of(cluster)
    executor = cluster.add(EXECUTORS, "exec-1", **{names.LABEL_DRIVER: name})
    cluster.refused.add(f"DELETE {EXECUTORS}")
    await gateway.stop(kernel, 0)
    assert set(cluster.objects) == {executor, f"{AMONG}/{name}"}
    await gateway.close()
    cluster.refused.clear()
    second = await a_gateway()
    assert await second.running() == []
    await removed(second, cluster)
    assert cluster.objects == {}
