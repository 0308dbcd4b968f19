"""Base classes of the pages: they authenticate callers, and answer errors as JSON with a message and a code."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr
from tornado import web
from tornado.iostream import IOStream

from kernelpod.audit import About, Action, Actor, Party
from kernelpod.errors import (
    BadRequest,
    HubUnavailable,
    NotFound,
    NotProven,
    UserError,
    access_revoked,
    kernel_not_found,
)
from kernelpod.gateway.services import Services
from kernelpod.start.identity import Owner
from kernelpod.start.prover import MAX_TOKEN_LENGTH, Proof, Prover
from kernelpod.start.record import KernelRecord
from kernelpod.start.start import check_still_allowed

log = logging.getLogger(__name__)

# Prefix of URLs that name the caller's hub.
HUBS = "/hubs"
HUB_PREFIX = f"{HUBS}/[a-z0-9-]+"
HTTP_PHRASES = {int(status): status.phrase for status in http.HTTPStatus}


class JsonPage:
    """A page that answers errors as JSON with `reason`, `message` and `code`. Clients never get tracebacks."""

    request: Any
    set_status: Any
    set_header: Any
    finish: Any
    clear_header: Any

    @property
    def services(self) -> Services:
        """The gateway's services."""
        found: Services = self.settings["kernelpod"]  # type: ignore[attr-defined]
        return found

    def set_default_headers(self) -> None:
        """Set headers so that browsers neither run nor store the response."""
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def data_received(self, chunk: bytes) -> None:
        """Drop the body, unless the page has a use for it."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's message; errors other than UserError and HTTPError become "internal"."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, UserError):
            status_code, body = error.status, error.body()
        elif isinstance(error, web.HTTPError):
            text = error.reason or HTTP_PHRASES.get(status_code, "Error")
            body = {
                "reason": text,
                "message": text,
                "code": "page_not_found" if status_code == 404 else "bad_json",
            }
        else:
            text = "An internal error occurred in the gateway. An admin can find the details in its log."
            body = {"reason": text, "message": text, "code": "internal"}
        self.set_status(status_code)
        if isinstance(error, HubUnavailable):
            self.set_header("Retry-After", str(error.retry_after_seconds))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a UserError as one line, and any other error with its traceback."""
        if isinstance(value, UserError):
            log.info(
                "%s %s: %s %s",
                self.request.method,
                self.request.path,
                value.code,
                value.detail or value.message,
            )
        else:
            super().log_exception(typ, value, tb)  # type: ignore[misc]


