"""Asks the REST API of a hub or a gateway, with an admin's token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr

from kernelpod.settings.hubs import Hub

# The hub answers to the stop of a server after ten seconds at the latest; it goes on to stop then.
TIMEOUT_SECONDS = 15
# The hub gives at most `JupyterHub.api_page_max_limit` users at once, 200 by default.
PAGE = 200
MOST_USERS = 1_000_000


class NotDoneError(Exception):
    """A request failed; the text says which, and why."""


class UnknownUserError(NotDoneError):
    """The answer was 404."""


class RefusedError(NotDoneError):
    """The answer was 401 or 403."""


class Api:
    """The REST API of a hub or a gateway, for the owner of a token."""

    def __init__(
        self,
        what: str,
        url: str,
        token: SecretStr,
        authority: Path | str | None = None,
        shown: tuple[Path | None, Path | None] = (None, None),
    ) -> None:
        """`authority` is a file of the certificates that an HTTPS address is checked by.

        If there is none on this machine, those of the system count, or of REQUESTS_CA_BUNDLE. `shown` are the
        files of a certificate and its key, which are shown to the API if they are on this machine.
        """
        self._what, self._url, self._token = what, url.rstrip("/"), token
        self._verify = str(authority) if authority and Path(authority).is_file() else True
        files = [str(path) for path in shown if path and path.is_file()]
        self._shown = (files[0], files[1]) if len(files) == 2 else None

    def ask(self, method: str, path: str) -> Any:
        """Return the answer's JSON, None if it has none. Raises NotDoneError."""
        try:
            answer = requests.request(
                method,
                f"{self._url}{path}",
                auth=self._sign,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                verify=self._verify,
                cert=self._shown,
            )
            body = answer.json() if answer.ok and "json" in answer.headers.get("Content-Type", "") else None
        except (requests.RequestException, ValueError) as error:
            raise NotDoneError(f"{self._what} at {self._url} does not answer ({type(error).__name__})") from error
        said = f"{self._what} at {self._url} answered {answer.status_code}"
        if answer.status_code == 404:
            raise UnknownUserError(f"{self._what} has no such user")
        if answer.status_code in (401, 403):
            raise RefusedError(f"{said}: it does not take the token")
        if not 200 <= answer.status_code < 300:
            raise NotDoneError(said)
        return body

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self._token.get_secret_value()}"
        return request


def api_of_hub(hub: Hub, token: SecretStr) -> Api:
    """Return the API of a hub of the settings."""
    return Api(f"the hub {hub.name}", hub.api_url, token, hub.ca_file, (hub.cert_file, hub.key_file))


def user_names(hub: Api) -> list[str]:
    """Return the names of all users that a hub knows, in the order in which it came to know them.

    Raises NotDoneError, also if the token's owner may not list users (scope `list:users`).
    Source: the REST API of JupyterHub, GET /users.
    """
    names: list[str] = []
    while page := _page(hub, len(names)):
        names += page
        if len(names) > MOST_USERS:
            raise NotDoneError(f"the hub names over {MOST_USERS} users")
    return names


def _page(hub: Api, begin: int) -> list[str]:
    try:
        found = hub.ask("GET", f"/users?offset={begin}&limit={PAGE}")
        return [str(one["name"]) for one in found]
    except RefusedError as error:
        raise RefusedError(f"{error}, or its owner lacks the scope list:users") from error
    except (KeyError, TypeError) as error:
        raise NotDoneError("hubs.api_url is not a hub's: its answer is no list of users") from error
