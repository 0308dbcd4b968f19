"""CourseResolver: finds a user's current course, from the event loop of a hub or a gateway."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from kernelpod.courses.course_access import CourseAccess, Membership, chosen
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied

log = logging.getLogger(__name__)

# How long the files are not checked again, so that frequent requests cause few checks.
FRESH_SECONDS = 2.0
# How long to wait for a file system that does not answer, before the last known state is used.
PATIENCE_SECONDS = 3.0


def not_in_course() -> Denied:
    """Return the error for a user who is in no course of their hub."""
    return Denied("not_in_course", "You are in no course of this hub. Ask your instructor.")


class CourseResolver:
    """Finds users' courses. `look` checks the files for changes in a thread."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._looked_at = float("-inf")
        self._looking: asyncio.Future[None] | None = None

    async def look(self) -> None:
        """Read files that have changed. The other methods use the state of the last call."""
        if time.monotonic() - self._looked_at < FRESH_SECONDS:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self.roster.refresh))
        try:
            await asyncio.wait_for(asyncio.shield(self._looking), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            log.warning("courses: the file system does not answer; the last valid version is used")
        self._looked_at = time.monotonic()

    def memberships(self, username: str) -> tuple[Membership, ...]:
        """Return a user's memberships; empty if they are blocked, not allowed, or in no course."""
        return self.roster.memberships(username)

    def may_log_in(self, username: str) -> bool:
        """Return whether a user may log in: they are in a course or an admin, and not blocked."""
        return bool(self.memberships(username))

    def is_admin(self, username: str) -> bool:
        """Return whether the lists name a user as an admin of the hub."""
        return self.roster.is_admin(username)

    def resolve(self, username: str, options: Mapping[str, Any]) -> CourseAccess:
        """Return the course that a user chose for their server, or their first. Raises Denied (not_in_course)."""
        hub, mine = self.roster.hub, self.memberships(username)
        if hub is None or not mine:
            raise not_in_course()
        if (one := chosen(mine, options)) is None:
            known = ", ".join(f"{one.course} {one.semester}" for one in mine[:10])
            raise Denied(
                "not_in_course",
                "You are not, or no longer, in the course of your server; "
                f"yours are: {known}. Restart your server and choose one of them.",
            )
        return CourseAccess(hub, one)

    def all(self, username: str, options: Mapping[str, Any]) -> tuple[CourseAccess, ...]:
        """Return all courses of a user, the one that they chose for their server first."""
        hub, mine = self.roster.hub, self.memberships(username)
        if hub is None:
            return ()
        first = chosen(mine, options)
        return tuple(CourseAccess(hub, one) for one in sorted(mine, key=lambda one: one != first))
