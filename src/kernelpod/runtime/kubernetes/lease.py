"""The lease of the gateways of one release: an object of `coordination.k8s.io` that the leader renews.

As in client-go's leaderelection, no clocks are compared: a lease has expired when this gateway has seen it
unchanged for its duration. The leader stops to act before the others may take over.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

from kernelpod.base import names
from kernelpod.base.addresses import is_every_address, join_address
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError

# How long after its last renewal a lease is the leader's.
LEASE_SECONDS = 6
# How long before that the leader changes nothing in the cluster any more.
MARGIN_SECONDS = 2
RENEW_SECONDS = 1.5
CONFLICT, NOT_FOUND = 409, 404
DELETED = "deleted"  # in the place of a version, which is a number


def _running_clock() -> float:
    """Return seconds, also of the time that the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClusterLease:
    """The object `name` in the kernels' namespace."""

    def __init__(
        self, api: ApiServer, namespace: str, release: str, identity: str, listens: tuple[str, int]
    ) -> None:
        """`identity` is unique for this process. It listens on this address and port."""
        self._api, self._identity, self._listens = api, identity, listens
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name, self._labels = names.lease_name(release), names.lease_labels(release)
        self._mine: dict[str, Any] | None = None
        self._renewed = 0.0
        self._version, self._unchanged_since = "", 0.0
        # What was last seen of another gateway's lease.
        self._seen: dict[str, Any] = {}
        self._address = ""
        self._deposed = False
        self.leader = ""

    @property
    def expired(self) -> bool:
        """Whether this gateway may change nothing in the cluster, because another one may lead by now."""
        return self._mine is None or _running_clock() - self._renewed > LEASE_SECONDS - MARGIN_SECONDS

    @property
    def term(self) -> int:
        """How often the lease has changed hands until this gateway took it."""
        return int(self._mine["spec"]["leaseTransitions"]) if self._mine else 0

    def lost(self, term: int) -> None:
        """Know from another gateway that it has taken the lease; see `Lease`.

        So a leader learns it that cannot reach the API server. Otherwise it knows better.
        """
        if self._mine is not None and self.expired and term > self.term:
            self._mine, self._deposed = None, True

    async def hold(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        """Take the lease, or renew it; see `Lease`."""
        if self._deposed:
            self._deposed = False
            return False
        try:
            return await (self._look(is_gone) if self._mine is None else self._renew())
        except ApiRefusedError as error:
            if error.status != CONFLICT:
                raise
            self._mine = None  # another gateway was faster
            return False
        except ApiSilentError:
            # Nobody else may have been able to renew it, either.
            self._version = ""
            raise

    async def release(self) -> None:
        """Say that nobody leads. If the API server does not answer, the lease expires."""
        if self._mine is not None:
            mine, self._mine = self._mine, None
            await self._write(mine, {**mine["spec"], "holderIdentity": ""})

    async def _look(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        try:
            lease = await self._api.call("GET", f"{self._path}/{self._name}")
        except ApiRefusedError as error:
            if error.status != NOT_FOUND:
                raise
            return await self._look_without_one(is_gone)
        now, version = _running_clock(), lease["metadata"]["resourceVersion"]
        if version != self._version:
            self._version, self._unchanged_since = version, now
        self._seen = lease.get("spec", {})
        held = self._seen.get("holderIdentity")
        leader = lease["metadata"].get("annotations", {}).get(names.ANNOTATION_ADDRESS, "") if held else ""
        expired = now - self._unchanged_since > LEASE_SECONDS
        # At our own address there can be only one process.
        before_us = leader == await self._own_address()
        self.leader = "" if before_us else leader
        if not held or expired or before_us or await is_gone():
            return await self._take(lease, self._seen)
        return False

    async def _look_without_one(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        """Take the lease that is not there. If it was another's, somebody has deleted it, and that one may act."""
        if self._version != DELETED:
            self._version, self._unchanged_since = DELETED, _running_clock()
        expired = _running_clock() - self._unchanged_since > LEASE_SECONDS
        if not self._seen.get("holderIdentity") or expired or await is_gone():
            return await self._take(None, self._seen)
        return False

    async def _renew(self) -> bool:
        assert self._mine is not None  # noqa: S101 - for the type checker
        if _running_clock() - self._renewed > RENEW_SECONDS:
            try:
                await self._write(self._mine, self._mine["spec"])
            except ApiRefusedError as error:
                if error.status == NOT_FOUND:  # somebody has deleted it
                    return await self._take(None, self._mine["spec"])
                if error.status != CONFLICT:
                    raise
                await self._after_conflict()
        return self._mine is not None

    async def _after_conflict(self) -> None:
        """Our own renewal may have been answered to nobody. Else another gateway leads."""
        lease = await self._api.call("GET", f"{self._path}/{self._name}")
        self._mine = lease if lease.get("spec", {}).get("holderIdentity") == self._identity else None

    async def _take(self, lease: dict[str, Any] | None, before: dict[str, Any]) -> bool:
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": _now(),
            "leaseTransitions": before.get("leaseTransitions", 0) + bool(before),
        }
        await self._write(lease or {"metadata": {"name": self._name, "labels": self._labels}}, spec)
        return True

    async def _own_address(self) -> str:
        if not self._address:
            ip, port = self._listens
            self._address = join_address(await self._api.own_ip() if is_every_address(ip) else ip, port)
        return self._address

    async def _write(self, lease: dict[str, Any], spec: dict[str, Any]) -> None:
        """Write the lease, unless it has changed meanwhile."""
        began, metadata = _running_clock(), dict(lease["metadata"])
        address = await self._own_address()
        metadata["annotations"] = {**metadata.get("annotations", {}), names.ANNOTATION_ADDRESS: address}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {**spec, "renewTime": _now()},
        }
        if "resourceVersion" in metadata:
            written = await self._api.call("PUT", f"{self._path}/{self._name}", body=body, fenced=False)
        else:
            written = await self._api.call("POST", self._path, body=body, fenced=False)
        if spec["holderIdentity"]:
            self._mine, self._renewed, self.leader = written, began, ""


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
