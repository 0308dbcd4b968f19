"""What the cluster goes through: API server, NFS server and gateway stop while kernels start and run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kube
import pytest
from cluster_site import MakeSite, Site
from rig.machines.files import TAINT

from doubles import eventually

RIG = Path(__file__).parent / "cluster"
AWAY_SECONDS = 20
pytestmark = pytest.mark.faults


def rig(*words: str) -> None:
    """Ask the test cluster's rig to do something to itself."""
    done = subprocess.run(
        [sys.executable, str(RIG), *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(autouse=True)
def _own_cluster(need: Any) -> None:
    need(os.environ.get("KUBECONFIG", "").endswith("admin.kubeconfig"), "the test cluster", "make test-cluster")
    eventually(untainted, 110, what="the node takes pods again")


def untainted() -> bool:
    """Return whether each node takes the pods it is for: none while it could not reach the API server."""
    nodes = json.loads(kube.kubectl("get", "nodes", "-o", "json"))["items"]
    taints = [taint["key"] for node in nodes for taint in node["spec"].get("taints", [])]
    return all(key == TAINT for key in taints)


@contextmanager
def stopped(component: str) -> Iterator[None]:
    """Stop a component of the cluster for as long as the block runs."""
    rig("stop", component)
    try:
        yield
    finally:
        rig("start", component)


@pytest.mark.timeout(400)
def test_while_the_api_server_is_away_kernels_go_on_and_what_is_asked_is_done_when_it_is_back(
    make_site: MakeSite,
) -> None:
    """One outage: a kernel that computes, a start that waits, and a delete that is answered and done later."""
    # Until the node has told the API server again that it lives, it takes no pods.
    site = make_site(patience_seconds=170, heal_seconds=150)
    kernel, other = site.alice.start(), site.bob.start()
    with site.alice.channels(kernel) as channels, ThreadPoolExecutor(2) as pool:
        channels.run("x = 1")
        with stopped("apiserver"):
            start = pool.submit(site.alice.ask, "POST", "kernels", json={"name": "python-pod"}, timeout=200)
            deleted = pool.submit(site.bob.ask, "DELETE", f"kernels/{other}")
            eventually(
                lambda: site.alice.ask("GET", "/readyz").status_code == 503, what="the gateway is not ready"
            )
            began = time.monotonic()
            while time.monotonic() - began < AWAY_SECONDS:
                assert channels.run("x += 1; import time; time.sleep(1)") == ""
            assert site.alice.ids() == [kernel]
            assert not start.done(), start.result().text
            eventually(lambda: "did not answer DELETE" in site.gateway.log, what="the delete was tried")
        eventually(lambda: site.alice.ask("GET", "/readyz").status_code == 200, what="the gateway is ready again")
        assert int(channels.run("print(x)")) > 1
        answer = start.result()
        assert deleted.result().status_code == 204
    assert answer.status_code == 201, answer.text
    assert site.alice.run(answer.json()["id"], "print(1)") == "1\n"
    eventually(lambda: len(site.leftovers()) == 4, what="a pod and a Secret of each of alice's kernels are left")
    assert site.bob.ids() == []
    site.stop_kernels()


def test_a_gateway_killed_during_a_start_leaves_nothing(make_site: MakeSite) -> None:
    site = make_site()
    keep = site.alice.start()
    site.spec("never", {"image": "localhost/no-such-image:1"})

    def post() -> None:
        with pytest.raises(OSError):  # noqa: PT011 - the connection breaks, one way or the other
            site.alice.post("never")

    start = threading.Thread(target=post)
    start.start()
    eventually(lambda: len(site.pods()) == 2, what="the second pod is there")
    site.gateway.stop(signal.SIGKILL)
    start.join()
    site.gateway.start()
    eventually(lambda: len(site.leftovers()) == 2, what="one pod and one Secret are left")
    assert site.alice.ids() == [keep]
    site.stop_kernels()


def test_an_nfs_server_that_is_away_is_named_and_other_kernels_go_on(site: Site) -> None:
    kernel = site.alice.start()
    with stopped("nfs"):
        answer = site.bob.post()
        assert (answer.status_code, answer.json()["code"]) == (500, "mount_failed"), answer.text
        assert "'home'" in answer.json()["message"]
        assert site.alice.run(kernel, "print('goes on')") == "goes on\n"
    eventually(lambda: len(site.pods()) == 1, what="bob's pod is gone")
    site.bob.start()


def test_an_nfs_server_that_comes_back_in_time_heals_a_start(make_site: MakeSite) -> None:
    # The server's start and kubelet's next attempt, which waits longer each time, take seconds.
    site = make_site(patience_seconds=170, heal_seconds=150)
    with ThreadPoolExecutor(1) as pool:
        with stopped("nfs"):
            start = pool.submit(site.bob.ask, "POST", "kernels", json={"name": "python-pod"}, timeout=200)
            eventually(lambda: "is waiting: The folder 'home'" in site.gateway.log, what="the start waits")
        assert start.result().status_code == 201, start.result().text
    site.stop_kernels()


def test_a_storm_is_served_a_few_at_a_time_and_every_user_in_turn(site: Site) -> None:
    with ThreadPoolExecutor(18) as pool:
        many = [pool.submit(site.alice.post) for _ in range(16)]
        eventually(site.pods, what="the storm has begun")
        single = pool.submit(site.bob.post)
        assert single.result().status_code == 201
        assert sum(one.done() for one in many) < len(many), "bob waited for all of alice's"
        assert [one.result().status_code for one in many] == [201] * len(many)
    assert len(site.pods()) == len(many) + 1
