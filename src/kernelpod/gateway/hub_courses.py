"""Finds a caller's course from their hub's courses file and the choice in the hub's answer."""

from __future__ import annotations

from kernelpod.courses.course_access import CourseAccess
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity


class HubCourses:
    """The courses of all hubs that have a courses file."""

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
            raise Denied(
                "not_in_course",
                "This hub has courses, and a service is in none of them, so it cannot start kernels.",
            )
        await resolver.look()
        return resolver.resolve(identity.name, identity.user_options)
