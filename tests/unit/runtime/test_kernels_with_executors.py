"""What the gateway makes for a kernel with executors of Spark, and that all of it goes with the kernel."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from api_double import EXECUTORS, PODS, SECRETS, Cluster, a_cluster
from doubles import a_plan, a_spec
from kernelpod.base import names
from kernelpod.errors import StartFailed
from kernelpod.runtime.kubernetes import removal
from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.record import KernelRecord

SETTINGS = Kubernetes(executors=("spark-ml", "spark-staff"))
BESIDE, AMONG = (
    f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies" for namespace in ("kernels", "spark-ml")
)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return the cluster that every gateway of the test uses; each pod listens at once."""
    return a_cluster(monkeypatch)


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
