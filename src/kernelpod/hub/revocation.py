"""Revokes a user over the REST APIs of hub and gateway, with an admin's token: what `kernelpod users revoke` does.

Tokens go first, so that nothing can be begun by them; then servers, and what the user has at the gateway. What was
under way meanwhile is looked for once more. A step that fails does not keep the others from being done.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from pydantic import SecretStr

from kernelpod.errors import KernelpodError
from kernelpod.hub import servers
from kernelpod.hub.restapi import Api, NotDoneError, RefusedError, UnknownUserError, api_of_hub
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

STOP_SECONDS = 20
LOOK_SECONDS = 0.2
AT_ONCE = 8

Name = Literal["logins", "tokens", "servers", "gateway"]
WHAT: dict[Name, str] = {
    "logins": "logins of browsers",
    "tokens": "tokens at the hub",
    "servers": "servers",
    "gateway": "kernels, starts and websockets at the gateway",
}


@dataclass(frozen=True)
class Step:
    """One thing that the revocation does."""

    step: Name
    outcome: Literal["done", "failed", "planned"]
    count: int
    """How many tokens or servers there were, or kernels, starts and websockets together."""
    message: str


class AtGateway:
    """What a user has at the gateway, and the end of it."""

    def __init__(self, gateway: Api, name: str) -> None:
        """`gateway` asks with the token of an admin of the user's hub."""
        self._gateway, self._path = gateway, f"/users/{quote(name, safe='')}/revoke"
        self._ended = 0

    def count(self) -> int:
        """Return how many kernels, starts and websockets there are. Raises NotDoneError."""
        return sum(self._ask("GET")["has"].values())

    def end(self) -> int:
        """End them. Return how many this has ended so far. Raises NotDoneError if some are still ending."""
        answer = self._ask("POST")
        self._ended += sum(answer["had"].values())
        if left := sum(answer["left"].values()):
            raise NotDoneError(f"{left} of {self._ended} kernels and starts are still ending")
        return self._ended

    def _ask(self, method: str) -> Any:
        try:
            return self._gateway.ask(method, self._path)
        except UnknownUserError as error:
            raise NotDoneError("the gateway has no page for it; is servers.gateway_url right?") from error


class Revocation:
    """The revocation of one user."""

    def __init__(self, settings: Settings, hub: Hub, gateway_url: str, token: SecretStr, name: str) -> None:
        self._name, self._path = name, f"/users/{quote(name, safe='')}"
        self._needed = servers.admin_scopes(settings, hub)
        self._hub = api_of_hub(hub, token)
        gateway = Api("the gateway", f"{gateway_url}/api", token, settings.servers.gateway_ca_file)
        self._at_gateway = AtGateway(gateway, name)
        self._tokens: set[str] = set()
        self._servers: set[str] = set()
        self._unknown = False

    def plan(self) -> list[Step]:
        """Return what `run` would do. Raises KernelpodError if the token cannot do it, or for an unknown user."""
        self._check_token()
        return self._known([
            self._step("tokens", self._list_tokens, "planned"),
            self._step("servers", self._list_servers, "planned"),
            self._step("gateway", self._at_gateway.count, "planned"),
        ])  # fmt: skip

    def run(self) -> list[Step]:
        """Revoke the user. Raises KernelpodError if the token cannot do it, or for an unknown user."""
        self._check_token()
        tokens = self._step("tokens", self._delete_tokens)
        with ThreadPoolExecutor() as pool:
            pool.submit(self._step, "gateway", self._at_gateway.end)
            stop = self._step("servers", self._stop_servers)
        if tokens.outcome == "done":  # a server that was starting may have got a token, and by it a kernel
            tokens = self._step("tokens", self._delete_tokens)
        return self._known([tokens, stop, self._step("gateway", self._at_gateway.end)])

    def _check_token(self) -> None:
        try:
            me = self._hub.ask("GET", "/user")
            name, kind, scopes = me["name"], me["kind"], set(me["scopes"])
        except RefusedError as error:
            raise KernelpodError(f"{error}. Nothing was done; give an admin's token by --token-file.") from error
        except NotDoneError:
            return  # each step says so
        except (KeyError, TypeError) as error:
            raise KernelpodError("hubs.api_url is not a hub's: its answer is no user model.") from error
        if "access:services" in scopes:
            scopes |= {scope for scope in self._needed if scope.startswith("access:services!")}
        if missing := sorted(set(self._needed) - scopes):
            raise KernelpodError(
                f"The token of {name} lacks the scopes {', '.join(missing)}. Nothing was done; docs/hub.md "
                '("Revoking a user") says who has them.'
            )
        if (kind, name) == ("user", self._name):
            raise KernelpodError(f"The token is {name}'s own. Nothing was done; use another admin's.")

    def _step(self, step: Name, act: Callable[[], int], outcome: Literal["done", "planned"] = "done") -> Step:
        try:
            return Step(step, outcome, act(), "")
        except UnknownUserError as error:
            self._unknown = True
            return Step(step, outcome, 0, str(error))
        except NotDoneError as error:
            return Step(step, "failed", 0, str(error))
        except (KeyError, TypeError, AttributeError):
            return Step(
                step, "failed", 0, "the answer has another form than that of JupyterHub 6 and this gateway"
            )

    def _known(self, steps: list[Step]) -> list[Step]:
        if self._unknown and not any(step.count or step.outcome == "failed" for step in steps):
            raise KernelpodError(
                f"The hub has no user {self._name!r}, and the gateway has nothing of theirs. Write the name as "
                "the hub's admin page does."
            )
        return steps

    def _list_tokens(self) -> int:
        self._tokens |= {one["id"] for one in self._hub.ask("GET", f"{self._path}/tokens")["api_tokens"]}
        return len(self._tokens)

    def _delete_tokens(self) -> int:
        known = set(self._tokens)
        self._list_tokens()
        for token_id in sorted(self._tokens - known):
            with contextlib.suppress(UnknownUserError):  # it went with another one of the same login
                self._hub.ask("DELETE", f"{self._path}/tokens/{token_id}")
        return len(self._tokens)

    def _running(self) -> set[str]:
        return set(self._hub.ask("GET", self._path)["servers"])

    def _list_servers(self) -> int:
        return len(self._running())

    def _stop_servers(self) -> int:
        until = time.monotonic() + STOP_SECONDS
        while running := self._running():
            if new := running - self._servers:
                self._servers |= new
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    list(pool.map(self._stop_server, new))
            elif time.monotonic() > until:
                raise NotDoneError(f"the hub has not stopped {len(running)} servers within {STOP_SECONDS} s")
            else:
                time.sleep(LOOK_SECONDS)
        return len(self._servers)

    def _stop_server(self, server: str) -> None:
        place = f"servers/{quote(server, safe='')}" if server else "server"
        with contextlib.suppress(UnknownUserError):  # it has just ended
            self._hub.ask("DELETE", f"{self._path}/{place}")
