"""Who leads, with an API server in memory and a clock that a test moves."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes", reason="neither the base package nor the hub has a gateway")

from kernelpod.base import names
from kernelpod.errors import KernelpodError
from kernelpod.runtime.kubernetes import lease as leases
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.runtime.kubernetes.lease import LEASE_SECONDS, MARGIN_SECONDS, RENEW_SECONDS, ClusterLease
from kernelpod.runtime.local.lease import FileLease
from kernelpod.settings.runtimes import Kubernetes


class Cluster:
    """One Lease, as the API server keeps it, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.object: dict[str, Any] | None = None
        self.silent_for: set[str] = set()
        self.lose_answers = False
        self.writes = 0

    def gateway(self, name: str, port: int = 8888) -> Gateway:
        return Gateway(self, name, port)


class Gateway:
    """A gateway's lease, and its way to the API server."""

    def __init__(self, cluster: Cluster, name: str, port: int) -> None:
        self.cluster, self.name = cluster, name
        self.gone = False
        self.lease = ClusterLease(self, "kernels", "r", name, ("0.0.0.0", port))  # type: ignore[arg-type]

    async def own_ip(self) -> str:
        return self.name

    async def call(
        self, method: str, path: str, query: Any = None, body: Any = None, *, fenced: bool = True
    ) -> dict[str, Any]:
        cluster = self.cluster
        if self.name in cluster.silent_for:
            raise ApiSilentError("no answer")
        assert method == "GET" or not fenced
        there = cluster.object
        if method == "POST":
            if there is not None:
                raise ApiRefusedError(409, "AlreadyExists", "")
        elif there is None:
            raise ApiRefusedError(404, "NotFound", "")
        elif method == "PUT" and body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise ApiRefusedError(409, "Conflict", "")
        if method != "GET":
            cluster.writes += 1
            body = copy.deepcopy(body)
            body["metadata"]["resourceVersion"] = str(cluster.writes)
            cluster.object = body
            if cluster.lose_answers:
                raise ApiSilentError("the answer is lost")
        assert cluster.object is not None
        return copy.deepcopy(cluster.object)

    def hold(self) -> bool:
        async def is_gone() -> bool:
            return self.gone

        return asyncio.run(self.lease.hold(is_gone))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(leases, "_running_clock", lambda: made.now)
    return made


