"""The wait for pulled images: when it ends, and what it says while and when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from kernelpod.deploy import prepull
from kernelpod.deploy.prepull import PrePullError, await_images, service_account_get

LABELS = {"app.kubernetes.io/name": "kernelpod", "app.kubernetes.io/component": "hook-image-puller"}


def daemonset(ready: int, wanted: int = 2, observed: int = 3) -> dict[str, Any]:
    status = {"desiredNumberScheduled": wanted, "updatedNumberScheduled": wanted, "numberReady": ready}
    return {
        "metadata": {"generation": 3},
        "spec": {"selector": {"matchLabels": LABELS}},
        "status": {**status, "observedGeneration": observed},
    }


def pod(node: str, *reasons: str) -> dict[str, Any]:
    states = [{"waiting": {"reason": reason}} if reason else {"terminated": {}} for reason in reasons]
    found = [{"image": f"image:{number}", "state": state} for number, state in enumerate(states)]
    waits = {"image": "pause", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {"initContainerStatuses": found, "containerStatuses": [waits]}
    return {"spec": {"nodeName": node}, "status": status}


class Cluster:
    """Answers one DaemonSet after another, the last one for ever."""

    def __init__(self, *found: dict[str, Any], pods: list[dict[str, Any]] | None = None) -> None:
        self.found, self.pods, self.asked = list(found), pods or [], list[str]()

    def __call__(self, path: str) -> dict[str, Any]:
        self.asked.append(path)
        if "daemonsets" in path:
            return self.found.pop(0) if len(self.found) > 1 else self.found[0]
        return {"items": self.pods}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepull, "LOOK_SECONDS", 0)


def test_it_ends_when_every_node_has_the_images() -> None:
    cluster, said = (
        Cluster(daemonset(2, observed=2), daemonset(0), daemonset(1), daemonset(1), daemonset(2)),
        list[str](),
    )
    await_images("puller", "gateway", 60, cluster, said.append)
    assert said == [
        "2 of 2 nodes have the images",
        "0 of 2 nodes have the images",
        "1 of 2 nodes have the images",
        "2 nodes have the images",
    ]
    assert cluster.asked[:2] == [
        "/apis/apps/v1/namespaces/gateway/daemonsets/puller",
        "/api/v1/namespaces/gateway/pods?labelSelector="
        "app.kubernetes.io/name%3Dkernelpod%2Capp.kubernetes.io/component%3Dhook-image-puller",
    ]


def test_a_cluster_without_a_node_for_kernels_has_nothing_to_wait_for() -> None:
    said: list[str] = []
    await_images("puller", "gateway", 60, Cluster(daemonset(0, wanted=0)), said.append)
    assert said == ["0 nodes have the images"]


def test_when_it_takes_too_long_each_node_says_what_it_waits_for() -> None:
    pods = [
        pod("one", "", "ErrImagePull"),
        pod("two", "ImagePullBackOff", "PodInitializing"),
        pod("three", "", ""),
    ]
    with pytest.raises(PrePullError) as caught:
        await_images("puller", "gateway", 0, Cluster(daemonset(1, wanted=3), pods=pods), lambda _: None)
    assert caught.value.message == (
        "After 0 s, 1 of 3 nodes have the images; one: image:1 (ErrImagePull); two: image:0 (ImagePullBackOff). "
        "Fix prePuller.images, or raise prePuller.waitSeconds."
    )


def test_outside_of_a_pod_it_says_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(PrePullError, match="The chart starts it"):
        service_account_get("/api")
