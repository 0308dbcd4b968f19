"""Computes what a user is entitled to: mounts, ids, kernelspecs, network and nodes.

Policy uses it for kernels and the spawners use it for servers, so both get the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kernelpod.base.podkeys import PodKeys
from kernelpod.courses.course_access import (
    CourseAccess,
    course_kernelspecs,
    course_mounts,
    exchange_folders,
    role_of,
)
from kernelpod.courses.model import Role
from kernelpod.errors import Denied
from kernelpod.homes.mounts import UserMounts, mounts_for
from kernelpod.settings.sections import Settings
from kernelpod.start.identity import Identity
from kernelpod.start.rules import first_of_rules
from kernelpod.start.userids import UserIds, user_ids_file


@dataclass(frozen=True)
class Entitlements:
    """What an authenticated user is entitled to."""

    mounts: UserMounts
    uid: int
    gid: int
    supplemental_groups: tuple[int, ...]
    kernelspecs: frozenset[str] = frozenset()
    """Addresses of the kernelspecs that the user may start; empty: all kernelspecs for their groups."""
    network: str | None = None
    """Egress profile of the user's kernels; None: that of the kernelspec."""
    nodes: PodKeys = field(default_factory=PodKeys)
    """Node selector and tolerations of the user's kernels. They are merged over those of the settings, and those
    of a kernelspec over these."""
    to_make: tuple[str, ...] = ()
    """Folders of the exchange that the user's server creates, below the root of the courses' storage."""


def entitlements(
    settings: Settings, identity: Identity, course_access: CourseAccess | None, only: tuple[str, ...] | None = None
) -> Entitlements:
    """Return what a user is entitled to by the settings and, on a hub with courses, by their course.

    `only` names the mounts of the settings that a kernelspec uses. Mounts of the course are always included.
    Raises Denied: `no_home` for a service, unless services have homes; `no_user_id` for a user whom the hub's file
    of ids does not name.
    """
    name, groups = identity.name, identity.groups
    service = identity.owner.kind != "user"
    if service and settings.homes.service_path_template is None:
        raise Denied(
            "no_home",
            f"The service {name!r} has no home, so it starts no kernels. An admin can give services homes: "
            "homes.service_path_template.",
        )
    role = role_of(course_access.hub, course_access.membership) if course_access else Role()
    uid, gid = _ids(settings, identity, role)
    supplemental = first_of_rules(settings, identity, lambda rule: rule.supplemental_groups, tuple[int, ...]())
    if course_access is None:
        mounts = mounts_for(settings, identity.owner.hub, name, groups, only, service=service)
        return Entitlements(mounts, uid, gid, supplemental)
    hub, membership = course_access.hub, course_access.membership
    course = course_access.course
    return Entitlements(
        mounts=course_mounts(hub, settings, name, groups, membership, only),
        uid=uid,
        gid=gid,
        supplemental_groups=tuple(dict.fromkeys((*supplemental, *role.supplemental_groups))),
        kernelspecs=course_kernelspecs(hub, membership),
        network=course.network,
        nodes=PodKeys(node_selector=course.node_selector, tolerations=course.tolerations),
        to_make=exchange_folders(hub, membership, name),
    )


def _ids(settings: Settings, identity: Identity, role: Role) -> UserIds:
    """Return the ids of the role in the course, of a rule, of the hub's file, or else of the policy."""
    policy, owner = settings.policy, identity.owner
    uid = role.uid or first_of_rules(settings, identity, lambda rule: rule.uid, 0)
    gid = role.gid or first_of_rules(settings, identity, lambda rule: rule.gid, 0)
    ids = UserIds(policy.uid, policy.gid)
    file = settings.hub(owner.hub).user_ids
    if file and not uid and owner.kind == "user":
        of_policy = {policy.uid, *(rule.uid for rule in policy.rules if rule.uid)}
        ids = user_ids_file(file).of(owner.name, of_policy)
    return UserIds(uid or ids.uid, gid or ids.gid)
