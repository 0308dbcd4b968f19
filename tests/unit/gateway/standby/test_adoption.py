"""Kernels that a gateway takes over."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from doubles import a_connection, a_plan
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.runtime.interface import RunningKernel
from kernelpod.start.record import KernelRecord


async def test_a_kernel_that_was_idle_for_long_is_not_ended_before_its_pages_come_back() -> None:
    running = RunningKernel(KernelRecord(plan=a_plan()), a_connection(), "1")
    kernel = SimpleNamespace(
        record=running.record,
        idle_since=time.monotonic() - 100_000,
        connection=SimpleNamespace(speak=list, release=list),
        process_proxy=None,
        post_start_kernel=list,
        state_now=lambda: "idle",
        kernel_name="",
    )

    async def nothing(*_: Any) -> Any:
        return [running]

    kernels: Any = SimpleNamespace(
        runtime=SimpleNamespace(running=nothing),
        _kernels={},
        _kernel_connections={},
        _finish_kernel_start=nothing,
        _settling=[],
        _settle=nothing,
        audit=SimpleNamespace(write=lambda *_, **__: None),
    )
    kernels.admit = partial(DirectMappingKernelManager.admit, kernels)
    await DirectMappingKernelManager.adopt(kernels, lambda _: kernel)  # type: ignore[arg-type, return-value]
    assert time.monotonic() - kernel.idle_since < 60
