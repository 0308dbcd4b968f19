"""A start that is under way when the gateway may no longer lead."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from api_double import a_cluster
from doubles import PATIENCE_SECONDS, a_plan
from kernelpod.runtime.kubernetes.runtime import KubernetesRuntime
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.record import KernelRecord


async def test_who_may_lead_no_more_does_not_connect_to_a_kernel_that_has_just_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = a_cluster(monkeypatch)
    gateway = KubernetesRuntime(Kubernetes())
    await gateway.open()
    cluster.is_fenced = lambda: True
    start = asyncio.ensure_future(gateway.start(KernelRecord(plan=a_plan())))
    for _ in range(1000):
        if cluster.objects:
            break
        await asyncio.sleep(0.01)
    assert cluster.objects
    await asyncio.wait({start}, timeout=0.5)
    assert not start.done()
    cluster.is_fenced = lambda: False
    await asyncio.wait_for(start, PATIENCE_SECONDS)
    await gateway.close()
