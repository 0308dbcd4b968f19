"""The objects that the application creates once and all pages use."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from kernelpod.audit import AuditLog
from kernelpod.courses.course_access import CourseAccess
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.roster import Roster
from kernelpod.errors import Denied
from kernelpod.gateway.door import Guests
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.gateway.metrics import Metrics
from kernelpod.gateway.spares import Spares
from kernelpod.gateway.standby.origin import Origin
from kernelpod.gateway.visits import Visits
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.prover import Prover
from kernelpod.start.start import KernelStarter

MOST_LISTINGS = 1000


class Listings:
    """Lists of kernelspecs as JSON, one for all callers who see the same kernelspecs.

    Response bodies are kept by the groups, bounds and course that they depend on; at most 1000 are kept.
    """

    def __init__(self) -> None:
        self._specs: Mapping[str, KernelSpec] = {}
        self._bodies: dict[Hashable, str] = {}

    def body(self, specs: Mapping[str, KernelSpec], may: Hashable, make: Callable[[], str]) -> str:
        """Return the body for callers with these rights; `specs` is the same object until a kernelspec changes."""
        if specs is not self._specs or len(self._bodies) >= MOST_LISTINGS:
            self._specs, self._bodies = specs, {}
        if may not in self._bodies:
            self._bodies[may] = make()
        return self._bodies[may]


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

    async def all(self, identity: Identity) -> Sequence[CourseAccess | None]:
        """Return all courses of a caller; (None,) on a hub without courses."""
        resolver = self._hubs.get(identity.owner.hub)
        if resolver is None:
            return (None,)
        if identity.owner.kind != "user":
            return ()
        await resolver.look()
        return resolver.all(identity.name, identity.user_options)


@dataclass
class Services:
    """The objects that all pages use."""

    settings: Settings
    provers: dict[str, Prover]
    """Provers by the names of their hubs. The first authenticates callers whose URL names no hub."""
    starter: KernelStarter
    kernels: DirectMappingKernelManager
    spares: Spares
    metrics: Metrics
    guests: Guests
    audit: AuditLog
    origin: Origin
    starts: Counter[Owner] = field(default_factory=Counter)
    """Requests for a kernel that are under way."""
    visits: Visits = field(default_factory=Visits)
    listings: Listings = field(default_factory=Listings)
    ready: bool = False
    deposed: Callable[[int], None] = field(default=lambda _: None)
    """Called when another gateway has proved that it leads, with the number of the lease's changes until then."""
    gateway_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """An id of this process, which users' servers are told."""
