"""What the cluster is told of prewarmed pods, so that the next gateway knows whose kernel is nobody's yet."""

from __future__ import annotations

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from api_double import PODS, SECRETS, Cluster, a_cluster
from doubles import a_plan
from kernelpod.base import names
from kernelpod.errors import StartFailed
from kernelpod.runtime.interface import RunningKernel
from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session

LOOK = Session(path="look.ipynb")
RECORD = KernelRecord(plan=a_plan())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return a_cluster(monkeypatch)


async def a_gateway() -> KubernetesRuntime:
    opened = KubernetesRuntime(Kubernetes())
    await opened.open()
    return opened


async def found_by_the_next() -> RunningKernel:
    """Return the one kernel that the next gateway finds."""
    gateway = await a_gateway()
    (kernel,) = await gateway.running()
    await gateway.close()
    return kernel


def note_of(cluster: Cluster) -> str:
    (path,) = [path for path in cluster.objects if path.endswith("-taken")]
    return path


async def test_a_spare_is_a_spare_for_the_next_gateway_too(cluster: Cluster) -> None:
    gateway = await a_gateway()
    assert (await gateway.start(RECORD, spare=True)).spare
    await gateway.close()
    kernel = await found_by_the_next()
    assert (kernel.spare, kernel.record) == (True, RECORD)


async def test_an_ordinary_kernel_is_none_and_nothing_is_written_of_it(cluster: Cluster) -> None:
    gateway = await a_gateway()
    assert not (await gateway.start(RECORD)).spare
    await gateway.close()
    assert not (await found_by_the_next()).spare
    assert [path for path in cluster.asked if path.startswith("POST")] == [f"POST {SECRETS}", f"POST {PODS}"]


@pytest.mark.parametrize("session", [LOOK, None])
async def test_the_next_gateway_knows_who_took_a_spare_and_what_for(
    cluster: Cluster, session: Session | None
) -> None:
    gateway = await a_gateway()
    await gateway.take(await gateway.start(RECORD, spare=True), session)
    await gateway.close()
    kernel = await found_by_the_next()
    assert (kernel.spare, kernel.record) == (False, RECORD.model_copy(update={"session": session}))


async def test_the_note_has_no_label_of_a_kernel_and_goes_with_its_pod(cluster: Cluster) -> None:
    """A gateway without notes removes what has the labels of kernels and belongs to no pod."""
    gateway = await a_gateway()
    kernel = await gateway.start(RECORD, spare=True)
    await gateway.take(kernel, LOOK)
    assert cluster.objects[note_of(cluster)]["metadata"]["labels"] == {names.LABEL_TAKEN: "kernelpod"}
    await gateway.stop(kernel, 0)
    assert cluster.objects == {}
    await gateway.close()


async def test_a_note_that_somebody_has_spoilt_takes_no_kernel_from_its_owner(cluster: Cluster) -> None:
    gateway = await a_gateway()
    await gateway.take(await gateway.start(RECORD, spare=True), LOOK)
    await gateway.close()
    cluster.objects[note_of(cluster)]["data"] = {"session.json": "e30="}
    kernel = await found_by_the_next()
    assert (kernel.spare, kernel.record) == (False, RECORD)


async def test_a_spare_that_cannot_be_noted_is_not_handed_out(cluster: Cluster) -> None:
    gateway = await a_gateway()
    kernel = await gateway.start(RECORD, spare=True)
    cluster.refused.add(f"POST {SECRETS}")
    with pytest.raises(StartFailed):
        await gateway.take(kernel, LOOK)
    await gateway.stop(kernel, 0)
    with pytest.raises(StartFailed):
        await gateway.take(kernel, LOOK)
    await gateway.close()
