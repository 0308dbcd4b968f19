"""Faults at random, while users count: nobody's number is wrong without a word, and nothing is left behind.

The seed says which faults there are and what users do; `make chaos SEED=...` repeats a run as far as time does. A
long run can be done in parts: `FIRST=251 FAULTS=250` are its faults 251 to 500. Several may run at once
on one cluster.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kube
import pytest
from chaos.between import Between
from chaos.clusterfaults import NODE, OF_CLUSTER, OF_MACHINES, OF_ONE_NODE
from chaos.clusterlock import ClusterLock
from chaos.faults import FAULTS, LONGEST_SECONDS, MEMORY_LIMIT_BYTES, Scene
from chaos.users import BOUND_SECONDS, Tally, User
from cluster_machines import scheduled_on
from rig.layout import Layout
from rig.machines.machine import MACHINES

from balancer import Balancer
from client import Caller
from doubles import ACCESS, FakeHub, GatewayProcess, eventually, user_model
from notebook_server import PYTHON, Server

SEED = int(os.environ.get("KERNELPOD_CHAOS_SEED", "1"))
COUNT = int(os.environ.get("KERNELPOD_CHAOS_FAULTS", "20"))
FIRST = int(os.environ.get("KERNELPOD_CHAOS_FIRST", "1"))
ONLY = os.environ.get("KERNELPOD_CHAOS_ONLY", "")
SETTLE_SECONDS = 120.0
MACHINES_ARE_THERE = all(Layout.from_environment().machine(one.name).exists() for one in MACHINES.values())
TOKENS = {"alice": "alice-token", "bob": "bob-token", "zoe": "nobody-token"}
pytestmark = [pytest.mark.faults, pytest.mark.timeout(300 + COUNT * (30 + LONGEST_SECONDS))]


@pytest.fixture
def lock(need: Any) -> ClusterLock:
    """Held while the gateways are started, and while what they leave is removed."""
    need(os.environ.get("KUBECONFIG", "").endswith("admin.kubeconfig"), "the test cluster", "make test-cluster")
    taken = ClusterLock()
    taken.take()
    return taken


@pytest.fixture
def scene(lock: ClusterLock, make_site: Any, hub: FakeHub, need: Any, tmp_path: Path) -> Iterator[Scene]:
    need(PYTHON.exists(), "the server's environment", "make env-hub")
    tally = Tally()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
        stack.callback(shutil.rmtree, folder)
        kubeconfig = Path(os.environ["KUBECONFIG"])
        one, other = (Between(kubeconfig, folder, random.Random(f"{SEED} {number}")) for number in range(2))
        ways = stack.enter_context(one), stack.enter_context(other)
        balancer = stack.enter_context(Balancer())
        hub.users["own-token"] = user_model("kernelpod", kind="service", scopes=[ACCESS, "read:servers"])
        hub.servers.update(TOKENS)
        stack.callback(hub.servers.clear)
        hubs = [{"api_url": hub.api_url, "token": "own-token"}]
        on_machines = {"filer": "/open", "scheduling": scheduled_on(NODE)} if MACHINES_ARE_THERE else {}
        site = make_site(
            replicated=True,
            heal_seconds=20,
            kubeconfig=str(ways[0].kubeconfig),
            request_timeout_seconds=5,
            sections={"hubs": hubs, "servers": {"orphan_seconds": 5}},
            **on_machines,
        )
        size = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": str(MEMORY_LIMIT_BYTES)}}
        site.spec("python-pod", {"resources": size})
        site.spec("no-image", {"image": "localhost/there-is-none:1"})
        by_its_way = site.gateway.runtime_with(kubeconfig=str(ways[1].kubeconfig))
        second = site.gateway.twin(folder, runtime=by_its_way)
        second.start()
        stack.callback(GatewayProcess.running.remove, second)
        stack.callback(second.stop)
        balancer.urls = [site.gateway.url, second.url]
        users = []
        for name, token in TOKENS.items():
            home = tmp_path / name
            home.mkdir()
            site.home(name)
            reached = SimpleNamespace(gateway=balancer, alice=Caller("", token))
            server = stack.enter_context(Server(reached, home))
            users.append(User(name, server, hub, SEED, tally))
        yield Scene(site, (site.gateway, second), balancer, ways, users, random.Random(SEED), lock)
        for user in users:
            user.stopped.set()


def kernel_ids(scene: Scene) -> set[str]:
    """Return the kernels that the gateway lists."""
    return set(Caller(scene.balancer.url, "admin-token").ids())


def in_cluster(scene: Scene, kind: str) -> set[str]:
    """Return the kernels of the pods or Secrets in the namespace."""
    found = kube.items(kind, scene.site.namespace, "app.kubernetes.io/component=kernel")
    return {one["metadata"]["labels"]["kernelpod.io/kernel-id"] for one in found}


def dead(scene: Scene) -> set[str]:
    """Return the kernels that are listed as dead, until their users restart or end them."""
    models = Caller(scene.balancer.url, "admin-token").ask("GET", "kernels").json()
    return {one["id"] for one in models if one["execution_state"] == "dead"}


def settled(scene: Scene) -> bool:
    """Return whether the gateway lists what there is, and nothing else is there."""
    alive = kernel_ids(scene) - dead(scene)
    return alive == in_cluster(scene, "pods") == in_cluster(scene, "secrets")


def test_users_count_while_everything_fails(scene: Scene) -> None:
    run = Run(scene)
    try:
        for user in scene.users:
            user.start()
        scene.lock.release()
        run.faults()
        run.end()
    finally:  # also when it is interrupted: so many faults it has been through
        run.print_table()
    for gateway in scene.gateways:
        # One that has lost its lease ends with an error; here it is the only one that nobody catches.
        told = [text[:4000] for text in gateway.log.split("Traceback (most recent call last)")[1:]]
        unexpected = [text for text in told if "so this one ends" not in text]
        assert not unexpected, "\n---\n".join(unexpected)


class Run:
    """One fault after the other, and what became of them."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.tally = scene, scene.users[0].tally
        self.happened: Counter[str] = Counter()
        self.slowest = 0.0
        self.left: int | None = None
        self.began = time.monotonic()

    def faults(self) -> None:
        """Let all of them happen. Raises AssertionError at the first promise that is broken."""
        of_cluster = {**OF_CLUSTER, **(OF_MACHINES if MACHINES_ARE_THERE else OF_ONE_NODE)}
        faults = {**FAULTS, **of_cluster}
        names = [name for name in faults if ONLY in name]
        again = f"make chaos SEED={SEED} FIRST={FIRST} FAULTS={COUNT}" + (f" ONLY='{ONLY}'" if ONLY else "")
        print(f"seed {SEED}: `{again}` repeats this", flush=True)
        for number, name in enumerate(chosen(names, [faults[one][0] for one in names]), FIRST):
            at = f"[{time.monotonic() - self.began:6.0f} s] {number} of {FIRST} to {FIRST + COUNT - 1}"
            print(f"{at}: {name}", flush=True)
            # By its number, so that it is the same in a run of all faults and in one of a part.
            self.scene.random.seed(f"{SEED} {number}")
            self.scene.lock.take(alone=name in of_cluster)
            faults[name][1](self.scene)
            self.scene.lock.release()
            self.scene.start_gateways()
            self._settle(name)
            assert not self.tally.wrong, f"{name}: {told_of(self.scene)}"
            cells = self.tally.cells
            eventually(lambda before=cells: self.tally.cells > before + 2, BOUND_SECONDS, what="users go on")
            self.happened[name] += 1

    def _settle(self, name: str) -> None:
        """Wait until users are at rest: then what is listed is what there is."""
        turns = [user.turn for user in self.scene.users]
        with ThreadPoolExecutor(len(turns)) as pool:
            taken = list(pool.map(lambda turn: turn.acquire(timeout=2 * BOUND_SECONDS), turns))
        assert all(taken), "a user has had no answer"
        self.scene.lock.take()
        try:
            at = time.monotonic()
            eventually(lambda: settled(self.scene), SETTLE_SECONDS, what=f"nothing is left of: {name}")
            self.slowest = max(self.slowest, time.monotonic() - at)
        except AssertionError:
            print(json.dumps({kind: sorted(in_cluster(self.scene, kind)) for kind in ("pods", "secrets")}))
            print(sorted(kernel_ids(self.scene)), sorted(dead(self.scene)))
            raise
        finally:
            self.scene.lock.release()
            for turn in turns:
                turn.release()

    def end(self) -> None:
        """Let users stop, end all kernels, and see that nothing is left."""
        self.scene.lock.take()
        for user in self.scene.users:
            user.stopped.set()
        for user in self.scene.users:
            user.join(2 * BOUND_SECONDS)
        admin = Caller(self.scene.balancer.url, "admin-token")
        for kernel_id in kernel_ids(self.scene):
            admin.ask("DELETE", f"kernels/{kernel_id}")
        try:
            eventually(
                lambda: not self.scene.site.leftovers(), SETTLE_SECONDS, what="no pod and no Secret is left"
            )
        finally:
            self.left = len(self.scene.site.leftovers())

    def print_table(self) -> None:
        """Print what happened and what became of it."""
        tally, seconds = self.tally, time.monotonic() - self.began
        rows = [(str(count), name) for name, count in self.happened.most_common()]
        rows += [
            (str(self.happened.total()), f"faults in all, in {seconds:.0f} s, seed {SEED}, from the {FIRST}. on"),
            (str(tally.cells), "cells"),
            (str(tally.told), "cells whose users were told of a loss"),
            (str(tally.refused), "requests that were refused, each with a reason"),
            (f"{tally.longest:.1f}", "seconds: the longest that a user waited"),
            (f"{self.slowest:.1f}", "seconds: the longest until only what is listed was there"),
            (str(len(tally.wrong)), "promises broken"),
        ]
        if self.left is not None:
            rows.append((str(self.left), "pods and Secrets left"))
        width = max(len(count) for count, _ in rows)
        print("\n".join(f"{count:>{width}}  {what}" for count, what in rows), flush=True)


