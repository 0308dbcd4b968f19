"""Which course a caller is in: by the courses file of their hub and the choice that the hub's answer holds."""

from __future__ import annotations

from kernelpod.courses.course_access import CourseAccess
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity


class HubCourses:
    """The courses of every hub that has some."""

    def __init__(self, settings: Settings) -> None:
        self._hubs = {
            hub.name: CourseResolver(Roster(hub.courses, settings, hub.name))
            for hub in settings.hubs
            if hub.courses
        }

    async def __call__(self, identity: Identity) -> CourseAccess | None:
        """Return a caller's course; None on a hub without courses. Raises Denied (not_in_course)."""
        resolver = self._hubs.get(identity.owner.hub)
        if resolver is None:
            return None
        if identity.owner.kind != "user":
            raise Denied("not_in_course", "A service is in no course of this hub, so it has no kernels here.")
        await resolver.look()
        return resolver.resolve(identity.name, identity.user_options)
