"""What every page does first: prove its caller, and answer errors as JSON with a sentence and a code."""

from __future__ import annotations

import http
import json
import logging
from typing import Any

from pydantic import SecretStr
from tornado import web

from kernelpod.errors import BadRequest, HubUnavailable, NotFound, NotProven, UserError, kernel_not_found
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.gateway.services import Services
from kernelpod.start.identity import MAX_TOKEN_LENGTH, Owner, Proof, Prover

log = logging.getLogger(__name__)

# What a URL begins with that names its caller's hub.
HUBS = "/hubs"
HUB_PREFIX = f"{HUBS}/[a-z0-9-]+"
HTTP_PHRASES = {int(status): status.phrase for status in http.HTTPStatus}


class JsonPage:
    """Errors as JSON with `reason`, `message` and `code`; no traceback ever reaches a client."""

    request: Any
    set_status: Any
    set_header: Any
    finish: Any
    clear_header: Any

    @property
    def services(self) -> Services:
        """What every page works with."""
        found: Services = self.settings["kernelpod"]  # type: ignore[attr-defined]
        return found

    def set_default_headers(self) -> None:
        """Nothing here is for a browser to run or to keep."""
        self.set_header("Content-Type", "application/json")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error's sentence; what is not ours is "internal" and nothing more."""
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
            text = "The gateway met an error of its own; an admin finds it in its log."
            body = {"reason": text, "message": text, "code": "internal"}
        self.set_status(status_code)
        if isinstance(error, HubUnavailable):
            self.set_header("Retry-After", str(error.retry_after_seconds))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(body))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """One line for what a caller did or may hear; a traceback only for a fault of our own."""
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
    """Runs before every method, for HTTP and for the upgrade to a websocket: who asks?

    Stands first in each page's MRO, so that nothing of the page runs for a caller who is not proven.
    """

    proof: Proof
    caller_token: SecretStr

    async def prepare(self) -> None:
        """Prove the caller. Raises UserError; the body is looked at by nobody before."""
        if len(self.request.body or b"") > self.services.settings.gateway.max_body_bytes:
            raise BadRequest("body_too_large", "The request body is too large for this gateway.")
        self.caller_token = bearer_token(self.request)
        self.proof = await self.prover().prove(self.caller_token)
        await self.check()
        prepared = super().prepare()  # type: ignore[misc]
        if prepared is not None:
            await prepared

    def prover(self) -> Prover:
        """Return what proves callers of the hub that the URL names: no token is ever shown to another hub.

        Raises NotFound for a hub that there is not.
        """
        provers = self.services.provers
        path = self.request.path.removeprefix(self.settings["base_url"].rstrip("/"))  # type: ignore[attr-defined]
        name = path.split("/", 3)[2] if path.startswith(f"{HUBS}/") else next(iter(provers))
        if name not in provers:
            raise NotFound("page_not_found", f"This gateway serves no hub {name!r}.")
        return provers[name]

    async def check(self) -> None:
        """Check more than who asks."""

    def get_current_user(self) -> str:
        """Return the caller's name as the hub knows it."""
        return self.proof.identity.name

    def may_access(self, owner: Owner) -> bool:
        """Return whether the caller may see a kernel of this owner: their own, or by scope all of their hub."""
        identity = self.proof.identity
        if self.services.settings.identity.admin_scope in identity.scopes:
            return owner.hub == identity.owner.hub
        return owner == identity.owner

    def require_fresh(self) -> None:
        """Refuse what is new while the hub is silent. Raises HubUnavailable."""
        if self.proof.stale:
            raise HubUnavailable(
                "hub_unavailable",
                "The hub does not answer; running kernels can be used, new ones not. Try again soon.",
            )


class OwnKernel(Proven):
    """A page of one kernel: another user's kernel does not exist."""

    path_kwargs: dict[str, str]
    kernel_manager: DirectMappingKernelManager

    async def check(self) -> None:
        """Raise NotFound, with the text of a kernel that never was, unless the kernel is the caller's."""
        kernel_id = self.path_kwargs["kernel_id"]
        if not self.may_access(self.kernel_manager.kernel(kernel_id).record.owner):
            raise kernel_not_found(kernel_id)


def bearer_token(request: Any) -> SecretStr:
    """Return the token of the Authorization header ("token ..." or "Bearer ...").

    Raises NotProven (no_token), BadRequest (token_in_url).
    """
    if "token" in request.query_arguments:
        raise BadRequest(
            "token_in_url",
            "A token must not stand in a URL, where logs keep it: revoke it, and send the next one in the "
            "Authorization header.",
        )
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("token", "bearer") or not token or len(token) > MAX_TOKEN_LENGTH:
        raise NotProven("no_token", "Send your hub token in the header `Authorization: token ...`.")
    return SecretStr(token)
