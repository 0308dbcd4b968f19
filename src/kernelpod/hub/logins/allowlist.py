"""Who may log in on a hub with courses: whoever its lists name, by whatever authenticator proves them."""

from __future__ import annotations

from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.auth import Authenticator
from jupyterhub.utils import maybe_future
from traitlets.config import Config

from kernelpod.courses.resolver import CourseResolver


class CourseAllowList(Authenticator):
    """Mixed in front of an authenticator: the lists say who may come in, the authenticator who somebody is.

    `blocked_users` and what the class itself refuses stay refused; `allowed_users` and `allow_all` let nobody in
    whom the lists do not. An admin of the lists is one of the hub, and nobody else but `admin_users`.
    """

    resolver: CourseResolver

    async def check_blocked_users(self, username: str, authentication: Any = None) -> bool:
        """Return whether the lists let the user in and nothing blocks them. JupyterHub asks this in any case."""
        passed = await maybe_future(super().check_blocked_users(username, authentication))
        await self.resolver.look()
        return bool(passed) and self.resolver.may_log_in(username)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Return whether the lists let the user in."""
        del authentication
        return self.resolver.may_log_in(username)

    async def is_admin(self, handler: Any, authentication: Any) -> bool:
        """Return whether the lists, or `admin_users`, name the user an admin."""
        by_class = await maybe_future(super().is_admin(handler, authentication))
        return bool(by_class) or self.resolver.is_admin(authentication["name"])


def with_allow_list(authenticator: Any, resolver: CourseResolver) -> type:
    """Return the authenticator's class with the lists in front of it, under its own name.

    `authenticator` is what `JupyterHub.authenticator_class` may be: a class, the name of an entry point, an import
    path, or an empty section of a configuration. Raises TraitError for a class that there is not.
    """
    config = Config()
    if authenticator:
        config.JupyterHub.authenticator_class = authenticator
    chosen: Any = JupyterHub(config=config).authenticator_class
    body = {"resolver": resolver, "__doc__": chosen.__doc__, "__module__": chosen.__module__}
    return type(chosen.__name__, (CourseAllowList, chosen), body)
