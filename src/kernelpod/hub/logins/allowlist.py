"""Lets only users in the lists of a hub's courses log in, with any authenticator."""

from __future__ import annotations

from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.utils import maybe_future

from kernelpod.courses.resolver import CourseResolver
from kernelpod.hub.logins.mixed import mixed


class CourseAllowList(Authenticator):
    """Mixin for authenticators: the authenticator verifies users, and the lists decide who may log in.

    Users that the class or `blocked_users` refuses stay refused. `allowed_users` and `allow_all` allow only users
    in the lists. The hub's admins are the admins of the lists and `admin_users`.
    """

    resolver: CourseResolver

    async def check_blocked_users(self, username: str, authentication: Any = None) -> bool:
        """Return whether the lists allow the user and nothing blocks them. JupyterHub always calls this."""
        passed = await maybe_future(super().check_blocked_users(username, authentication))
        await self.resolver.look()
        return bool(passed) and self.resolver.may_log_in(username)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Return whether the lists allow the user."""
        del authentication
        return self.resolver.may_log_in(username)

    async def is_admin(self, handler: Any, authentication: Any) -> bool:
        """Return whether the lists or `admin_users` make the user an admin."""
        by_class = await maybe_future(super().is_admin(handler, authentication))
        return bool(by_class) or self.resolver.is_admin(authentication["name"])


def with_allow_list(authenticator: Any, resolver: CourseResolver) -> type:
    """Return the authenticator's class with CourseAllowList mixed in. Raises TraitError."""
    return mixed(CourseAllowList, authenticator, resolver=resolver)
