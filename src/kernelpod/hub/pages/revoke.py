"""The page on which admins revoke a user: `kernelpod users revoke` in a browser.

The hub does its own part itself, so that also logins of browsers end, which its REST API cannot end. It asks the
gateway with a token of the admin that lasts as long as the request: the gateway decides, and records who it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterhub import orm
from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import exponential_backoff
from pydantic import SecretStr
from tornado import web

from kernelpod.hub import servers
from kernelpod.hub.restapi import Api, NotDoneError
from kernelpod.hub.revocation import WHAT, AtGateway, Step
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

PLACE = "/kernelpod/revoke"
TOKEN_SECONDS = 120
# How long a start that is cancelled has to take back what it has asked for, as in JupyterHub's own API.
CANCEL_SECONDS = 1.0
# How long a server that is starting or stopping is waited for.
PENDING_SECONDS = 10.0


@dataclass(frozen=True)
class Reach:
    """What the page needs to know of the hub and the gateway."""

    scopes: tuple[str, ...]
    """Those that an admin needs."""
    gateway_scopes: tuple[str, ...]
    """Those of the token by which the gateway is asked."""
    gateway_url: str
    authority: Path | str | None
    """File of the certificates that the gateway's is checked by."""


def reach(settings: Settings, hub: Hub, authority: Path | str | None) -> Reach:
    """Return what the page needs. `authority` is a file of the hub's own file system."""
    gateway = (settings.identity.admin_scope, servers.access_scope(hub), "read:users!user")
    scopes = tuple(servers.admin_scopes(settings, hub))
    return Reach(scopes, gateway, servers.gateway_url(settings, hub), authority)


class WithRevokePage(Authenticator):
    """Mixin for authenticators, because a hub takes pages only from its authenticator."""

    reach: Reach

    def get_handlers(self, app: Any) -> list[Any]:
        """Return the authenticator's pages, and this one."""
        return [*super().get_handlers(app), (PLACE, RevokePage, {"reach": self.reach})]


