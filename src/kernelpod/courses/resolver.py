"""Which course a user is in now, for the event loop of a hub or a gateway."""

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

# A look is good for so long: a listing that is asked for again and again costs one.
FRESH_SECONDS = 2.0
# A start waits this long for a file system that does not answer, then goes on with what is known.
PATIENCE_SECONDS = 3.0


class CourseResolver:
    """Who is in what; the files are looked at again, in a thread, before somebody is looked up."""

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self._looked_at = float("-inf")
        self._looking: asyncio.Future[None] | None = None

    async def look(self) -> None:
        """Read what has changed; without it, `memberships` and `resolve_course` go by the last look."""
        if time.monotonic() - self._looked_at < FRESH_SECONDS:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self.roster.refresh))
        try:
            await asyncio.wait_for(asyncio.shield(self._looking), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            log.warning("courses: the files do not answer; the last good version counts")
        self._looked_at = time.monotonic()

    def memberships(self, username: str) -> tuple[Membership, ...]:
        """Return what a user is in; empty for who is blocked, not allowed, or in no course."""
        return self.roster.memberships(username)

    def may_log_in(self, username: str) -> bool:
        """Return whether a user may log in: in a course or an admin, and not blocked."""
        return bool(self.memberships(username))

    def is_admin(self, username: str) -> bool:
        """Return whether a user is an admin of the hub by its lists."""
        return self.roster.is_admin(username)

    def resolve(self, username: str, options: Mapping[str, Any]) -> CourseAccess:
        """Return the course that a user chose at spawn, or their first. Raises Denied (not_in_course)."""
        hub, mine = self.roster.hub, self.memberships(username)
        if hub is None or not mine:
            raise Denied("not_in_course", "You are in no course of this hub. Ask those who lead your course.")
        if (one := chosen(mine, options)) is None:
            known = ", ".join(f"{one.course} {one.semester}" for one in mine[:10])
            raise Denied(
                "not_in_course",
                "You are not, or no longer, in the course that your server is for; "
                f"yours are: {known}. Start it anew, and choose one of them.",
            )
        return CourseAccess(hub, one)
