"""Ends orphaned kernels, whose server no longer runs or whose user was deleted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from urllib.parse import quote

from kernelpod.errors import HubUnavailable, KernelpodError
from kernelpod.gateway.hubclient import ask_hub
from kernelpod.settings.hubs import Hub
from kernelpod.start.hubanswers import HubSilentError, parse_answer, parsed
from kernelpod.start.identity import Owner
from kernelpod.start.record import KernelRecord

log = logging.getLogger(__name__)

# The scope that the gateway's service needs to list users' servers. Without it the hub answers 404 for every user,
# as if the user were deleted.
SCOPE = "read:servers"

# The servers that the hub lists for an owner, or None if it did not answer.
Listed = Mapping[Owner, Collection[str] | None]


class Orphans:
    """Ends kernels whose server the hub has not listed for `after_seconds`."""

    def __init__(
        self,
        hub: Hub,
        after_seconds: float,
        records: Callable[[], Iterable[KernelRecord]],
        end: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """`end` ends a kernel by its id, and logs a sentence."""
        self._hub, self._after, self._records, self._end = hub, after_seconds, records, end
        self._since: dict[str, float] = {}

    async def watch(self) -> None:
        """Check until cancelled. No kernel is ended while the hub does not answer or the scope is missing."""
        said = ""
        while True:
            await asyncio.sleep(max(0.1, self._after / 4))
            if not (records := [record for record in self._records() if record.plan.server is not None]):
                continue
            try:
                await self._may_look()
                await self.look(records, await self._listed({record.owner.named() for record in records}))
                said = ""
            except (HubSilentError, KernelpodError) as error:
                if str(error) != said:
                    log.warning("orphaned kernels are not ended: %s", error or "the hub does not answer")
                said = str(error)

    async def look(self, records: Iterable[KernelRecord], listed: Listed) -> None:
        """End kernels whose server has been missing for `after_seconds`; being listed again resets the time."""
        now, known = time.monotonic(), self._since
        self._since = {}
        for record in records:
            servers = listed.get(record.owner.named())
            since = known.get(record.kernel_id)
            if servers is None:
                if since is not None:
                    self._since[record.kernel_id] = since
            elif record.plan.server not in servers:
                self._since[record.kernel_id] = since = since if since is not None else now
                if now - since >= self._after:
                    said = f"kernel {record.kernel_id} of {record.owner} is ended: its server is gone"
                    await self._end(record.kernel_id, said)

    async def _may_look(self) -> None:
        token = self._hub.service_token()
        if token is None:
            raise KernelpodError("the gateway has no token of its own (hubs.token_file)")
        service = parse_answer(self._hub, await ask_hub(self._hub, token))
        if SCOPE not in service.scopes:
            raise KernelpodError(f"the hub's service {self._hub.service!r} lacks the scope {SCOPE}")

    async def _listed(self, owners: Iterable[Owner]) -> dict[Owner, Collection[str] | None]:
        token = self._hub.service_token()
        listed: dict[Owner, Collection[str] | None] = {}
        for owner in owners:
            if owner.kind != "user" or token is None:
                continue
            try:
                answer = await ask_hub(self._hub, token, f"/users/{quote(owner.name, safe='')}")
            except HubUnavailable:  # an answer that this user has made too long says nothing about others
                listed[owner] = None
            else:
                listed[owner] = servers_in(owner.name, answer.status, answer.body)
        return listed


def servers_in(user: str, status: int, body: bytes) -> Collection[str] | None:
    """Return the names of a user's servers from the answer to `GET /users/NAME`.

    None if it does not list them, or is about somebody else.
    """
    if status == 404:
        return ()
    try:
        model = parsed(body) if status == 200 else {"name": user, "servers": None}
        servers = model["servers"] if model["name"] == user else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return tuple(servers) if isinstance(servers, dict) else None
