"""Accepts logins from a web server in front of the hub, such as Shibboleth: `authenticator_class: remote-user`.

The web server names the user in a header of the request for /hub/login. The hub's own proxy
(configurable-http-proxy) is between the two. It forwards every header from every client, and appends the client's
address to X-Forwarded-For. A name is therefore accepted only if three conditions hold: the hub's own proxy
forwarded the request, it got the request from the web server's address, and the request contains a secret that
only the web server knows. One of them is not enough: users' servers can reach the hub's port without the proxy,
and they see the secret if it is sent with requests other than the login.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.login import LogoutHandler
from traitlets import Bool, List, Unicode, validate

from kernelpod.base.files import read_ordinary
from kernelpod.errors import SettingsError
from kernelpod.hub.logins.addresses import asked_proxy, checked_networks, peer, within

MAX_NAME = 255
MASK = "[secret]"
MIN_SECRET, MAX_SECRET = 32, 4096


class Refused(Exception):
    """The request does not prove a user. The text is for the log."""


class RemoteUserAuthenticator(Authenticator):
    """Accepts the user name that a trusted web server sends, once for each session of the hub."""

    auto_login = Bool(True, help="There is no form: /hub/login reads the request's headers.").tag(config=True)
    header = Unicode("X-Remote-User", help="Header that holds the user's name, as UTF-8.").tag(config=True)
    secret_header = Unicode("X-Remote-User-Secret", help="Header that holds the secret.").tag(config=True)
    secret_file = Unicode(help="File with the secret; only the hub's user and group may read it.").tag(config=True)
    trusted_proxies = List(Unicode(), help="Addresses of the web server, such as 192.0.2.10/32.").tag(config=True)
    hub_proxies = List(
        Unicode(), ["127.0.0.0/8", "::1/128"], help="Addresses of the hub's own proxy, as the hub sees them."
    ).tag(config=True)
    logout_redirect_url = Unicode(
        help="URL of the web server's logout, such as /Shibboleth.sso/Logout. Empty: a page of the hub."
    ).tag(config=True)

    @validate("trusted_proxies", "hub_proxies")  # type: ignore[untyped-decorator]
    def _networks(self, proposal: Any) -> list[str]:
        """Return the networks. Raises TraitError for an invalid one."""
        return checked_networks(proposal)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if not self.trusted_proxies:
            raise SettingsError("RemoteUserAuthenticator.trusted_proxies must name the web server's addresses")
        self._secret()

    def get_handlers(self, app: Any) -> list[tuple[str, type[Any]]]:
        """Return the hub's handler for logouts, which redirects to the web server's logout.

        The hub asks for it before it serves. From then on it logs no request with the secret, whichever page
        fails: it logs all headers of a request that ends with status 500.
        """
        settings = app.tornado_settings
        settings["log_function"] = self._without_secret(settings["log_function"])
        return [(r"/logout", RemoteLogoutHandler)]

    def _without_secret(self, log_request: Callable[[Any], None]) -> Callable[[Any], None]:
        def logged(handler: Any) -> None:
            if self.secret_header in handler.request.headers:
                handler.request.headers[self.secret_header] = MASK
            log_request(handler)

        return logged

    async def authenticate(self, handler: Any, data: Any) -> str | None:  # noqa: ARG002 - there is no form
        """Return the user that the request names, or None if the request does not prove it."""
        try:
            self._check_sender(handler.request)
            return self._name(handler.request.headers)
        except Refused as refused:
            self.log.warning("Login refused: %s", refused)
        return None

    def _check_sender(self, request: Any) -> None:
        """Raise Refused unless the web server sent the request and the hub's proxy forwarded it."""
        try:
            gave, sent = peer(request), asked_proxy(request)
        except ValueError as error:
            raise Refused(str(error)) from None
        if not within(gave, self.hub_proxies):
            raise Refused(f"{gave} is not the hub's proxy (hub_proxies)")
        if not within(sent, self.trusted_proxies):
            raise Refused(f"{sent} is not a trusted proxy (trusted_proxies)")
        secrets = request.headers.get_list(self.secret_header)
        if len(secrets) != 1:
            raise Refused(f"the request contains {self.secret_header} {len(secrets)} times")
        if not hmac.compare_digest(secrets[0].encode("utf-8"), self._secret()):
            raise Refused(f"{self.secret_header} does not contain the secret")

    def _name(self, headers: Any) -> str:
        values = headers.get_list(self.header)
        if len(values) != 1:
            raise Refused(f"the request contains {self.header} {len(values)} times")
        try:
            # Headers are read as Latin-1.
            name = str(values[0]).encode("latin-1").decode("utf-8")
        except UnicodeError:
            raise Refused(f"{self.header} is not UTF-8") from None
        if not 1 <= len(name) <= MAX_NAME:
            raise Refused(f"{self.header} has {len(name)} characters; a name has 1 to {MAX_NAME}")
        # Several values in one: a repeated header that was joined, or an attribute with several values.
        if not name.isprintable() or set(name) & set(" ,;"):
            raise Refused(f"{self.header} contains several names, or characters that names cannot have")
        return unicodedata.normalize("NFC", name)

    def _secret(self) -> bytes:
        """Return the current secret. Raises SettingsError if there is none, so that nobody can log in."""
        path = Path(self.secret_file)
        if not self.secret_file:
            raise SettingsError("RemoteUserAuthenticator.secret_file must name the file of the shared secret")
        try:
            raw, status = read_ordinary(path, MAX_SECRET + 1)
        except OSError as error:
            raise SettingsError(f"RemoteUserAuthenticator.secret_file: {path}: {error.strerror}") from error
        secret = raw.strip()
        if status.st_mode & 0o007:
            raise SettingsError(
                f"RemoteUserAuthenticator.secret_file: everybody may read {path}; run chmod 0600 {path}"
            )
        if not MIN_SECRET <= len(secret) <= MAX_SECRET:
            raise SettingsError(
                f"RemoteUserAuthenticator.secret_file: {path} holds {len(secret)} bytes; "
                f"write at least {MIN_SECRET}: openssl rand -hex 32"
            )
        return secret


class RemoteLogoutHandler(LogoutHandler):
    """Ends the hub's session and then the web server's. Otherwise the next page would log the user in again."""

    async def render_logout_page(self) -> None:
        """Redirect to the web server's logout, if there is one."""
        if self.authenticator.logout_redirect_url:
            self.redirect(self.authenticator.logout_redirect_url, permanent=False)
        else:
            await super().render_logout_page()
