"""Says which homes the settings give to which users, and whose files they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from kernelpod.base.fields import may_meet
from kernelpod.courses.course_access import CourseAccess
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied, SettingsError
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import entitlements
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.userids import user_ids_file


@dataclass(frozen=True)
class WantedHome:
    """A home that a user gets."""

    user: str
    path: str
    """Below the folder of all homes."""
    uid: int
    gid: int


@dataclass
class Wanted:
    """The homes of some users of a hub."""

    homes: list[WantedHome] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """Users who get no home, each with the sentence that says why."""


class HubUsers:
    """The users of one hub, as far as files name them."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        """Read the hub's courses file. Raises SettingsError if homes are no folders of one root."""
        volume = settings.homes.volume
        if volume.kind == "none" or volume.own:
            raise SettingsError(
                "homes.volume: there are no homes to make here: each user has a volume of their own, which the "
                "storage class makes, or none"
            )
        self._settings, self._hub = settings, hub
        self._roster: Roster | None = None
        if hub.courses:
            self._roster = Roster(hub.courses, settings, hub.name)
            self._roster.refresh()
            if self._roster.hub is None:
                raise SettingsError(f"hubs.courses: {hub.courses} cannot be used; run: kernelpod courses check")

    @property
    def hub_name(self) -> str:
        """Name of the hub."""
        return self._hub.name

    @property
    def depth(self) -> int | None:
        """How many folders below the root a home is; None if that differs between users."""
        template = self._settings.homes.path_template
        if self._roster and self._roster.hub and self._roster.hub.home_template:
            template = self._roster.hub.home_template
        return template.count("/") + 1

    def is_of_services(self, path: str) -> bool:
        """Return whether a folder below the root is a home of a hub's service, or has such homes in it."""
        template = self._settings.homes.service_path_template
        return template is not None and may_meet(path, template)

    def names(self) -> list[str]:
        """Return all users that the hub's lists, or its file of ids, name. Raises SettingsError if none does."""
        found: Collection[str] = ()
        if self._roster:
            found, where = self._roster.usernames(), f"hubs.courses: {self._hub.courses} names no user"
        elif self._hub.user_ids:
            found = user_ids_file(self._hub.user_ids).read()
            where = f"hubs.user_ids: {self._hub.user_ids} has no line for a user with a user id of their own"
        else:
            where = "This hub has neither courses nor a file of user ids, so nothing here names its users"
        if not found:
            raise SettingsError(f"{where}: give names, --list FILE with a name on each line, or --of-hub")
        return sorted(found)

    def homes(self, names: Iterable[str]) -> Wanted:
        """Return the homes of these users, each once, in their order. Raises SettingsError."""
        wanted = Wanted()
        for name in dict.fromkeys(names):
            identity = Identity(Owner(hub=self._hub.name, kind="user", name=name), ())
            try:
                found = [self._home(identity, access) for access in self._accesses(name)]
            except Denied as error:
                wanted.refused[name] = error.message
                continue
            if not found:
                wanted.refused[name] = "They are in no course of this hub."
            wanted.homes += dict.fromkeys(found)
        return wanted

    def _accesses(self, name: str) -> list[CourseAccess | None]:
        if self._roster is None or self._roster.hub is None:
            return [None]
        return [CourseAccess(self._roster.hub, one) for one in self._roster.memberships(name)]

    def _home(self, identity: Identity, access: CourseAccess | None) -> WantedHome:
        has = entitlements(self._settings, identity, access)
        return WantedHome(identity.name, has.mounts.home.sub_path, has.uid, has.gid)
