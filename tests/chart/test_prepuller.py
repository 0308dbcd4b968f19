"""The pre-puller of kernels' images: off by default, harmless, and on a cluster an upgrade waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helm import RELEASE, Helm, of_kind
from installed import SECONDS, Answer, Site, kubectl, succeeded

pytestmark = pytest.mark.chart

IMAGES = ["localhost/kernelpod-kernel-bash:test", "localhost/kernelpod-kernel-python:test"]
ON: dict[str, Any] = {"images": IMAGES, "continuous": {"enabled": True}, "hook": {"enabled": True}}
PAUSE = {"image": "localhost/kernelpod-pause:1"}
Install = Callable[..., tuple[Site, Answer]]


def test_nothing_is_pulled_unless_asked_for(helm: Helm) -> None:
    assert not [found for found in helm.objects({}) if found["kind"] in ("DaemonSet", "Job")]
    assert not of_kind(helm.objects({"prePuller": {"images": IMAGES}}), "DaemonSet")


def test_both_pull_all_images_where_kernels_run(helm: Helm) -> None:
    nodes = {"nodeSelector": {"purpose": "kernels"}, "tolerations": [{"operator": "Exists"}]}
    objects = helm.objects({"prePuller": ON, "kernels": nodes, "imagePullSecrets": [{"name": "registry"}]})
    pullers = of_kind(objects, "DaemonSet")
    assert set(pullers) == {f"{RELEASE}-image-puller", f"{RELEASE}-hook-image-puller"}
    for puller in pullers.values():
        pod = puller["spec"]["template"]["spec"]
        assert [container["image"] for container in pod["initContainers"]] == IMAGES
        assert {key: pod[key] for key in nodes} == nodes
        assert pod["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True


def test_only_what_waits_may_ask_the_api_server_and_only_that(helm: Helm) -> None:
    objects = helm.objects({"prePuller": ON})
    role = of_kind(objects, "Role")[f"{RELEASE}-hook-image-awaiter"]
    assert role["rules"] == [
        {"apiGroups": ["apps"], "resources": ["daemonsets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
    ]
    for found in (role, *of_kind(objects, "Job").values()):
        assert found["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def with_images(site: Site, **puller: Any) -> dict[str, Any]:
    """Return the values of a chart whose pre-puller pulls on the test cluster."""
    image = {"repository": "localhost/kernelpod-gateway", "tag": "test", "pullPolicy": "Never"}
    return {**site.values("pvc"), "image": image, "prePuller": {**ON, "pause": PAUSE, **puller}}


@pytest.fixture
def installing(helm_install: Callable[..., Answer], new_site: Callable[[], Site]) -> Install:
    """Return a function that installs the chart with a pre-puller and returns the site, and what Helm said."""
    site = new_site()
    wait = ("--wait", "--timeout", f"{SECONDS - 10}s")
    return lambda **puller: (site, helm_install(site, with_images(site, **puller), *wait))


@pytest.mark.cluster
def test_an_installation_waits_until_every_node_has_the_images(installing: Install) -> None:
    site, answer = installing()
    succeeded(answer)
    kept = succeeded(kubectl("get", "daemonsets,jobs,roles", "-n", site.gateway, "-o", "name")).split()
    assert kept == [f"daemonset.apps/{RELEASE}-image-puller"]
    succeeded(kubectl("rollout", "status", "-n", site.gateway, f"daemonset/{RELEASE}-image-puller"))


@pytest.mark.cluster
def test_an_image_that_is_not_there_stops_the_installation_and_is_named(installing: Install) -> None:
    missing = "localhost/no-such-kernel:1"
    site, answer = installing(images=[*IMAGES, missing], hook={"enabled": True, "waitSeconds": 25})
    assert answer.returncode != 0
    logs = succeeded(kubectl("logs", "-n", site.gateway, f"job/{RELEASE}-hook-image-awaiter"))
    assert "0 of 1 nodes have the images" in logs
    assert missing in logs
    assert not succeeded(kubectl("get", "deployments", "-n", site.gateway, "-o", "name"))
