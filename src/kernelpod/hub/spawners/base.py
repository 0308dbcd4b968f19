"""What every spawner of the house does: who its user is, which course she chose, and what that gives her."""

from __future__ import annotations

from collections import abc
from typing import Any

from jupyterhub.utils import maybe_future
from traitlets import Callable, Instance, default
from traitlets.config import LoggingConfigurable

from kernelpod.courses.enrolment import Enrolment, Enrolments
from kernelpod.courses.offers import exchange_environment
from kernelpod.errors import Denied, KernelpodError
from kernelpod.hub.spawners.profiles import asks_something, profiles, settled
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import Standing, standing
from kernelpod.start.identity import Identity, Owner

MakeForm = abc.Callable[[list[dict[str, Any]]], str]
# In an exam: no shell beside the kernels, and nothing to install.
EXAM_ARGUMENTS = ("--ServerApp.terminals_enabled=False", "--LabApp.extension_manager=readonly")


class NotSpawnedError(KernelpodError):
    """The server is not started, for a reason that its user is told."""

    @property
    def jupyterhub_message(self) -> str:
        """What the hub shows on the page of a failed start."""
        return self.message


def identity_of(hub: Hub, user: Any) -> Identity:
    """Return a hub's user as the gateway will know her by her server's token."""
    groups = tuple(sorted(group.name for group in user.groups))
    return Identity(Owner(hub=hub.name, kind="user", name=user.name), groups)


class HouseSpawner(LoggingConfigurable):
    """Knows what its user has; mixed in front of the spawners that make servers. `configure` sets its traits."""

    house = Instance(Settings, help="The settings; the gateway has the same.").tag(config=True)
    of_hub = Instance(Hub, help="This hub, of the settings' hubs.").tag(config=True)
    courses = Callable(lambda: None, help="Returns the hub's Enrolments, or None on a hub without courses.").tag(
        config=True
    )
    course_form: MakeForm
    """What the spawner makes a form of profiles with."""
    enrolment: Enrolment | None = None
    """The course that the server was started for."""

    @default("apply_user_options")  # type: ignore[untyped-decorator]
    def _options_are_settled(self) -> Any:
        return lambda *_: None

    @property
    def standing(self) -> Standing:
        """What the user has in her server: the same as in her kernels."""
        if self.courses() and self.enrolment is None:
            raise NotSpawnedError("The server has no course; the spawner's pre-spawn step did not run.")
        return standing(self.house, identity_of(self.of_hub, self.user), self.enrolment)

    async def run_pre_spawn_hook(self) -> None:
        """Settle which course the server is for, then run the admin's own hook. Raises NotSpawnedError."""
        if enrolments := self.courses():
            await self._settle(enrolments)
        await maybe_future(super().run_pre_spawn_hook())

    async def _settle(self, enrolments: Enrolments) -> None:
        """Replace the user's wish by what it comes to: the hub keeps that, and tells it to the gateway."""
        await enrolments.look()
        mine = enrolments.memberships(self.user.name)
        # Where there is one course, an older choice, kept by the hub, must not stand in its way.
        given: dict[str, Any] = self.user_options  # type: ignore[has-type]
        wish = given if len(mine) > 1 else {}
        try:
            self.enrolment = enrolments.enrol(self.user.name, wish)
        except Denied as error:
            raise NotSpawnedError(error.message) from error
        hub, one = self.enrolment.hub, self.enrolment.membership
        self.user_options = self.orm_spawner.user_options = settled(profiles(hub, mine), one, given)
        if hub.mode == "exam":
            self.disable_user_config = True

    async def get_options_form(self) -> Any:
        """Return the form of the user's courses; empty where there is nothing to choose."""
        if not (enrolments := self.courses()):
            return await super().get_options_form()
        await enrolments.look()
        made = profiles(enrolments.roster.hub, enrolments.memberships(self.user.name))
        return self.course_form(made) if asks_something(made) else ""

    def get_env(self) -> dict[str, Any]:
        """Return the server's environment, with what nbgrader must know of the course."""
        found = super().get_env()
        if self.enrolment is not None:
            found |= exchange_environment(self.enrolment.hub, self.enrolment.membership, self.user.name)
        return found  # type: ignore[no-any-return]

    def get_args(self) -> list[str]:
        """Return the server's arguments."""
        exam = self.enrolment is not None and self.enrolment.hub.mode == "exam"
        return [*super().get_args(), *(EXAM_ARGUMENTS if exam else ())]
