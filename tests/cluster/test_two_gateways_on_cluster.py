"""Two gateways whose kernels are pods: who leads is in a Lease, and what a frozen one may still do is nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kube
import pytest
import requests
from chaos.between import Between

from client import Caller
from doubles import GatewayProcess, eventually, user_model
from kernelpod.demo.watch import Watch

LEADS = "this gateway leads from now on"


@dataclass
class Pair:
    """A site with two gateways."""

    site: Any
    gateways: tuple[GatewayProcess, GatewayProcess]
    between: Between
    """The way of the first one to the API server."""

    @property
    def lease(self) -> dict[str, Any]:
        """The Lease as it is now."""
        (found,) = kube.items("lease", self.site.namespace)
        return found

    @property
    def leader(self) -> GatewayProcess:
        """The gateway that leads, as the Lease says."""
        address = self.lease["metadata"]["annotations"]["kernelpod.io/address"]
        return next(one for one in self.gateways if one.url == f"http://{address}")

    @property
    def other(self) -> GatewayProcess:
        """The gateway that stands by."""
        return next(one for one in self.gateways if one is not self.leader)

    def both(self) -> None:
        """Start those that do not run. Return when one leads, and the other knows it."""
        for one in self.gateways:
            if not one.runs:
                one.start()
        eventually(lambda: any(LEADS in one.said for one in self.gateways if one.runs), what="one of them leads")
        for one in self.gateways:
            eventually(lambda one=one: requests.get(f"{one.url}/readyz", timeout=60).ok, what="it is ready")

    def start(self) -> str:
        """Return the id of alice's new kernel, to which the other gateway listens."""
        kernel_id = Caller(self.other.url, "alice-token").start()
        listens = f"kernel {kernel_id}: this gateway listens to it"
        eventually(lambda: listens in self.other.said, what="the other gateway listens")
        return kernel_id


@pytest.fixture(scope="module")
def started(make_site: Any, hub: Any, need: Any) -> Iterator[Pair]:
    admin = os.environ.get("KUBECONFIG", "")
    need(admin.endswith("admin.kubeconfig"), "the test cluster", "make test-cluster")
    folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
    with Between(Path(admin), folder, random.Random(1)) as between:
        hub.users["own-token"] = user_model("kernelpod", kind="service")
        hubs = [{"api_url": hub.api_url, "token": "own-token"}]
        way = {"kubeconfig": str(between.kubeconfig), "sections": {"hubs": hubs}}
        site = make_site(replicated=True, kernels_per_user=3, **way)
        second = site.gateway.twin(folder, runtime=site.gateway.runtime_with(kubeconfig=admin))
        second.start()
        yield Pair(site, (site.gateway, second), between)
        second.stop()
    GatewayProcess.running.remove(second)
    shutil.rmtree(folder)


@pytest.fixture
def pair(started: Pair) -> Iterator[Pair]:
    """Both gateways run, and there is no kernel before and after."""
    started.both()
    yield started
    started.both()
    admin = Caller(started.leader.url, "admin-token")
    for kernel_id in admin.ids():
        admin.ask("DELETE", f"kernels/{kernel_id}")
    eventually(lambda: not started.site.leftovers(), what="nothing is left")


def alice(gateway: GatewayProcess) -> Caller:
    """Return alice at a gateway."""
    return Caller(gateway.url, "alice-token")


def comeback(had: list[str], running: list[str], away_seconds: float) -> dict[str, str]:
    """Return the header by which a user's server says how far its page has come."""
    told = {"had": had[-20:], "open": running, "away_seconds": away_seconds}
    return {"Kernelpod-Comeback": json.dumps(told)}


