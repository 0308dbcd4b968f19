"""What Kubernetes says of a pod, and what its user is told: one table of pods as the API server gives them."""

from __future__ import annotations

from typing import Any

import pytest

from doubles import a_plan
from kernelpod.runtime.kubernetes import reasons

PLAN = a_plan()


def a_pod(kernel: dict[str, Any] | None = None, *, deleted: bool = False, **status: Any) -> dict[str, Any]:
    """Return a pod; `kernel` is the state of its container."""
    states = [] if kernel is None else [{"name": "sidecar", "state": {}}, {"name": "kernel", "state": kernel}]
    meta = {"name": "k", "uid": "1", **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {})}
    return {"metadata": meta, "status": {"phase": "Running", "containerStatuses": states, **status}}


def condition(kind: str, status: str, message: str = "") -> dict[str, Any]:
    """Return conditions with one in it."""
    return {"conditions": [{"type": kind, "status": status, "message": message}]}


def terminated(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    """Return the state of a container that ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def init(code: int) -> dict[str, Any]:
    """Return the status of a home check that ended."""
    return {"initContainerStatuses": [{"name": "home-check", "state": terminated(code)}]}


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
ENDED = {
    "gone": (None, "pod_deleted", "deleted"),
    "out of memory": (a_pod(terminated(137, "OOMKilled")), "out_of_memory", "limit of 1024 MiB"),
    "crash": (
        a_pod(terminated(1, message="Traceback\nValueError: x\n")),
        "kernel_exited",
        "output: ValueError: x",
    ),
    "full": (
        a_pod(terminated(1, message="OSError: [Errno 28] No space left on device")),
        "disk_full",
        "Delete files",
    ),
    "over quota": (a_pod(terminated(1, message="[Errno 122] Disk quota exceeded: '/home'")), "disk_full", "quota"),
    "silent crash": (a_pod(terminated(3)), "kernel_exited", "with exit code 3."),
    "signal": (a_pod(terminated(139)), "kernel_exited", "by signal 11"),
    "a clean end": (a_pod(terminated(0, "Completed"), phase="Succeeded"), "kernel_exited", "exit code 0"),
    "by hand": (a_pod(terminated(143), deleted=True), "pod_deleted", "deleted"),
    "no such command": (
        a_pod(terminated(128, "StartError", 'exec: "python": executable file not found in $PATH')),
        "command_not_found",
        "'python'",
    ),
    "not startable": (
        a_pod(terminated(128, "StartError", "permission denied")),
        "container_refused",
        "permission",
    ),
    "evicted": (
        a_pod(None, phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
        "evicted",
        "low on resource",
    ),
    "drained": (
        a_pod(terminated(143), deleted=True, **condition("DisruptionTarget", "True", "evicted by API")),
        "evicted",
        "evicted by API",
    ),
    "no home": (a_pod(None, phase="Failed", **init(1)), "home_missing", "/home/nfs_share/claim/alice"),
}


@pytest.mark.parametrize(("pod", "code", "said"), ENDED.values(), ids=ENDED)
def test_an_ended_kernel_says_why(pod: dict[str, Any] | None, code: str, said: str) -> None:
    ended = reasons.ended(pod, PLAN)
    assert ended is not None
    assert ended.code == code
    assert said in ended.reason
    assert "\n" not in ended.reason


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(RUNNING),
        a_pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending"),
        a_pod(None, phase="Pending"),
        a_pod(RUNNING, deleted=True),
        a_pod(RUNNING, **condition("DisruptionTarget", "True", "soon")),
        a_pod(RUNNING, **init(0)),
        {"metadata": {"name": "k"}},
    ],
)
def test_a_kernel_that_runs_or_is_on_its_way_has_not_ended(pod: dict[str, Any]) -> None:
    assert reasons.ended(pod, PLAN) is None


def test_a_command_that_the_shell_of_an_encrypted_kernel_does_not_find() -> None:
    pod = a_pod(terminated(127, message="sh: 1: exec: python: not found"))
    ended = reasons.ended(pod, PLAN.model_copy(update={"encrypted": True}))
    assert ended is not None
    assert (ended.code, "'python'" in ended.reason) == ("command_not_found", True)


def test_only_a_kernel_that_ended_by_itself_is_started_again() -> None:
    by_itself = {
        name for name, (pod, _, _) in ENDED.items() if (end := reasons.ended(pod, PLAN)) and end.by_itself
    }
    assert by_itself == {"crash", "silent crash", "signal", "a clean end"}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """Return a pod whose kernel waits."""
    return a_pod({"waiting": {"reason": reason, "message": message}}, phase="Pending")


MOUNT = (
    'MountVolume.SetUp failed for volume "{}" : mount failed: exit status 32\nMounting command: mount\nOutput: {}'
)
NO_FOLDER = "mount.nfs: mounting 10.0.0.5:/h/alice failed, reason given by server: No such file or directory"
OBSTACLES = {
    "an image nobody has": (waiting("ErrImagePull", "manifest for x:1 not found"), "", "image_unavailable", True),
    "a registry that is away": (waiting("ImagePullBackOff", "i/o timeout"), "", "image_unavailable", False),
    "not an image": (waiting("InvalidImageName", "bad"), "", "image_unavailable", True),
    "a Secret that is gone": (waiting("CreateContainerConfigError", "secret x"), "", "container_refused", True),
    "no such command": (
        waiting("RunContainerError", "python: no such file or directory"),
        "",
        "command_not_found",
        True,
    ),
    "a full node": (
        a_pod(None, phase="Pending", **condition("PodScheduled", "False", "0/1 nodes: Insufficient cpu")),
        "",
        "unschedulable",
        False,
    ),
    "no home": (waiting("ContainerCreating"), MOUNT.format("home", NO_FOLDER), "home_missing", True),
    "no course": (waiting("ContainerCreating"), MOUNT.format("course", NO_FOLDER), "mount_failed", False),
    "a server that is away": (
        waiting("ContainerCreating"),
        MOUNT.format("home", "mount.nfs: Connection timed out"),
        "mount_failed",
        False,
    ),
    "a mount that only takes long": (
        waiting("ContainerCreating"),
        "Unable to attach or mount volumes: timed out waiting for the condition",
        "mount_failed",
        False,
    ),
}


@pytest.mark.parametrize(("pod", "event", "code", "final"), OBSTACLES.values(), ids=OBSTACLES)
def test_an_obstacle_is_named_and_weighed(pod: dict[str, Any], event: str, code: str, final: bool) -> None:
    events = [
        {"reason": "Pulling", "message": "x"},
        *([{"reason": "FailedMount", "message": event}] if event else []),
    ]
    found = reasons.obstacle(pod, events, PLAN)
    assert found is not None
    assert (found.ended.code, found.final) == (code, final)
    assert "\n" not in found.ended.reason


def on_a_node(reason: str) -> dict[str, Any]:
    """Return a pod that has its node and whose kernel waits."""
    pod = waiting(reason)
    return {**pod, "status": {**pod["status"], **condition("PodScheduled", "True")}}


def test_a_missing_home_is_told_in_the_same_words_for_both_kinds_of_volume() -> None:
    by_event = reasons.obstacle(*_of("no home"), PLAN)
    by_check = reasons.ended(ENDED["no home"][0], PLAN)
    assert by_event is not None
    assert by_check is not None
    assert (by_event.ended.reason, by_event.ended.code) == (by_check.reason, by_check.code)


def _of(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    pod, event, _, _ = OBSTACLES[name]
    return pod, [{"reason": "FailedMount", "message": event}]


@pytest.mark.parametrize("pod", [None, waiting("ContainerCreating"), a_pod(RUNNING), a_pod(None, phase="Pending")])
def test_no_obstacle_is_seen_where_nothing_is_said(pod: dict[str, Any] | None) -> None:
    assert reasons.obstacle(pod, (), PLAN) is None


@pytest.mark.parametrize(
    ("pod", "hides"),
    [
        (None, False),
        (a_pod(None, phase="Pending"), False),
        (a_pod(None, phase="Pending", **condition("PodScheduled", "False")), False),
        (a_pod(None, phase="Pending", **condition("PodScheduled", "True")), True),
        (on_a_node("ContainerCreating"), True),
        (on_a_node("ImagePullBackOff"), False),
    ],
)
def test_events_are_asked_for_only_where_they_tell_more(pod: dict[str, Any] | None, hides: bool) -> None:
    assert reasons.may_hide_a_mount(pod) is hides


def test_the_address_is_known_once_the_kernel_runs() -> None:
    assert reasons.address(a_pod(RUNNING, podIP="10.1.0.7")) == "10.1.0.7"
    assert reasons.address(a_pod(RUNNING)) is None
    assert reasons.address(waiting("ContainerCreating")) is None
    assert reasons.address(None) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('pods "k" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1', "quota_exceeded"),
        ('pods "k" is forbidden: violates PodSecurity "restricted:latest"', "refused_by_cluster"),
    ],
)
def test_a_refusal_is_told_in_the_servers_words(message: str, code: str) -> None:
    ended = reasons.refused(message)
    assert ended.code == code
    assert message in ended.reason


def test_a_long_message_is_cut() -> None:
    assert len(reasons.refused("x" * 5000).reason) < 500
