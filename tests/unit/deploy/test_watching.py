"""What is said while an installation waits, and when it has failed."""

from __future__ import annotations

import subprocess
import threading
from typing import Any

import pytest
from deployments import Answers, deployment

from kernelpod.deploy import z2jh
from kernelpod.deploy.cluster import ClusterError
from kernelpod.deploy.watching import not_ready, said_in, watched
from kernelpod.settings.sections import Settings


def pod(name: str = "hub", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"name": "hub", "state": {"waiting": {"reason": reason, "message": message}}}


READY = [{"type": "Ready", "status": "True"}]
UNSCHEDULED = [{"type": "PodScheduled", "status": "False", "message": "unbound PersistentVolumeClaims"}]
CRASHED = {
    "name": "hub",
    "state": {"waiting": {}},
    "lastState": {"terminated": {"exitCode": 1, "message": "no db"}},
}
PODS: list[tuple[dict[str, Any], list[str]]] = [
    (pod(phase="Running", conditions=READY), []),
    (pod(phase="Succeeded"), []),
    (pod(phase="Pending", conditions=UNSCHEDULED), ["hub: no node: unbound PersistentVolumeClaims"]),
    (pod(phase="Pending"), ["hub: Pending"]),
    (pod(), ["hub: Pending"]),
    (
        pod(phase="Pending", containerStatuses=[waiting("ImagePullBackOff", "no such image")]),
        ["hub: hub is waiting, ImagePullBackOff: no such image"],
    ),
    (
        pod(phase="Pending", containerStatuses=[waiting("ContainerCreating")]),
        ["hub: hub is waiting, ContainerCreating"],
    ),
    (pod(phase="Running", containerStatuses=[CRASHED]), ["hub: hub ended with 1: no db"]),
    (
        pod(phase="Pending", containerStatuses=[waiting("X", "\x1b[2Jgone\n")]),
        ["hub: hub is waiting, X: \\x1b[2Jgone"],
    ),
    (pod(phase="Failed", reason="Evicted"), ["hub: Evicted"]),
]


@pytest.mark.parametrize(("one", "said"), PODS)
def test_a_pod_that_is_not_ready_is_named_with_its_reason(one: dict[str, Any], said: list[str]) -> None:
    assert not_ready(Answers(kubectl_get_pods={"items": [one]}).cluster(), "hub") == said


def events(*given: tuple[str, str, str]) -> dict[str, Any]:
    return {"items": [{"type": kind, "message": text, "lastTimestamp": when} for kind, text, when in given]}


def test_the_latest_warnings_are_said_once_each() -> None:
    listed = [
        ("Warning", f"number {number}", f"2026-01-01T00:0{number}:00Z") for number in (7, 1, 2, 3, 4, 5, 6, 6)
    ]
    tools = Answers(kubectl_get_events=events(*listed, ("Normal", "all is well", "2026-01-01T00:09:00Z")))
    lines = said_in(tools.cluster(), "hub").splitlines()
    assert lines[0] == "Warnings in the namespace hub:"
    assert lines[1:6] == [f"  number {number}" for number in (3, 4, 5, 6, 7)]
    assert lines[6] == "For more, run: kubectl -n hub get pods,events"


class Failing(Answers):
    """Tools whose helm, or whose kubectl, fails."""

    def __init__(self, tool: str, said: str, **answers: Any) -> None:
        super().__init__(**answers)
        self.tool, self.said = tool, said

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        if command[0] == self.tool:
            return subprocess.CompletedProcess(command, 1, "", self.said)
        return super().__call__(command, given, seconds)


def test_a_failed_installation_of_zero_to_jupyterhub_says_what_the_cluster_says() -> None:
    tools = Failing(
        "helm",
        "context deadline exceeded",
        kubectl_get_pods={"items": [pod(phase="Pending", conditions=UNSCHEDULED)]},
        kubectl_get_events=events(("Warning", "no storage class is set", "")),
    )
    settings = Settings.model_validate(
        {
            "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
            "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
        }
    )
    made = deployment(hub={"install": "z2jh", "users": ["alice"]})
    with pytest.raises(ClusterError) as error:
        z2jh.install(tools.cluster(), made.hubs()[0], settings, [])
    for said in ("deadline exceeded", "hub: no node: unbound PersistentVolumeClaims", "no storage class is set"):
        assert said in error.value.message


def test_a_cluster_that_says_nothing_hides_no_error() -> None:
    said = said_in(Failing("kubectl", "connection refused").cluster(), "hub")
    assert said.startswith("The cluster does not say why: ")
    assert "connection refused" in said


def test_what_is_new_about_pods_is_said_while_an_installation_waits() -> None:
    said: list[str] = []
    heard = threading.Event()

    def say(line: str) -> None:
        said.append(line.strip())
        heard.set()

    tools = Answers(kubectl_get_pods={"items": [pod(phase="Pending")]})
    with watched(tools.cluster(), "hub", say, seconds=0.01):
        assert heard.wait(10)
        heard.clear()
        tools.answers["kubectl get pods"] = {"items": [pod(phase="Pending", conditions=UNSCHEDULED)]}
        assert heard.wait(10)
    assert said == ["hub: Pending", "hub: no node: unbound PersistentVolumeClaims"]
    asked = len(tools.asked)
    assert not [one for one in threading.enumerate() if one.name.endswith("(look)")]
    assert len(tools.asked) == asked


def test_a_cluster_that_does_not_answer_ends_no_installation() -> None:
    tools = Failing("kubectl", "connection refused")
    looked = threading.Event()
    call = tools.__call__

    def run(command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        looked.set()
        return call(command, given, seconds)

    cluster = tools.cluster()
    object.__setattr__(cluster, "run", run)
    with watched(cluster, "hub", print, seconds=0.01):
        assert looked.wait(10)
