"""Quotas that count pods for a while after they were removed."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from api_double import PODS, Cluster, a_cluster
from doubles import a_plan
from kernelpod.errors import StartFailed
from kernelpod.runtime.kubernetes import runtime
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError
from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.record import KernelRecord


def refuse(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, times: int) -> list[str]:
    """Refuse to create so many pods, as a quota does; return what was refused."""
    refused: list[str] = []
    call = cluster.call

    async def counted(method: str, path: str, query: Any = None, body: Any = None) -> dict[str, Any]:
        if (method, path) == ("POST", PODS) and len(refused) < times:
            refused.append(path)
            raise ApiRefusedError(403, "Forbidden", "exceeded quota: few, used: pods=1, limited: pods=1")
        return await call(method, path, query, body)

    monkeypatch.setattr(cluster, "call", counted)
    return refused


async def test_a_start_waits_until_a_removed_pod_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = a_cluster(monkeypatch)
    gateway = KubernetesRuntime(Kubernetes())
    await gateway.open()
    await gateway.stop(await gateway.start(KernelRecord(plan=a_plan())), 0)
    refused = refuse(monkeypatch, cluster, 2)
    await gateway.start(KernelRecord(plan=a_plan()))
    assert len(refused) == 2
    await gateway.close()


@pytest.mark.parametrize("removed", [False, True])
async def test_a_quota_that_is_used_up_is_said(monkeypatch: pytest.MonkeyPatch, removed: bool) -> None:
    cluster = a_cluster(monkeypatch)
    gateway = KubernetesRuntime(Kubernetes())
    await gateway.open()
    if removed:
        monkeypatch.setattr(runtime, "COUNTED_SECONDS", 0.3)
        await gateway.stop(await gateway.start(KernelRecord(plan=a_plan())), 0)
    refuse(monkeypatch, cluster, 1000)
    with pytest.raises(StartFailed) as refused:
        await gateway.start(KernelRecord(plan=a_plan()))
    assert refused.value.code == "quota_exceeded"
    await gateway.close()
