"""Prewarmed kernels as pods: one is taken over whole, and they give way where there is no room."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import kube
import pytest
from cluster_site import MakeSite, Site

from doubles import eventually


@pytest.fixture
def warmed(make_site: MakeSite) -> Iterator[Site]:
    """A gateway at which alice has a kernel, and a pod that waits for her."""
    site = make_site()
    site.spec("warm-pod", {"prewarm": 1})
    site.alice.start("warm-pod")
    eventually(lambda: "is prewarmed for user" in site.gateway.log, what="a kernel is ready")
    yield site
    for kernel_id in site.admin.ids():
        site.admin.ask("DELETE", f"kernels/{kernel_id}")
    site.gateway.stop()
    eventually(lambda: not site.leftovers(), what="no pod and no Secret is left")


def ids(site: Site) -> set[str]:
    """Return the ids of all kernels that are pods, listed or not."""
    pods = kube.items("pods", site.namespace)
    return {pod["metadata"]["labels"]["kernelpod.io/kernel-id"] for pod in pods}


def test_a_prewarmed_pod_is_taken_over_with_its_owners_home(warmed: Site) -> None:
    (first,) = warmed.alice.ids()
    (spare,) = ids(warmed) - {first}
    warmed.alice.run(first, "open('of-the-first', 'w').write('x')")
    assert warmed.alice.start("warm-pod") == spare
    assert (
        warmed.alice.run(spare, "import os; print(os.path.exists('of-the-first'), os.getuid())") == "True 1000\n"
    )
    assert warmed.bob.ids() == []
    assert warmed.alice.ask("DELETE", f"kernels/{spare}").status_code == 204


def test_prewarmed_pods_are_what_they_were_when_the_gateway_is_killed(warmed: Site) -> None:
    (first,) = warmed.alice.ids()
    (spare,) = ids(warmed) - {first}
    assert warmed.alice.start("warm-pod", KERNEL_SESSION_PATH="look.ipynb") == spare
    eventually(lambda: warmed.gateway.log.count("is prewarmed for user") == 2, what="another one is ready")
    (waits,) = ids(warmed) - {first, spare}
    warmed.gateway.stop(signal.SIGKILL)
    warmed.gateway.start()
    assert set(warmed.alice.ids()) == {first, spare}
    assert warmed.alice.model(spare)["session"]["path"] == "look.ipynb"
    assert warmed.alice.start("warm-pod") == waits


def test_a_prewarmed_pod_gives_way_to_a_start_that_finds_no_room(warmed: Site) -> None:
    (first,) = warmed.alice.ids()
    (spare,) = ids(warmed) - {first}
    kube.quota(warmed.namespace, 2, used=2)
    kernel = warmed.bob.start("python-pod")
    assert ids(warmed) == {first, kernel}
    assert spare not in ids(warmed)
