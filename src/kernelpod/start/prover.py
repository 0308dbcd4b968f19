"""Authenticates callers: asks the hub who owns the caller's token.

The hub's answer to `GET /hub/api/user` (JupyterHub REST API) is the only source; nothing in the request is
trusted. Answers are cached for a short time by the token's hash. At most one request for each token is in flight.
While the hub does not answer, a token that was valid can still use its owner's running kernels, but nothing new is
allowed. An answer that cannot be used says nothing about other tokens, because its user may have made it so.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from kernelpod.errors import Denied, HubUnavailable, NotProven, UserError
from kernelpod.settings.hubs import Hub, IdentitySettings
from kernelpod.start.hubanswers import HubAnswer, HubSilentError, hub_unavailable, parse_answer
from kernelpod.start.identity import Identity

log = logging.getLogger(__name__)

MAX_CACHED = 10_000
MAX_TOKEN_LENGTH = 4096
# What a proxy answers while the hub is away.
HUB_AWAY = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Proof:
    """An authenticated identity; `stale` if it is an older answer, used because the hub does not answer."""

    identity: Identity
    at: float
    """When the hub answered, by the Prover's clock."""
    revocations: int
    """How many users had been revoked when the hub was asked."""
    stale: bool = False


# Asks a hub who owns a token. Raises HubSilentError.
AskHub = Callable[[Hub, SecretStr], Awaitable[HubAnswer]]


@dataclass(frozen=True)
class _Refused:
    error: UserError
    at: float


class Prover:
    """Authenticates tokens with one hub. The gateway gets identities from here only."""

    def __init__(
        self, hub: Hub, times: IdentitySettings, ask: AskHub, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub, self._times, self._ask, self._clock = hub, times, ask, clock
        self._known: OrderedDict[str, Proof] = OrderedDict()
        self._refused: OrderedDict[str, _Refused] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Proof]] = {}
        self._revocations = 0
        self._revoked: OrderedDict[str, int] = OrderedDict()
        self._silent_until = self._anew_since = float("-inf")

    @property
    def reachable(self) -> bool:
        """Whether the hub answered the last request."""
        return self._clock() >= self._silent_until

    async def prove(self, token: SecretStr, *, fresh: bool = False) -> Proof:
        """Return who owns `token`. With `fresh`, the hub is asked even if the answer is cached.

        Raises NotProven (unknown_token), Denied (missing_scope), HubUnavailable (hub_unavailable,
        hub_answer_invalid). An answer older than `cache_seconds` is used only while the hub does not answer, for
        up to `stale_seconds`, and is marked stale.
        """
        key = hashlib.sha256(token.get_secret_value().encode("utf-8", "surrogatepass")).hexdigest()
        now = self._clock()
        known = self._known.get(key)
        if known and not fresh and known.at > max(now - self._times.cache_seconds, self._anew_since):
            return known
        refused = self._refused.get(key)
        try:
            if refused and now - refused.at < self._times.negative_cache_seconds:
                raise refused.error
            if now < self._silent_until:
                raise HubSilentError
            return await self._ask_once(key, token)
        except (HubSilentError, HubUnavailable) as error:
            known = self._known.get(key)
            if known and now - known.at < self._times.stale_seconds:
                return replace(known, stale=True)
            if isinstance(error, HubUnavailable):
                raise
            raise hub_unavailable() from error

    def revoke(self, name: str) -> None:
        """Forget all that the hub has said of a user, and what it is about to say: it must be asked again."""
        self._revocations += 1
        _remember(self._revoked, name, self._revocations)
        for key in [key for key, known in self._known.items() if _is_of(known, name)]:
            del self._known[key]

    def ask_anew(self) -> None:
        """Ask the hub about every token once more: another gateway may have revoked its user."""
        self._anew_since = self._clock()

    def is_revoked(self, proof: Proof) -> bool:
        """Return whether the user was revoked after the hub was asked about them."""
        name = proof.identity.name
        return _is_of(proof, name) and self._revoked.get(name, 0) > proof.revocations

    async def _ask_once(self, key: str, token: SecretStr) -> Proof:
        task = self._asking.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask_hub(key, token))
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask_hub(self, key: str, token: SecretStr) -> Proof:
        try:
            proof = await self._asked(token)
            while self.is_revoked(proof):
                proof = await self._asked(token)
        except HubSilentError:
            # Do not ask again at once, else every request would wait for the whole time-out.
            self._silent_until = self._clock() + min(1.0, self._times.negative_cache_seconds)
            raise
        except UserError as error:
            if error.code != "hub_unavailable":
                self._known.pop(key, None)
            _remember(self._refused, key, _Refused(error, self._clock()))
            raise
        self._refused.pop(key, None)
        _remember(self._known, key, proof)
        return proof

    async def _asked(self, token: SecretStr) -> Proof:
        revocations = self._revocations
        answer = await self._ask(self._hub, token)
        if answer.status in HUB_AWAY:
            raise HubSilentError
        return Proof(self._read(answer), self._clock(), revocations)

    def _read(self, answer: HubAnswer) -> Identity:
        if answer.status in (401, 403, 404):
            raise NotProven(
                "unknown_token", "The hub does not know your token. Log in again, or restart your server."
            )
        identity = parse_answer(self._hub, answer)
        if f"access:services!service={self._hub.service}" not in identity.scopes and (
            "access:services" not in identity.scopes
        ):
            raise Denied(
                "missing_scope",
                f"Your token may not use the service {self._hub.service!r}. Restart your server from the hub; "
                "if that does not help, the hub must grant the scope "
                f"access:services!service={self._hub.service} to users and to their servers.",
                detail=f"{identity.owner} lacks access:services!service={self._hub.service}",
            )
        return identity


def _is_of(proof: Proof, name: str) -> bool:
    owner = proof.identity.owner
    return owner.kind == "user" and owner.name == name


def _remember(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > MAX_CACHED:
        cache.popitem(last=False)