class Proven(JsonPage):
    """A page that authenticates its caller before every HTTP method and before the upgrade to a websocket.

    It must be the first base class of a page, so that no code of the page runs for an unauthenticated caller.
    """

    proof: Proof
    caller_token: SecretStr
    stream: IOStream | None = None
    """The caller's connection."""
    action: Action = "read"
    """What the request asks for."""
    record: KernelRecord | None = None
    """The record of the kernel that the request is about."""
    kernelspec: str | None = None
    """The kernelspec that the request asks for."""
    about: Owner | None = None
    """The user that the request is about, if it is about no kernel."""

    async def prepare(self) -> None:
        """Authenticate the caller. Raises UserError. The request body is not read before."""
        self.stream = self.request.connection.stream
        self.caller_token = bearer_token(self.request)
        self.proof = await self.prover().prove(self.caller_token)
        self.services.guests.prove(self.stream, self.proof.identity.owner)
        await self.check()
        self.require_not_revoked()
        prepared = super().prepare()  # type: ignore[misc]
        if prepared is not None:
            await prepared

    @property
    def actor(self) -> Actor:
        """Who the audit log says sent the request."""
        proven: Proof | None = getattr(self, "proof", None)
        address = self.services.origin.address(self.request)
        return Actor(Party.of(proven.identity.owner) if proven else None, address)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log the error, and write a denial or a failed start into the audit log."""
        super().log_exception(typ, value, tb)
        code, status = (value.code, value.status) if isinstance(value, UserError) else ("internal", 500)
        denied = status in (401, 403) or (status == 404 and self.record is not None)
        if denied or self.action == "start":
            self.services.audit.write(
                self.action, self.actor, outcome="denied" if denied else "failed", code=code,
                about=self.record or About(self.about, kernelspec=self.kernelspec),
            )  # fmt: skip

    def prover(self) -> Prover:
        """Return the Prover of the hub in the URL, so that tokens are never sent to another hub.

        Raises NotFound for an unknown hub.
        """
        return prover_of(self.services, path_of(self.request, self.settings))  # type: ignore[attr-defined]

    async def check(self) -> None:
        """Check more than the caller's identity, in subclasses. Raises UserError."""

    def check_origin(self, *_: str) -> bool:
        """Return True, also for a foreign `Origin`: no page in a browser can send the token in a header."""
        return True

    def get_current_user(self) -> str:
        """Return the caller's name as the hub knows it."""
        return self.proof.identity.name

    def may_access(self, owner: Owner) -> bool:
        """Return whether the caller may access this owner's kernels: their own, or as an admin all of the hub."""
        identity = self.proof.identity
        if self.services.settings.identity.admin_scope in identity.scopes:
            return owner.hub == identity.owner.hub
        return owner.is_same_as(identity.owner)

    def require_not_revoked(self) -> None:
        """Raise NotProven if an admin has revoked the caller since the hub was asked about them."""
        if self.prover().is_revoked(self.proof):
            raise access_revoked()

    def require_fresh(self) -> None:
        """Raise HubUnavailable if the caller's identity is stale, because nothing new is allowed then."""
        if self.proof.stale:
            raise HubUnavailable(
                "hub_unavailable",
                "The hub does not answer. You can use running kernels, but not start new ones. Try again soon.",
            )


class OwnKernel(Proven):
    """A page about one kernel. For other users than its owner the kernel does not exist."""

    path_kwargs: dict[str, str]

    async def check(self) -> None:
        """Raise NotFound, as for a kernel that does not exist, unless the caller may access the kernel."""
        kernel_id = self.path_kwargs["kernel_id"]
        self.record = self.services.kernels.kernel(kernel_id).record
        if not self.may_access(self.record.owner):
            raise kernel_not_found(kernel_id)

    @property
    def is_foreign(self) -> bool:
        """Whether the kernel is not the caller's, so that they use it as an admin."""
        return self.record is not None and not self.record.owner.is_same_as(self.proof.identity.owner)

    async def check_still_allowed(self) -> None:
        """Raise Denied or NotFound if the owner may no longer run their kernel; admins may use it by their scope.

        The owner can still see and stop it.
        """
        plan = self.services.kernels.kernel(self.path_kwargs["kernel_id"]).record.plan
        if plan.owner.is_same_as(self.proof.identity.owner):
            await check_still_allowed(plan, self.proof.identity, self.services.starter)


def path_of(request: Any, settings: Mapping[str, Any]) -> str:
    """Return the path of a request below the gateway's own URL."""
    path: str = request.path
    return path.removeprefix(settings["base_url"].rstrip("/"))


def prover_of(services: Services, path: str) -> Prover:
    """Return the Prover of the hub in a URL's path. Raises NotFound for an unknown hub."""
    provers = services.provers
    name = path.split("/", 3)[2] if path.startswith(f"{HUBS}/") else next(iter(provers))
    if name not in provers:
        raise NotFound("page_not_found", f"This gateway serves no hub {name!r}.")
    return provers[name]


def bearer_token(request: Any) -> SecretStr:
    """Return the token of the Authorization header ("token ..." or "Bearer ...").

    Raises NotProven (no_token), BadRequest (token_in_url).
    """
    if "token" in request.query_arguments:
        raise BadRequest(
            "token_in_url",
            "The token was sent in the URL, so it may be in logs. Revoke it, and send the next one in the "
            "Authorization header.",
        )
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("token", "bearer") or not token or len(token) > MAX_TOKEN_LENGTH:
        raise NotProven("no_token", "Send your hub token in the header `Authorization: token ...`.")
    return SecretStr(token)
