"""Revokes a user at the gateway: ends all that they have here, and asks the hub anew about their tokens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import asdict, dataclass

from tornado import web

from kernelpod.audit import About, Actor
from kernelpod.errors import Denied, NotFound
from kernelpod.gateway.proven import Proven
from kernelpod.gateway.proxy import in_background
from kernelpod.gateway.services import Services
from kernelpod.start.identity import Owner

log = logging.getLogger(__name__)

# How long the admin waits at most. What has not ended until then goes on to end.
END_SECONDS = 4.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Holdings:
    """How much of each a user has at the gateway."""

    kernels: int
    spares: int
    starts: int
    websockets: int


def holdings(user: Owner, services: Services) -> Holdings:
    """Return what a user has at the gateway; `user` is an owner without `created`."""
    return Holdings(
        kernels=len(_kernels(user, services)),
        spares=sum(owner.named() == user for owner in services.spares.owners().values()),
        starts=sum(start.is_of(user) for start in services.visits.starts),
        websockets=sum(websocket.is_of(user) for websocket in services.visits.websockets),
    )


async def revoke(user: Owner, by: Actor, services: Services) -> Holdings:
    """End what a user has at the gateway. Return what has not ended after `END_SECONDS`.

    From now on no token of theirs counts until the hub affirms it anew, nor a request that is under way.
    """
    before = holdings(user, services)
    services.provers[user.hub].revoke(user.name)
    for websocket in [one for one in services.visits.websockets if one.is_of(user)]:
        websocket.revoke()
    await asyncio.wait({in_background(_end_all(user, by, services))}, timeout=END_SECONDS)
    left = holdings(user, services)
    still = left.kernels + left.spares + left.starts
    services.audit.write(
        "revoke", by, about=About(user), kernels=before.kernels,
        outcome="failed" if still else "done", code="unfinished" if still else "ok",
    )  # fmt: skip
    log.info("user %s is revoked: %s", user, before)
    return left


async def _end_all(user: Owner, by: Actor, services: Services) -> None:
    starts = [start.revoke() for start in services.visits.starts if start.is_of(user)]
    await asyncio.gather(_end_kernels(user, by, services), *starts, return_exceptions=True)
    await services.spares.end_of(user)
    await _end_kernels(user, by, services)  # a start may have been as good as finished


async def _end_kernels(user: Owner, by: Actor, services: Services) -> None:
    await asyncio.gather(*(_end(kernel_id, by, services) for kernel_id in _kernels(user, services)))


async def _end(kernel_id: str, by: Actor, services: Services) -> None:
    with contextlib.suppress(NotFound):
        kernel = services.kernels.kernel(kernel_id)
        ending = asyncio.ensure_future(services.kernels.end(kernel_id, by, code="revoked", now=True))
        while not ending.done():
            if kernel.restarting:  # the end waits until it has started, or failed to
                await kernel.process_proxy.stop_all(0)
            await asyncio.wait({ending}, timeout=LOOK_SECONDS)
        await kernel.process_proxy.stop_all(0)
        await ending


def _kernels(user: Owner, services: Services) -> list[str]:
    return [kernel_id for kernel_id, owner in services.kernels.owners().items() if owner.named() == user]


class RevokePage(Proven, web.RequestHandler):
    """GET counts what a user has at the gateway, and POST ends it. Both are for admins of the user's hub."""

    path_kwargs: dict[str, str]

    async def prepare(self) -> None:
        """Authenticate the caller. Raises UserError."""
        self.action = "revoke" if self.request.method == "POST" else "read"
        await super().prepare()

    async def check(self) -> None:
        """Raise Denied without the scope of admins."""
        self.user = Owner(hub=self.proof.identity.owner.hub, kind="user", name=self.path_kwargs["name"])
        self.about = self.user
        scope = self.services.settings.identity.admin_scope
        if scope not in self.proof.identity.scopes:
            raise Denied("not_permitted", f"This page needs the scope {scope}.")

    def get(self, name: str) -> None:
        """Answer with the holdings."""
        del name
        self.finish(json.dumps({"has": asdict(holdings(self.user, self.services))}))

    async def post(self, name: str) -> None:
        """End what the user has. Answer with what they had, and with what has not ended yet."""
        del name
        had = holdings(self.user, self.services)
        left = await revoke(self.user, self.actor, self.services)
        self.finish(json.dumps({"had": asdict(had), "left": asdict(left)}))
