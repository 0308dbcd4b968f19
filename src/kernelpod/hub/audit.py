"""Writes into the audit log what is done at the hub: logins, and what changes servers, tokens, users and rights.

JupyterHub calls one function for each request that it has answered, whatever the authenticator is. What that
function sees of a request is enough: who asked, the path, the status, and for lists of users the body.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from jupyterhub import orm
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.log import log_request

from kernelpod.audit import About, Action, Actor, AuditLog, Outcome, Party
from kernelpod.hub.pages.revoke import PLACE
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Owner

log = logging.getLogger(__name__)

# Users of one request that have a line of their own.
MOST_USERS = 50
# A request that was refused is read up to this size. JupyterHub has read the others whole: nothing hides in them.
MOST_REFUSED_BYTES = 64 * 1024
_SERVER = r"/api/users/(?P<user>[^/]+)/servers?(?:/(?P<what>[^/]*))?"
_SHARE = r"/api/share(?:s|-codes)/(?P<user>[^/]+)(?:/(?P<what>[^/]*))?"
_ACTS: tuple[tuple[str, str, Action], ...] = (
    ("POST", _SERVER, "server_start"),
    ("DELETE", _SERVER, "server_stop"),
    ("POST", r"/api/users/(?P<user>[^/]+)/tokens", "token_new"),
    ("DELETE", r"/api/users/(?P<user>[^/]+)/tokens/(?P<what>[^/]*)", "token_end"),
    ("POST", r"/api/users", "user_change"),
    ("POST PATCH DELETE", r"/api/users/(?P<user>[^/]+)", "user_change"),
    ("POST PUT PATCH DELETE", r"/api/groups(?:/(?P<what>[^/]+)(?:/users|/properties)?)?", "group_change"),
    ("POST PATCH DELETE", _SHARE, "share_change"),
    ("DELETE", r"/api/(?:users|groups)/[^/]+/shared(?:/(?P<user>[^/]+)/(?P<what>[^/]*))?", "share_change"),
    ("POST", r"/accept-share", "share_change"),
    ("POST", r"/api/shutdown", "hub_stop"),
)
_SPAWN = re.compile(r"/spawn(?:/(?P<user>[^/]+)(?:/(?P<what>[^/]+))?)?")
_LOGIN = re.compile(r"/(?:login|oauth_callback)")
_DENIED = {401: "not_logged_in", 403: "forbidden", 404: "not_found"}


@dataclass(frozen=True)
class Act:
    """Something that was done at the hub, or tried."""

    action: Action
    status: int
    user: str | None = None
    """Whose server, token or right it is."""
    what: str | None = None
    """The server, the group, the token's id, or what is changed."""


def write_audit_log(c: Any, settings: Settings, hub: Hub) -> None:
    """Let the hub with the configuration `c` write the audit log, beside its own log of requests.

    Raises SettingsError if `audit.hub_file` cannot be written.
    """
    audit = AuditLog(settings.audit.enabled, settings.audit.hub_file, "audit.hub_file")
    if settings.audit.enabled:
        given = c.JupyterHub.get("tornado_settings", {})
        before = (given if isinstance(given, dict) else given.get_value({})).get("log_function", log_request)
        c.JupyterHub.tornado_settings.update({"log_function": _audited(audit, hub.name, before)})


def _audited(audit: AuditLog, hub: str, log_before: Callable[[Any], None]) -> Callable[[Any], None]:
    def log_and_audit(handler: Any) -> None:
        log_before(handler)
        try:
            who = _party(handler, hub)
            for act in acts(handler):
                outcome, code = _result(act.status)
                owner = Owner(hub=hub, kind="user", name=act.user) if act.user else None
                by = Actor(who, handler.request.remote_ip)
                audit.write(act.action, by, outcome=outcome, code=code, about=About(owner=owner, what=act.what))
        except Exception:  # the request has been answered
            log.exception("a request could not be written into the audit log")

    return log_and_audit


def acts(handler: Any) -> Iterator[Act]:
    """Yield what a request that was answered has done."""
    if not isinstance(handler, BaseHandler):  # static files
        return
    request, status = handler.request, handler.get_status()
    path = request.path.removeprefix(handler.hub.base_url.rstrip("/"))
    user = _name(handler)
    if handler.hub.cookie_name in getattr(handler, "_new_cookie", ()) and user and status < 400:
        yield Act("login", 200, user)
    elif _LOGIN.fullmatch(path) and status >= 400:
        yield Act("login", status, _argument(handler, "username"))
    elif request.method == "POST" and path == PLACE:
        yield Act("revoke", status, _argument(handler, "user"))
    elif (spawned := _SPAWN.fullmatch(path)) and _has_begun(handler, status):
        owner, server = (unquote(text) if text else None for text in spawned.groups())
        shown_again = request.method == "POST" and status == 200  # the form, with what is wrong
        yield Act("server_start", 400 if shown_again else status, owner or user, server)
    for methods, pattern, action in _ACTS:
        if request.method in methods.split() and (found := re.fullmatch(pattern, path)):
            named = {name: unquote(text) for name, text in found.groupdict().items() if text}
            yield from _of_each(Act(action, status, named.get("user"), named.get("what")), request.body)
            return


def _has_begun(handler: Any, status: int) -> bool:
    """Return whether a page that starts servers did so, or refused. Otherwise it shows its form, or a server."""
    if handler.request.method == "POST" or status >= 400:
        return True
    return status == 302 and "/spawn-pending/" in handler._headers.get("Location", "")


def _of_each(act: Act, body: bytes) -> Iterator[Act]:
    """Yield an act for each user that the body names, and one if it names none."""
    said = _object(body) if act.status < 400 or len(body) <= MOST_REFUSED_BYTES else {}
    users = said.get("usernames" if act.action == "user_change" else "users")
    if act.action == "user_change" and act.user:
        changed = ", ".join(f"{key}={json.dumps(said[key])}" for key in ("admin", "name") if key in said)
        yield Act(act.action, act.status, act.user, changed or None)
    elif act.action in ("user_change", "group_change") and isinstance(users, list) and users:
        what = act.what or ("admin=true" if said.get("admin") is True else None)
        for name in users[:MOST_USERS]:
            yield Act(act.action, act.status, str(name), what)
        if (more := len(users) - MOST_USERS) > 0:
            yield Act(act.action, act.status, None, f"{what or ''} and {more} more users".strip())
    else:
        yield act


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _argument(handler: Any, name: str) -> str | None:
    """Return a field of the form that was sent, such as the name that somebody tried to log in with."""
    said = handler.request.body_arguments.get(name)
    return said[-1].decode("utf-8", "replace") if said else None


def _name(handler: Any) -> str | None:
    user = _user(handler)
    return None if user is None or isinstance(user, orm.Service) else str(user.name)


def _user(handler: Any) -> Any:
    try:
        return handler.current_user
    except Exception:  # noqa: BLE001 - as JupyterHub's own log: the request was refused before that was known
        return None


def _party(handler: Any, hub: str) -> Party | None:
    user = _user(handler)
    if user is None:
        return None
    return Party(hub=hub, kind="service" if isinstance(user, orm.Service) else "user", name=user.name)


def _result(status: int) -> tuple[Outcome, str]:
    if status < 400:
        return "done", "ok"
    if status in _DENIED:
        return "denied", _DENIED[status]
    return "failed", "refused" if status < 500 else "hub_error"
