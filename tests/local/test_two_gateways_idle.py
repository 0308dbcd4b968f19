"""Idle kernels and kernels whose server is gone, when the gateway that looks for them dies or is frozen."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from clock import LIBRARY, Clock
from doubles import ACCESS, FakeHub, GatewayProcess, eventually, user_model
from gateway_pair import GatewayPair

IDLE_SECONDS = 3.0
ORPHAN_SECONDS = 2.0
# How late an idle kernel may end: a look, and what a busy machine needs for it.
LATE_SECONDS = 15.0


class Pair(GatewayPair):
    """Two gateways whose kernels end. All times are those of this process, by no wall clock."""

    said_before: tuple[int, ...]
    """How much the gateways had said before a test."""

    def told(self, gateway: GatewayProcess) -> str:
        """Return what a gateway has said in this test."""
        return gateway.log[self.said_before[self.gateways.index(gateway)] :]

    def start(self, held: ExitStack, name: str = "alice") -> str:
        """Return the id of a new kernel, to which the other gateway listens. It has a client until `held` ends."""
        caller = self.at(self.leader, name)
        kernel_id = caller.start()
        held.enter_context(caller.channels(kernel_id))
        self.listens(kernel_id)
        return kernel_id

    def begun(self) -> bool:
        """Return whether a gateway has said that it ends a kernel."""
        return any("is ended" in self.told(one) for one in self.gateways)

    def ends(self) -> Counter[tuple[str, str]]:
        """Return how often the gateways say that they have ended a kernel, by its id and the reason."""
        whole = [self.told(one).rpartition("\n")[0] for one in self.gateways]
        told = [json.loads(line) for text in whole for line in text.splitlines() if line.startswith("{")]
        return Counter((one["kernel_id"], one["code"]) for one in told if one["action"] == "stop")

    def ended(self, *kernels: str, code: str = "idle") -> float:
        """Return when a gateway began to end the first of these kernels, once each was ended for that reason."""
        eventually(self.begun, what="a kernel is ended")
        first, wanted = time.monotonic(), Counter((kernel_id, code) for kernel_id in kernels)
        eventually(lambda: wanted <= self.ends(), what=f"{kernels} end: {code}")
        assert self.ends() == wanted
        return first


@pytest.fixture(scope="module")
def own_hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        admin = user_model("carol", scopes=[ACCESS, "custom:kernelpod:admin"])
        own = user_model("kernelpod", kind="service", scopes=[ACCESS, "read:servers"], servers={})
        people = {f"{name}-token": user_model(name) for name in ("alice", "bob")}
        running.users.update({**people, "admin-token": admin, "own-token": own})
        running.servers = {"alice", "bob"}
        yield running


@pytest.fixture(scope="module")
def clocks(need: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Clock]:
    need(LIBRARY, "libfaketime", "apt-get install libfaketime")
    return [Clock(tmp_path_factory.mktemp("clock")) for _ in range(2)]


@pytest.fixture(scope="module")
def started(make_site: Any, own_hub: FakeHub, clocks: list[Clock]) -> Iterator[Pair]:
    site = make_site(
        own_hub,
        gateway={"port": 0, "replicated": True},
        hubs=[{"api_url": own_hub.api_url, "timeout_seconds": 10, "token": "own-token"}],
        servers={"orphan_seconds": ORPHAN_SECONDS},
        culling={"idle_seconds": IDLE_SECONDS},
    )
    folder = Path(tempfile.mkdtemp(prefix="kp-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        second = site.gateway.twin(folder)
        site.gateway.stop()
        pair = Pair(site, (site.gateway, second))
        for one, clock in zip(pair.gateways, clocks, strict=True):
            one.environment = clock.environment
        pair.both()
        yield pair
        second.stop()
    GatewayProcess.running.remove(second)


@pytest.fixture
def pair(started: Pair, own_hub: FakeHub, clocks: list[Clock]) -> Iterator[Pair]:
    """Both gateways run, with the right time, and there is no kernel before and after."""
    started.both()
    started.said_before = tuple(len(one.log) for one in started.gateways)
    yield started
    own_hub.servers = {"alice", "bob"}
    for clock in clocks:
        clock.set("+0")
    started.stop_kernels()


def passes(seconds: float) -> None:
    """Return after so many seconds, where time itself is what a test is about."""
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > end)


def test_when_the_leader_dies_the_other_ends_idle_kernels_once_and_none_too_early(pair: Pair) -> None:
    """What the one that died has heard counts."""
    died, other = pair.leader, pair.other
    with ExitStack() as held:
        idle, used, busy, watched = (pair.start(held) for _ in range(4))
        with pair.at(died).channels(busy) as page:
            page.begin_running("import time\nwhile True: time.sleep(0.1)")
        last = time.monotonic()
        pair.at(died).run(used, "x = 7")
        died.stop(signal.SIGKILL)
    with pair.at(other).channels(watched):  # it comes back
        assert 0 < pair.ended(idle, used) - last - IDLE_SECONDS < LATE_SECONDS
        assert set(pair.at(other).ids()) == {busy, watched}
    assert "is ended" not in pair.told(died)


def test_when_the_one_that_passes_pages_on_dies_their_kernels_wait_for_them_to_come_back(pair: Pair) -> None:
    """They have been idle for long, and have had a client all the time."""
    leader, other = pair.leader, pair.other
    with ExitStack() as held:
        kernel_id = pair.start(held)
        page = held.enter_context(pair.at(other).channels(kernel_id))
        page.run("x = 7")
        passes(IDLE_SECONDS + 1)
        assert pair.at(leader).ids() == [kernel_id]
        died = time.monotonic()
        other.stop(signal.SIGKILL)
    # A look before, at which there was a client, counts.
    assert -1 < pair.ended(kernel_id) - died - IDLE_SECONDS < LATE_SECONDS


def test_a_kernel_that_the_leader_was_ending_when_it_died_is_not_forgotten(pair: Pair) -> None:
    slow = "trap '' TERM; python -m ipykernel_launcher -f {connection_file}; until [ -e go ]; do sleep 0.05; done"
    spec = pair.site.spec("slow-pod", argv=["bash", "-c", slow])
    go = pair.site.home("alice") / "go"
    go.unlink(missing_ok=True)
    eventually(lambda: spec in pair.at(pair.other).ask("GET", "kernelspecs").text, what="the kernelspec is listed")
    died, other = pair.leader, pair.other
    kernel_id = pair.at(died).start(spec)
    eventually(pair.begun, what="it is being ended")
    died.stop(signal.SIGKILL)
    eventually(lambda: f"kernel {kernel_id} found again" in other.said, what="the other one takes it over")
    go.touch()
    eventually(lambda: pair.site.traces() == [], what="nothing is left of it")
    assert pair.at(other).ids() == []


def test_a_leader_that_was_frozen_ends_no_kernel_before_it_knows_what_they_did(pair: Pair) -> None:
    """On one machine it keeps the lock. Pages that gave up meanwhile have the time to come back."""
    frozen = pair.leader
    with ExitStack() as held:
        used, idle = pair.start(held), pair.start(held)
        frozen.signal(signal.SIGSTOP)
    try:
        passes(IDLE_SECONDS + 1)
        assert not pair.leads(pair.other)
    finally:
        goes_on = time.monotonic()
        frozen.signal(signal.SIGCONT)
    with pair.at(frozen).channels(used) as page:
        assert page.run("print(1)") == "1\n"
        assert 0 < pair.ended(idle) - goes_on - IDLE_SECONDS < LATE_SECONDS
        assert pair.at(frozen).ids() == [used]
    assert pair.leader is frozen


def test_when_a_frozen_leader_is_killed_the_other_ends_idle_kernels(pair: Pair) -> None:
    frozen, other = pair.leader, pair.other
    with ExitStack() as held:
        kernel_id = pair.start(held)
        frozen.signal(signal.SIGSTOP)
    passes(IDLE_SECONDS + 1)
    killed = time.monotonic()
    frozen.stop(signal.SIGKILL)
    assert 0 < pair.ended(kernel_id) - killed - IDLE_SECONDS < LATE_SECONDS
    assert pair.leader is other


def test_when_the_leader_dies_the_other_ends_kernels_whose_server_is_gone(pair: Pair, own_hub: FakeHub) -> None:
    """Each of them has a client, so that it is not idle."""
    died, other = pair.leader, pair.other
    with ExitStack() as held:
        gone, stays = pair.start(held), pair.start(held, "bob")
        asked = own_hub.asked
        own_hub.servers = {"bob"}
        eventually(lambda: own_hub.asked > asked + 4, what="the leader has seen it")
        killed = time.monotonic()
        died.stop(signal.SIGKILL)
    with pair.at(other).channels(gone), pair.at(other, "bob").channels(stays):
        assert pair.ended(gone, code="server_gone") - killed > ORPHAN_SECONDS
        assert pair.at(other, "admin").ids() == [stays]
    assert "is ended" not in pair.told(died)


@pytest.mark.parametrize("offset", ["+3600", "-3600"])
@pytest.mark.parametrize("whose", ["leader", "other"])
def test_a_wall_clock_that_is_set_neither_moves_the_lease_nor_ends_or_keeps_a_kernel(
    pair: Pair, clocks: list[Clock], whose: str, offset: str
) -> None:
    leader, other = pair.leader, pair.other
    with ExitStack() as held:
        used = pair.start(held)
        page = held.enter_context(pair.at(other).channels(used))
        page.run("x = 7")
        with ExitStack() as not_idle:
            idle = pair.start(not_idle)
            clocks[pair.gateways.index(leader if whose == "leader" else other)].set(offset)
            last = time.monotonic()
            pair.at(leader).run(idle, "x = 8")
        assert 0 < pair.ended(idle) - last - IDLE_SECONDS < LATE_SECONDS
        assert page.run("print(x)") == "7\n"
        assert pair.leads(leader)
        assert not pair.leads(other)
    leader.stop(signal.SIGKILL)
    eventually(lambda: pair.ends()[used, "idle"] == 1, what="the other one ends it")
    assert pair.leads(other)