def chosen(names: list[str], weights: list[float]) -> list[str]:
    """Return the faults of this part of the run with this seed."""
    return random.Random(SEED).choices(names, weights, k=FIRST - 1 + COUNT)[FIRST - 1 :]


def told_of(scene: Scene) -> str:
    """Return the broken promises, and what the servers of the users and their kernels say of them."""
    told = [*scene.users[0].tally.wrong]
    for user in scene.users:
        if any(one.startswith(f"{user.name}:") for one in told):
            told += [f"--- the server of {user.name}", user.server.log[-4000:]]
    told += [f"--- gateway {gateway.url}\n{gateway.log[-6000:]}" for gateway in scene.gateways]
    admin = Caller(scene.balancer.url, "admin-token")
    for model in admin.ask("GET", "kernels").json():
        told.append(json.dumps(model))
        for channel in ("shell", "control"):
            try:
                with admin.channels(model["id"]) as page:
                    asked = page.send(channel, "kernel_info_request", {})
                    page.receive(lambda got, asked=asked: got["parent_header"].get("msg_id") == asked, 10)
                    told.append(f"{model['id']}: the kernel answers on {channel}")
            except Exception as error:  # noqa: BLE001 - it is only told
                told.append(f"{model['id']}: {channel}: {error}")
    return "\n".join(told)
