"""Authenticates callers: asks the hub who owns the caller's token.

The hub's answer to `GET /hub/api/user` (JupyterHub REST API) is the only source; nothing in the request is
trusted. Answers are cached for a short time by the token's hash. At most one request for each token is in flight.
While the hub does not answer, a token that was valid can still use its owner's running kernels, but nothing new is
allowed. An answer that cannot be used says nothing about other tokens, because its user may have made it so.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from kernelpod.errors import Denied, HubUnavailable, NotProven, UserError
from kernelpod.settings.hubs import Hub, IdentitySettings

log = logging.getLogger(__name__)

MAX_CACHED = 10_000
MAX_TOKEN_LENGTH = 4096
# What a proxy answers while the hub is away.
HUB_AWAY = frozenset({502, 503, 504})
# The choices of a user that the gateway reads, and how much of each is kept.
CHOICES = ("profile", "semester")
MAX_CHOICE_LENGTH = 200
# MySQL rounds times to seconds, so a hub tells another time after its restart.
CREATED_PRECISION = timedelta(seconds=1)


class Owner(BaseModel):
    """The owner of a kernel. Equal names of two hubs, or of a user and a service, are different owners."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hub: str
    kind: str
    name: str
    created: datetime | None = None
    """When the hub made this user, so that a later user of the same name is another owner; None if it did not say.
    """

    def is_same_as(self, caller: Owner) -> bool:
        """Return whether a caller is this owner. A caller whose hub does not tell `created` is not, if this owner
        has one: they might be another user of the same name."""
        if self.created is None:
            return self.named() == caller.named()
        return caller.created is not None and self.may_be(caller)

    def may_be(self, other: Owner) -> bool:
        """Return whether both may be the same user, as far as is known."""
        if self.created is None or other.created is None:
            return self.named() == other.named()
        return self.named() == other.named() and abs(self.created - other.created) <= CREATED_PRECISION

    def named(self) -> Owner:
        """Return the owner without `created`."""
        return self.model_copy(update={"created": None})

    def __str__(self) -> str:
        return f"{self.hub}:{self.name}" if self.kind == "user" else f"{self.hub}:{self.kind}:{self.name}"


@dataclass(frozen=True)
class Identity:
    """An authenticated caller, as described by the hub.

    `user_options` is what the user chose of CHOICES when they started their server. It never grants rights.
    """

    owner: Owner
    groups: tuple[str, ...] = ()
    server: str | None = None
    """Name of the server that the token belongs to, "" for the default server; None for other tokens."""
    scopes: frozenset[str] = frozenset()
    user_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The user's name as the hub spells it."""
        return self.owner.name


@dataclass(frozen=True)
class Proof:
    """An authenticated identity; `stale` if it is an older answer, used because the hub does not answer."""

    identity: Identity
    at: float
    """When the hub answered, by the Prover's clock."""
    revocations: int
    """How many users had been revoked when the hub was asked."""
    stale: bool = False


@dataclass(frozen=True)
class HubAnswer:
    """The hub's response to an API request."""

    status: int
    body: bytes


class HubSilentError(Exception):
    """The hub could not be reached or did not answer in time."""


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


def parse_answer(hub: Hub, answer: HubAnswer) -> Identity:
    """Return the identity in a hub's answer with status 200.

    Raises HubUnavailable: `hub_unavailable` for any other status and for a body that is not a user model, such as
    a proxy's page, `hub_answer_invalid` for a body that no honest user has.
    """
    if answer.status != 200:
        log.warning("hub %s answered status %d", hub.name, answer.status)
        raise hub_unavailable()
    try:
        model = json.loads(answer.body, object_pairs_hook=_without_duplicates)
        kind, name = model["kind"], model["name"]
        groups, scopes = model.get("groups") or [], model.get("scopes") or []
        servers = model.get("servers") or {}
        fits = all(isinstance(text, str) for text in [kind, name, *groups, *scopes]) and isinstance(servers, dict)
    except RecursionError as error:
        raise answer_invalid(hub, "it is nested too deep") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits or kind not in ("user", "service") or not name:
        log.warning("hub %s answered something that is not a user model", hub.name)
        raise hub_unavailable()
    # The answer for a server's token lists only that server. Other tokens may list several; then no server is
    # taken.
    server, options = next(iter(servers.items())) if len(servers) == 1 else (None, {})
    return Identity(
        owner=Owner(hub=hub.name, kind=kind, name=name, created=_created(model.get("created"))),
        groups=tuple(sorted(groups)),
        server=server,
        scopes=frozenset(scopes),
        user_options=_choices(options.get("user_options")) if isinstance(options, dict) else {},
    )


def hub_unavailable() -> HubUnavailable:
    """Return the error for a token that cannot be checked, because the hub does not answer."""
    return HubUnavailable(
        "hub_unavailable",
        "The hub does not answer, so your token cannot be checked. Try again in a few seconds.",
    )


def answer_invalid(hub: Hub, why: str) -> HubUnavailable:
    """Return the error for a token whose owner's own data make the hub's answer useless."""
    log.warning("hub %s gave an answer for one user that cannot be used: %s", hub.name, why)
    return HubUnavailable(
        "hub_answer_invalid",
        "The hub's answer about you cannot be used, perhaps because of the options of your server. Stop your "
        "servers at the hub and start one anew; if that does not help, ask an admin.",
        detail=why,
    )


def _is_of(proof: Proof, name: str) -> bool:
    owner = proof.identity.owner
    return owner.kind == "user" and owner.name == name


def _choices(options: Any) -> dict[str, str]:
    """Return what the user chose. Other options may be of any size, and identities are cached."""
    if not isinstance(options, dict):
        return {}
    return {name: str(options[name])[:MAX_CHOICE_LENGTH] for name in CHOICES if options.get(name)}


def _without_duplicates(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError if a name occurs twice: readers may take different ones."""
    made = dict(members)
    if len(made) < len(members):
        raise ValueError("a name occurs twice")
    return made


def _created(text: Any) -> datetime | None:
    """Return the time in a user model, which JupyterHub writes in UTC with "Z"; None if it is not one."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _remember(cache: OrderedDict[str, Any], key: str, value: Any) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > MAX_CACHED:
        cache.popitem(last=False)