class RevokePage(BaseHandler):
    """GET shows what a user has, and POST ends it. Both are for admins whom the gateway knows, too."""

    def initialize(self, reach: Reach) -> None:
        """Take what every request needs."""
        self.reach = reach

    @web.authenticated
    async def get(self) -> None:
        """Ask for a user, or show what the one of the query has."""
        name = self.get_argument("user", "")
        steps = await self._look(name) if name else []
        await self._show(name, steps)

    @web.authenticated
    async def post(self) -> None:
        """End what the user has."""
        name = self.get_body_argument("user")
        await self._show(name, await self._revoke(name))

    async def prepare(self) -> None:
        """Authenticate the caller. Raises HTTPError if they lack a scope, and for their own name."""
        await super().prepare()
        if (user := self.current_user) is None:
            return  # the login comes first
        # access:services stands for each access:services!service=...
        has = self.expanded_scopes
        if lacks := [one for one in self.reach.scopes if one not in has and one.partition("!")[0] not in has]:
            raise web.HTTPError(
                403, f"You cannot revoke users: you lack the scopes {', '.join(lacks)}. The hub's configuration "
                f"gives them to the users of the role {servers.ADMIN_ROLE}."
            )  # fmt: skip
        asked = self.get_body_argument if self.request.method == "POST" else self.get_argument
        if user.name == asked("user", ""):
            raise web.HTTPError(400, "You cannot revoke yourself. Another admin can.")

    async def _show(self, name: str, steps: list[Step]) -> None:
        failed = any(step.outcome == "failed" for step in steps)
        if failed:
            self.set_status(502)  # which the hub's audit log tells as well
        nothing = bool(steps) and not any(step.count for step in steps) and not failed
        shown = self.render_template(
            "revoke.html",
            revoked=name,
            lines=[(step, WHAT[step.step]) for step in steps],
            done=self.request.method == "POST",
            failed=failed,
            nothing=nothing and self.find_user(name) is None,
        )
        self.finish(await shown)

    async def _look(self, name: str) -> list[Step]:
        user = self.find_user(name)
        tokens, running = (len(user.api_tokens), len(_active(user))) if user else (0, 0)
        with self._gateway(name) as gateway:
            at_gateway = await _at_gateway(gateway.count, "planned")
        return [
            Step("logins", "planned", int(user is not None), "" if user else "the hub has no such user"),
            Step("tokens", "planned", tokens, ""),
            Step("servers", "planned", running, ""),
            at_gateway,
        ]

    async def _revoke(self, name: str) -> list[Step]:
        """End logins and tokens, so that nothing can be begun by them; then all that was begun."""
        user = self.find_user(name)
        logins, tokens = (1, self._end_tokens(user.orm_user)) if user else (0, 0)
        if user:
            user.orm_user.cookie_id = orm.new_token()
            self.db.commit()
        with self._gateway(name) as gateway:
            first = asyncio.ensure_future(_at_gateway(gateway.end))
            stopped = await self._stop_servers(user) if user else Step("servers", "done", 0, "")
            await first
            user = self.find_user(name)  # may be deleted meanwhile
            if user:  # a server that was starting may have got a token, and by it a kernel
                tokens += self._end_tokens(user.orm_user)
            ended = await _at_gateway(gateway.end)
        said = "" if user else "the hub has no such user"
        return [Step("logins", "done", logins, said), Step("tokens", "done", tokens, ""), stopped, ended]

    def _end_tokens(self, user: Any) -> int:
        found = list(user.api_tokens)
        for one in found:
            self.db.delete(one)
        for code in self.db.query(orm.OAuthCode).filter(orm.OAuthCode.user_id == user.id):
            self.db.delete(code)
        self.db.commit()
        return len(found)

    async def _stop_servers(self, user: Any) -> Step:
        names = _active(user)
        done = await asyncio.gather(*(self._stop(user, name) for name in names), return_exceptions=True)
        failed = []
        for name, error in zip(names, done, strict=True):
            if error is not None:
                self.log.error("server %r of %s is not stopped", name, user.name, exc_info=error)
                failed.append(name or "the default one")
        failed += [name or "the default one" for name in _active(user) if name not in names]
        if failed:
            return Step("servers", "failed", 0, f"not stopped yet: {', '.join(failed)}")
        return Step("servers", "done", len(names), "")

    async def _stop(self, user: Any, name: str) -> None:
        """Stop a server, also one that starts. Raises TimeoutError or RuntimeError if that takes too long."""
        spawner = user.spawners[name]
        if spawner.pending == "spawn" and (starting := spawner._spawn_future):
            starting.cancel()
            await asyncio.sleep(CANCEL_SECONDS)
        late = f"server {name!r} is pending"
        await exponential_backoff(lambda: not spawner.pending, late, timeout=PENDING_SECONDS)
        if spawner.active:
            await self.stop_single_user(user, name)
        if spawner.active:
            raise RuntimeError(f"server {name!r} is still stopping")

    @contextmanager
    def _gateway(self, name: str) -> Iterator[AtGateway]:
        """The gateway, asked with a token that ends afterwards."""
        admin, scopes = self.current_user, list(self.reach.gateway_scopes)
        token = SecretStr(admin.new_api_token(note="kernelpod: revoke", expires_in=TOKEN_SECONDS, scopes=scopes))
        try:
            yield AtGateway(Api("the gateway", f"{self.reach.gateway_url}/api", token, self.reach.authority), name)
        finally:
            if found := orm.APIToken.find(self.db, token.get_secret_value()):
                self.db.delete(found)
                self.db.commit()


def _active(user: Any) -> list[str]:
    return [name for name, spawner in user.spawners.items() if spawner.active]


async def _at_gateway(act: Callable[[], int], outcome: Any = "done") -> Step:
    asked: Awaitable[int] = asyncio.to_thread(act)
    try:
        return Step("gateway", outcome, await asked, "")
    except NotDoneError as error:
        return Step("gateway", "failed", 0, str(error))
    except (KeyError, TypeError, AttributeError):
        return Step("gateway", "failed", 0, "the answer has another form than this gateway's")
