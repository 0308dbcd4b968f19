"""A kernel's pod with containers of the site's: only the kernel's own container says whether the kernel runs."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.runtime.kubernetes import reasons
from plans import PLANS

PLAN = PLANS["additions"]()
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
NO_IMAGE = {"waiting": {"reason": "ErrImagePull", "message": "manifest unknown"}}


def ended(code: int, **more: str) -> dict[str, Any]:
    """Return the state of a container that ended."""
    return {"terminated": {"exitCode": code, "reason": "Error", **more}}


def a_pod(kernel: dict[str, Any], phase: str = "Running", **added: dict[str, Any]) -> dict[str, Any]:
    """Return a pod with the state of the kernel, and of `wait` and `proxy`, where they say one."""
    names = {"wait": "wait-for-licences", "proxy": "proxy"}
    return {
        "metadata": {"name": "k", "uid": "1"},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.9",
            "initContainerStatuses": [{"name": names[key], "state": state} for key, state in added.items()],
            "containerStatuses": [{"name": "kernel", "state": kernel}],
        },
    }


def test_a_kernel_that_ended_is_seen_though_a_sidecar_runs() -> None:
    found = reasons.ended(a_pod(ended(3), proxy=RUNNING), PLAN)
    assert found is not None
    assert (found.code, "exit code 3" in found.reason) == ("kernel_exited", True)


def test_sidecars_listed_first_among_the_containers_are_not_taken_for_the_kernel() -> None:
    pod = a_pod(RUNNING)
    pod["status"]["containerStatuses"].insert(0, {"name": "injected", "state": ended(1)})
    assert reasons.ended(pod, PLAN) is None
    assert reasons.address(pod) == "10.0.0.9"


@pytest.mark.parametrize("proxy", [ended(1), {"waiting": {"reason": "CrashLoopBackOff"}}, RUNNING])
def test_a_sidecar_that_ends_and_is_restarted_ends_no_kernel(proxy: dict[str, Any]) -> None:
    pod = a_pod(RUNNING, proxy=proxy)
    assert reasons.ended(pod, PLAN) is None
    assert reasons.obstacle(pod, (), PLAN) is None
    assert reasons.address(pod) == "10.0.0.9"


def test_a_kernel_is_not_there_before_its_sidecar_runs() -> None:
    waits = {"waiting": {"reason": "PodInitializing"}}
    assert reasons.address(a_pod(waits, "Pending", proxy=waits)) is None


def test_an_init_container_that_fails_is_named() -> None:
    waits = {"waiting": {"reason": "PodInitializing"}}
    found = reasons.ended(a_pod(waits, "Failed", wait=ended(7, message="no licence server")), PLAN)
    assert found is not None
    assert (found.code, found.detail) == ("site_container_failed", "no licence server")
    assert "'wait-for-licences', which this site adds to kernels, failed with exit code 7" in found.reason
    assert reasons.ended(a_pod(waits, "Pending", wait=ended(0)), PLAN) is None


def test_an_eviction_in_the_middle_of_it_is_called_one() -> None:
    pod = a_pod({"waiting": {"reason": "PodInitializing"}}, "Failed", wait=ended(137))
    pod["status"]["reason"] = "Evicted"
    found = reasons.ended(pod, PLAN)
    assert found is not None
    assert found.code == "evicted"


@pytest.mark.parametrize("which", ["wait", "proxy"])
def test_an_image_that_is_missing_is_not_called_the_kernels(which: str) -> None:
    waits = {"waiting": {"reason": "PodInitializing"}}
    found = reasons.obstacle(a_pod(waits, "Pending", **{which: NO_IMAGE}), (), PLAN)
    assert found is not None
    assert found.final
    assert found.ended.code == "image_unavailable"
    assert f"registry.example/{which}" in found.ended.reason
    assert "The kernel's image" not in found.ended.reason


def test_a_container_that_cannot_be_made_is_named() -> None:
    refused = {"waiting": {"reason": "CreateContainerError", "message": "no such file"}}
    found = reasons.obstacle(a_pod({}, "Pending", proxy=refused), (), PLAN)
    assert found is not None
    assert (found.final, found.ended.code) == (True, "site_container_failed")
    assert "'proxy'" in found.ended.reason
