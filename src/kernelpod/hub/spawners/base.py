"""The base of all spawners: resolves the user's course and what they are entitled to."""

from __future__ import annotations

from collections import abc
from typing import Any

from jupyterhub.utils import maybe_future
from tornado.web import HTTPError
from traitlets import Callable, Instance, default
from traitlets.config import LoggingConfigurable

from kernelpod.courses.course_access import CourseAccess, exchange_environment
from kernelpod.courses.resolver import CourseResolver
from kernelpod.errors import OF_FOLDERS, Denied, SettingsError, UserError
from kernelpod.hub.spawners.profiles import asks_something, profiles, settled
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import Entitlements, entitlements
from kernelpod.start.identity import Identity, Owner

MakeForm = abc.Callable[[list[dict[str, Any]]], str]
# Exams: no terminals, and no extensions to install.
EXAM_ARGUMENTS = ("--ServerApp.terminals_enabled=False", "--LabApp.extension_manager=readonly")
# Status of the answer to a user whose own folders are at fault.
FOLDERS_STATUS = 409


class NotSpawnedError(HTTPError):
    """The server is not started. The message tells the user why.

    A status below 500 is an answer to the user. Others are failures of the hub, which ends after
    `Spawner.consecutive_failure_limit` of them.
    """

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(status)
        self.jupyterhub_message = message
        """The text that the hub's page and its API show."""

    @classmethod
    def of(cls, error: UserError) -> NotSpawnedError:
        """Return the gateway's answer for a kernel, but one below 500 if this user's folders are at fault."""
        return cls(error.message, FOLDERS_STATUS if error.code in OF_FOLDERS else error.status)

    def __str__(self) -> str:
        return f"{super().__str__()}: {self.jupyterhub_message}"


def identity_of(hub: Hub, user: Any) -> Identity:
    """Return the identity that the gateway will get for the user from their server's token."""
    groups = tuple(sorted(group.name for group in user.groups))
    return Identity(Owner(hub=hub.name, kind="user", name=user.name), groups)


class KernelpodSpawner(LoggingConfigurable):
    """Mixin for spawners that knows what the user is entitled to. `configure` sets its traits."""

    settings = Instance(Settings, help="The settings, the same as the gateway's.").tag(config=True)
    of_hub = Instance(Hub, help="This hub's entry in the settings.").tag(config=True)
    courses = Callable(
        lambda: None, help="Returns the hub's CourseResolver, or None on a hub without courses."
    ).tag(config=True)
    course_form: MakeForm
    """Function that returns the HTML form of profiles."""
    course_access: CourseAccess | None = None
    """The course that the server was started for."""

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _options_are_settled(self) -> Any:
        return lambda *_: None

    @property
    def entitlements(self) -> Entitlements:
        """What the user is entitled to in their server: the same as in their kernels. Raises NotSpawnedError."""
        if self.courses() and self.course_access is None:
            raise NotSpawnedError("The server has no course; the spawner's pre-spawn step did not run.", 500)
        try:
            return entitlements(self.settings, identity_of(self.of_hub, self.user), self.course_access)
        except UserError as error:
            raise NotSpawnedError.of(error) from error
        except SettingsError as error:
            raise NotSpawnedError("The hub cannot read a file of its settings. Tell an admin.", 503) from error

    async def run_pre_spawn_hook(self) -> None:
        """Resolve the server's course and what it may mount, then run the admin's own hook.

        Raises NotSpawnedError before anything of the server is created.
        """
        if resolver := self.courses():
            await self._settle(resolver)
        _ = self.entitlements
        await maybe_future(super().run_pre_spawn_hook())

    async def _settle(self, resolver: CourseResolver) -> None:
        """Replace the user's options by the resolved ones, which the hub stores and reports to the gateway."""
        await resolver.look()
        mine = resolver.memberships(self.user.name)
        # If the user has only one course, an older choice that the hub has stored is ignored.
        given: dict[str, Any] = self.user_options  # type: ignore[has-type]
        wish = given if len(mine) > 1 else {}
        try:
            self.course_access = resolver.resolve(self.user.name, wish)
        except Denied as error:
            raise NotSpawnedError.of(error) from error
        hub, one = self.course_access.hub, self.course_access.membership
        self.user_options = self.orm_spawner.user_options = settled(profiles(hub, mine), one, given)
        if hub.mode == "exam":
            self.disable_user_config = True

    async def get_options_form(self) -> Any:
        """Return the form of the user's courses, or an empty text if there is nothing to choose."""
        if not (resolver := self.courses()):
            return await super().get_options_form()
        await resolver.look()
        made = profiles(resolver.roster.hub, resolver.memberships(self.user.name))
        return self.course_form(made) if asks_something(made) else ""

    def get_env(self) -> dict[str, Any]:
        """Return the server's environment, including what nbgrader needs to know about the course."""
        found = super().get_env()
        if self.course_access is not None:
            found |= exchange_environment(self.course_access.hub, self.course_access.membership, self.user.name)
        return found  # type: ignore[no-any-return]

    def get_args(self) -> list[str]:
        """Return the server's arguments."""
        exam = self.course_access is not None and self.course_access.hub.mode == "exam"
        return [*super().get_args(), *(EXAM_ARGUMENTS if exam else ())]