def test_any_of_them_serves_every_kernel(pair: Pair) -> None:
    kernel_id = pair.start()
    assert alice(pair.leader).ids() == alice(pair.other).ids() == [kernel_id]
    for gateway in pair.gateways:
        with alice(gateway).channels(kernel_id) as page:
            asked = page.begin_running("import time; time.sleep(60)")
            assert alice(gateway).ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
            assert page.finish(asked).error == "KeyboardInterrupt"
            assert alice(gateway).ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
            assert page.run("print(1)") == "1\n"
    assert alice(pair.other).ask("DELETE", f"kernels/{kernel_id}").status_code == 204


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_output_goes_on_at_the_other_one_within_two_seconds(pair: Pair, signum: int) -> None:
    kernel_id = pair.start()
    leader, other = pair.leader, pair.other
    had: list[str] = []
    lines: list[str] = []

    def take(got: dict[str, Any]) -> bool:
        if got["channel"] == "iopub":
            had.append(got["header"]["msg_id"])
        if got["msg_type"] == "stream":
            lines.extend(got["content"]["text"].split())
        return len(lines) > 20

    code = "import time\nfor line in range(200): print(line, flush=True); time.sleep(0.02)"
    with alice(leader).channels(kernel_id, "?session_id=page") as page:
        asked = page.start(code)
        page.receive(take)
        watch = Watch()
        leader.stop(signum)
    again = Caller(other.url, "alice-token", comeback(had, [asked], 1))
    with again.channels(kernel_id, "?session_id=page") as page:
        before = len(lines)
        page.receive(lambda got: take(got) and len(lines) > before)
        if signum == signal.SIGKILL:
            watch.within(2)
        outcome = page.finish(asked)
        assert [*lines, *outcome.text.split()] == [str(line) for line in range(200)]
    assert pair.lease["spec"]["leaseTransitions"] >= 1


def test_a_frozen_leader_is_replaced_and_changes_nothing_when_it_goes_on(pair: Pair) -> None:
    kernel_id = pair.start()
    frozen, other = pair.leader, pair.other
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(alice(frozen).post)
        eventually(lambda: len(pair.site.pods()) == 2, what="the second kernel starts")
        frozen.signal(signal.SIGSTOP)
        try:
            eventually(lambda: LEADS in other.said, what="the other one leads")
            assert alice(other).run(kernel_id, "print(2)") == "2\n"
            made = alice(other).start()
        finally:
            frozen.signal(signal.SIGCONT)
        eventually(lambda: not frozen.runs, what="the frozen one ends")
        starting.exception()  # its caller hears of it, or of a closed connection
    assert "another gateway leads" in frozen.said
    assert {kernel_id, made} <= set(alice(other).ids())
    # What it had begun is listed, or gone.
    eventually(lambda: len(alice(other).ids()) == len(pair.site.pods()), what="no pod is without a kernel")
    assert alice(other).run(made, "print(3)") == "3\n"


def test_a_frozen_leader_ends_no_idle_kernel_when_it_goes_on(pair: Pair) -> None:
    """It has heard nothing of the kernel for too long, and the message that ends it needs no API server."""
    idle_seconds = 8
    spec = pair.site.spec("brief-pod", {"cull_idle_seconds": idle_seconds})
    frozen, other = pair.leader, pair.other
    eventually(lambda: spec in alice(other).ask("GET", "kernelspecs").text, what="the kernelspec is listed")
    kernel_id = alice(other).start(spec)
    frozen.signal(signal.SIGSTOP)
    try:
        frozen_at = time.monotonic()
        eventually(lambda: LEADS in other.said, what="the other one leads")
        with alice(other).channels(kernel_id) as page:
            page.run("x = 7")
            eventually(lambda: time.monotonic() > frozen_at + idle_seconds + 2)
            frozen.signal(signal.SIGCONT)
            eventually(lambda: not frozen.runs, what="the frozen one ends")
            assert page.run("print(x)") == "7\n"
    finally:
        if frozen.runs:
            frozen.signal(signal.SIGCONT)
    assert "was idle for" not in frozen.said


def test_a_leader_that_alone_has_lost_the_api_server_lets_the_other_one_lead(pair: Pair) -> None:
    """It would speak to the kernels as long as the other one does, and both would lose their answers."""
    if pair.leader is not pair.gateways[0]:
        pair.leader.stop()
        pair.both()
    kernel_id = pair.start()
    cut_off, other = pair.leader, pair.other
    pair.between.mode = "refuse"
    try:
        eventually(lambda: LEADS in other.said, what="the other one leads")
        eventually(lambda: not cut_off.runs, what="the one that is cut off ends")
        assert alice(other).run(kernel_id, "print(2)") == "2\n"
        assert alice(other).ids() == [kernel_id]
    finally:
        pair.between.mode = "ok"
    assert "another gateway leads" in cut_off.said


def test_nobody_exceeds_their_limit_at_two_of_them(pair: Pair) -> None:
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(alice(pair.gateways[number % 2]).post) for number in range(6)]
    assert [one.result().status_code for one in asked].count(201) == 3
    assert len(alice(pair.other).ids()) == 3
