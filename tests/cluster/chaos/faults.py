"""What fails: gateways, the way to the cluster, the hub, users' servers, and pods."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import kube
from cluster_site import Site

from balancer import Balancer
from doubles import GatewayProcess

from .between import Between
from .clusterlock import ClusterLock
from .users import BOUND_SECONDS, User

LONGEST_SECONDS = 6.0
MEMORY_LIMIT_BYTES = 300 * 1024**2
"""Of each kernel."""


@dataclass
class Scene:
    """All that can fail."""

    site: Site
    gateways: tuple[GatewayProcess, GatewayProcess]
    balancer: Balancer
    ways: tuple[Between, Between]
    """Each gateway's way to the API server."""
    users: list[User]
    random: random.Random
    lock: ClusterLock

    def pause(self) -> None:
        """Let a while pass, in which users act."""
        time.sleep(self.random.uniform(0.2, LONGEST_SECONDS))

    def start_gateways(self) -> None:
        """Start the gateways that do not run."""
        for one in self.gateways:
            if not one.runs:
                one.start()
        urls = [one.url for one in self.gateways]
        self.random.shuffle(urls)
        self.balancer.urls = urls

    def pod(self) -> str:
        """Return the name of some kernel's pod; empty if there is none."""
        names = self.site.pods()
        return self.random.choice(names) if names else ""


def _ended(signum: int) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        scene.random.choice(scene.gateways).stop(signum)
        scene.pause()
        scene.start_gateways()

    return fault


def _both_killed(scene: Scene) -> None:
    for one in scene.gateways:
        one.stop(signal.SIGKILL)
    time.sleep(scene.random.uniform(0, 2))
    scene.start_gateways()


def _frozen(scene: Scene) -> None:
    """Longer than its lease, now and then."""
    frozen = scene.random.choice(scene.gateways)
    frozen.signal(signal.SIGSTOP)
    try:
        time.sleep(scene.random.uniform(1, 12))
    finally:
        frozen.signal(signal.SIGCONT)
    time.sleep(1.5)  # then it ends, if another one leads
    scene.start_gateways()


def _between(mode: str) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        for way in scene.ways:
            way.mode = mode
        try:
            scene.pause()
        finally:
            for way in scene.ways:
                way.mode = "ok"

    return fault


def _one_cut_off(scene: Scene) -> None:
    """Longer than its lease, now and then: then the other one leads, and tells it."""
    way = scene.random.choice(scene.ways)
    way.mode = "refuse"
    try:
        time.sleep(scene.random.uniform(1, 15))
    finally:
        way.mode = "ok"
    time.sleep(1.5)
    scene.start_gateways()


def _expired(scene: Scene) -> None:
    for way in scene.ways:
        way.gone += 1


def _hub(mode: str) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        scene.site.hub.mode = mode
        try:
            scene.pause()
        finally:
            scene.site.hub.mode = "ok"

    return fault


def _hub_down(scene: Scene) -> None:
    scene.site.hub.stop()
    try:
        scene.pause()
    finally:
        scene.site.hub.start()


def _server_killed(scene: Scene) -> None:
    user = scene.random.choice(scene.users)
    with user.computer:
        user.server.kill()
        time.sleep(scene.random.uniform(0, 1))
        user.server.start()


def _pod_deleted(scene: Scene) -> None:
    if name := scene.pod():
        grace = scene.random.choice((0, 1, 30))
        force = ("--force",) if not grace else ()
        where = ("-n", scene.site.namespace, "--wait=false", f"--grace-period={grace}")
        kube.kubectl("delete", "pod", name, *where, *force, check=False)


def _secret_deleted(scene: Scene) -> None:
    """Its pod goes with it, because the Secret owns it."""
    if name := scene.pod():
        kube.kubectl("delete", "secret", name, "-n", scene.site.namespace, "--wait=false", check=False)


def _lease_deleted(scene: Scene) -> None:
    # After the same fault a moment ago, it may not be there yet.
    kube.kubectl("delete", "lease", "kernelpod-gateway", "-n", scene.site.namespace, "--ignore-not-found")


def _evicted(scene: Scene) -> None:
    if name := scene.pod():
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": scene.site.namespace},
        }
        path = f"/api/v1/namespaces/{scene.site.namespace}/pods/{name}/eviction"
        kube.kubectl("create", "--raw", path, "-f", "-", given=body, check=False)


def _kernel_killed(scene: Scene) -> None:
    """Its process ends by itself, as after a fault in its own code."""
    if name := scene.pod():
        kube.kubectl("exec", "-n", scene.site.namespace, name, "--", "sh", "-c", "kill -9 -1", check=False)


def _out_of_memory(scene: Scene) -> None:
    """What runs in a kernel's container takes more than its limit."""
    if name := scene.pod():
        code = f"x = b'x' * {2 * MEMORY_LIMIT_BYTES}"
        kube.kubectl("exec", "-n", scene.site.namespace, name, "--", "python", "-c", code, check=False)


def _quota(scene: Scene) -> None:
    with _made(
        scene.site,
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"pods": "0"}},
        },
    ):
        scene.pause()


@contextmanager
def _made(site: Site, thing: dict[str, Any]) -> Iterator[None]:
    thing["metadata"]["namespace"] = site.namespace
    kube.kubectl("apply", "-f", "-", given=thing)
    try:
        yield
    finally:
        kube.kubectl("delete", thing["kind"], thing["metadata"]["name"], "-n", site.namespace)


def _image_gone(scene: Scene) -> None:
    """A start of an image that there is not, beside the others."""
    scene.site.alice.ask("POST", "kernels", json={"name": "no-image"}, timeout=BOUND_SECONDS)


def _hung_up(scene: Scene) -> None:
    """A start whose caller goes away."""
    with suppress(OSError):
        scene.site.alice.ask("POST", "kernels", json={"name": "python-pod"}, timeout=scene.random.uniform(0.05, 2))


FAULTS: dict[str, tuple[float, Callable[[Scene], None]]] = {
    "a gateway is killed": (4, _ended(signal.SIGKILL)),
    "a gateway is asked to end": (3, _ended(signal.SIGTERM)),
    "both gateways are killed": (2, _both_killed),
    "a gateway is frozen": (3, _frozen),
    "the API server refuses gateways": (2, _between("refuse")),
    "the API server refuses one gateway": (2, _one_cut_off),
    "the API server answers with errors": (2, _between("errors")),
    "what gateways write meets conflicts": (1, _between("conflicts")),
    "answers of the API server are lost": (2, _between("lose answers")),
    "the API server is slow": (1, _between("slow")),
    "watches have expired": (2, _expired),
    "the hub answers with errors": (1, _hub("error")),
    "the hub is silent": (1, _hub("slow")),
    "the hub is down": (1, _hub_down),
    "a user's server is killed": (3, _server_killed),
    "a pod is deleted": (3, _pod_deleted),
    "a Secret is deleted": (2, _secret_deleted),
    "a pod is evicted": (2, _evicted),
    "the Lease is deleted": (1, _lease_deleted),
    "a kernel's process is killed": (3, _kernel_killed),
    "a kernel's container is out of memory": (2, _out_of_memory),
    "the quota is used up": (1, _quota),
    "an image is gone": (1, _image_gone),
    "a start's caller hangs up": (3, _hung_up),
}
"""The faults by name, each with how often it happens beside the others."""