def test_the_first_one_leads_and_the_other_knows_where(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert one.lease.expired
    assert [one.hold(), other.hold(), one.hold()] == [True, False, True]
    assert (one.lease.leader, other.lease.leader) == ("", "one:8888")
    assert (one.lease.expired, other.lease.expired) == (False, True)
    assert cluster.object is not None
    assert cluster.object["metadata"]["labels"] == names.lease_labels("r")


def test_a_lease_that_the_chart_has_made_is_taken(cluster: Cluster) -> None:
    cluster.object = {"metadata": {"name": "r-gateway", "labels": {"a": "b"}, "resourceVersion": "7"}}
    assert cluster.gateway("one").hold()
    assert cluster.object["metadata"]["labels"] == {"a": "b"}
    assert cluster.object["spec"]["leaseTransitions"] == 0


def test_it_is_renewed_and_not_more_often_than_needed(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    for _ in range(100):
        assert (one.hold(), other.hold()) == (True, False)
        cluster.now += 0.25
    assert cluster.writes <= 2 + 25 / RENEW_SECONDS


def test_a_leader_that_is_silent_is_replaced_after_it_has_stopped_to_act(cluster: Cluster) -> None:
    frozen, other = cluster.gateway("frozen"), cluster.gateway("other")
    assert frozen.hold()
    began = cluster.now
    while not other.hold():
        assert cluster.now - began < 2 * LEASE_SECONDS
        cluster.now += 0.25
    assert cluster.now - began > LEASE_SECONDS
    assert frozen.lease.expired
    assert frozen.hold() is False
    cluster.now -= MARGIN_SECONDS  # it has known for so long that it may not act
    assert frozen.lease.expired


@pytest.mark.parametrize("written", ["1970-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"])
def test_no_wall_clock_decides_who_leads(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """Neither that of the leader nor that of another gateway: what is written is for people."""
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert [one.hold(), other.hold()] == [True, False]
    monkeypatch.setattr(leases, "_now", lambda: written)
    for _ in range(100):
        cluster.now += 0.25
        assert [one.hold(), other.hold()] == [True, False]
        assert not one.lease.expired
    assert cluster.object is not None
    assert cluster.object["spec"]["renewTime"] == written
    began = cluster.now
    while not other.hold():
        cluster.now += 0.25
    assert LEASE_SECONDS - RENEW_SECONDS - 0.5 < cluster.now - began < LEASE_SECONDS + 1


def test_a_leader_whose_process_has_ended_is_replaced_at_once(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert one.hold()
    assert not other.hold()
    other.gone = True
    assert other.hold()
    cluster.now += RENEW_SECONDS + 0.1
    assert not one.hold()
    assert one.lease.expired


def test_a_process_before_this_one_at_the_same_address_has_ended(cluster: Cluster) -> None:
    assert cluster.gateway("10.0.0.1").hold()
    assert cluster.gateway("10.0.0.1").hold()
    assert not cluster.gateway("10.0.0.1", port=9999).hold()


def test_a_lease_that_is_released_is_taken_at_once(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert one.hold()
    assert not other.hold()
    asyncio.run(one.lease.release())
    assert one.lease.expired
    assert other.hold()
    assert other.lease.leader == ""
    asyncio.run(one.lease.release())  # of another one now
    assert other.hold()


def test_a_lease_that_somebody_deletes_is_made_again(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert one.hold()
    cluster.object = None
    cluster.now += RENEW_SECONDS + 0.1
    assert one.hold()
    assert not one.lease.expired
    assert not other.hold()


def test_a_lease_that_somebody_deletes_is_nobody_elses_while_its_leader_may_act(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert [one.hold(), other.hold()] == [True, False]
    cluster.object = None
    cluster.silent_for = {"one"}
    while not other.hold():
        cluster.now += 0.25
        assert cluster.object is None
    assert one.lease.expired
    one.lease.lost(other.lease.term)
    assert one.hold() is False


def test_a_lease_is_deleted_as_well_as_the_one_that_had_it(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert [one.hold(), other.hold()] == [True, False]
    cluster.object = None
    other.gone = True
    assert other.hold()


def test_of_two_at_a_time_one_takes_it(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")

    async def both() -> list[bool]:
        async def is_gone() -> bool:
            return False

        return await asyncio.gather(one.lease.hold(is_gone), other.lease.hold(is_gone))

    assert sorted(asyncio.run(both())) == [False, True]


def test_a_silent_api_server_changes_no_leader(cluster: Cluster) -> None:
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert one.hold()
    assert not other.hold()
    cluster.silent_for = {"one", "other"}
    for _ in range(100):
        cluster.now += 1
        for gateway in (one, other):
            with contextlib.suppress(KernelpodError):
                assert gateway.hold() is (gateway is one)
    assert one.lease.expired  # it acts as little as all others
    cluster.silent_for = set()
    assert not other.hold()
    assert one.hold()
    assert not one.lease.expired


def test_a_renewal_whose_answer_was_lost_is_still_ours(cluster: Cluster) -> None:
    one = cluster.gateway("one")
    assert one.hold()
    cluster.now += RENEW_SECONDS + 1
    cluster.lose_answers = True
    with pytest.raises(ApiSilentError):
        one.hold()
    cluster.lose_answers = False
    assert one.hold()
    cluster.now += RENEW_SECONDS + 1
    assert one.hold()
    assert not one.lease.expired


def test_a_lock_of_a_file_goes_to_one_and_then_to_the_next(tmp_path: Path) -> None:
    one, other = (FileLease(tmp_path / "s.lease", f"127.0.0.1:{port}") for port in (1, 2))

    async def never() -> bool:
        raise AssertionError("the kernel knows")

    async def scene() -> None:
        assert await one.hold(never)
        assert await one.hold(never)
        assert not await other.hold(never)
        assert (one.leader, other.leader) == ("", "127.0.0.1:1")
        assert (one.expired, other.expired) == (False, True)
        await one.release()
        assert await other.hold(never)
        assert not await one.hold(never)
        assert one.leader == "127.0.0.1:2"
        await other.release()

    asyncio.run(scene())


async def test_who_may_lead_no_more_sends_nothing_that_changes_the_cluster() -> None:
    api = ApiServer(Kubernetes())
    api.is_fenced = lambda: True
    for asked in (api.call("DELETE", "/p"), api.call("POST", "/p"), api.execute("/p", "kernel", ["kill"])):
        with pytest.raises(ApiSilentError, match="another gateway may lead"):
            await asked
    for asked in (api.call("GET", "/p"), api.call("PUT", "/lease", fenced=False)):
        with pytest.raises(ApiSilentError, match="the session with the API server is closed"):
            await asked


def cut_off_and_replaced(cluster: Cluster) -> tuple[Gateway, Gateway]:
    """Return a leader that lost the API server, and the one that has taken the lease since."""
    one, other = cluster.gateway("one"), cluster.gateway("other")
    assert [one.hold(), other.hold()] == [True, False]
    cluster.silent_for.add("one")
    while not other.hold():
        cluster.now += 0.25
    return one, other


def test_a_leader_without_the_api_server_learns_from_the_next_one_that_it_leads_no_more(cluster: Cluster) -> None:
    one, other = cut_off_and_replaced(cluster)
    with pytest.raises(ApiSilentError):
        one.hold()
    assert other.lease.term == 1
    one.lease.lost(other.lease.term)
    assert one.hold() is False


@pytest.mark.parametrize("term", [0, -1])
def test_what_was_said_of_an_earlier_time_is_not_believed(cluster: Cluster, term: int) -> None:
    one, _ = cut_off_and_replaced(cluster)
    one.lease.lost(term)
    with pytest.raises(ApiSilentError):
        one.hold()


def test_a_leader_whose_lease_is_good_knows_better(cluster: Cluster) -> None:
    one = cluster.gateway("one")
    assert one.hold()
    one.lease.lost(99)
    assert one.hold()
    assert not one.lease.expired
