"""Decides whether a user may still use a running kernel, by today's settings, groups and course."""

from __future__ import annotations

from collections.abc import Iterator

from kernelpod.courses.course_access import CourseAccess
from kernelpod.errors import Denied
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.kernelspecs.model import KernelSpec, image_is_allowed
from kernelpod.kernelspecs.resources import over_bounds
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import Entitlements, entitlements
from kernelpod.start.identity import Identity
from kernelpod.start.plan import KernelPlan
from kernelpod.start.policy import check_offered
from kernelpod.start.rules import user_bounds

REMEDY = "Stop the kernel and start another one."


def check_plan(
    plan: KernelPlan,
    identity: Identity,
    spec: KernelSpec | None,
    settings: Settings,
    course_access: CourseAccess | None = None,
) -> None:
    """Raise Denied, with the reason, if a kernel with this plan would not be granted to its owner today.

    `spec` is the plan's kernelspec as it is published now, None if it cannot be read. Storage is compared as well
    as names: a mount is withdrawn too when its folder is another one.
    """
    has = entitlements(settings, identity, course_access)
    check_offered(plan.address, spec, identity, has)
    _check_kernelspec_settings(plan, settings)
    given = plan.resources
    bounds = user_bounds(settings, identity)
    for excess in over_bounds(
        given.cpu_limit_millicores, given.memory_limit_bytes, given.gpus, given.ephemeral_limit_bytes, bounds
    ):
        said = f"The kernel has {excess.given} {excess.resource}, but your bound is {excess.bound}. {REMEDY}"
        raise Denied("out_of_bounds", said)
    network = has.network or (spec.network if spec else plan.network)
    for reason in (
        *_ids(plan, has),
        *_mounts(plan.mounts, has.mounts),
        *_network(plan.network, network),
        *_encryption(plan, settings),
    ):
        raise Denied("right_withdrawn", f"{reason} {REMEDY}")


def _check_kernelspec_settings(plan: KernelPlan, settings: Settings) -> None:
    if not image_is_allowed(plan.image, settings.kernelspecs.allowed_images):
        raise Denied("right_withdrawn", f"The image {plan.image[:60]} is no longer allowed. {REMEDY}")
    if plan.service_account and plan.service_account not in settings.kernelspecs.service_accounts:
        raise Denied("right_withdrawn", f"The service account is no longer allowed. {REMEDY}")


def _encryption(plan: KernelPlan, settings: Settings) -> Iterator[str]:
    if settings.kernels.encryption == "required" and plan.transport == "tcp" and not plan.encrypted:
        yield "The kernel's connection is not encrypted, which is required now."


def _ids(plan: KernelPlan, has: Entitlements) -> Iterator[str]:
    groups = {has.gid, *has.supplemental_groups}
    if (plan.uid, plan.gid) != (has.uid, has.gid) or not groups.issuperset(plan.supplemental_groups):
        yield "The kernel's user id or groups are no longer yours."


def _mounts(old: UserMounts, now: UserMounts) -> Iterator[str]:
    """Yield what is wrong with a kernel's mounts; each must be covered by one that the user has now."""
    writable = {
        _storage(mount): not mount.read_only for mount in sorted(now.all(), key=lambda one: not one.read_only)
    }
    for mount in old.all():
        if (may_write := writable.get(_storage(mount))) is None:
            yield f"You may no longer use {mount.mount_path} of this kernel."
        elif not (may_write or mount.read_only):
            yield f"You may no longer write to {mount.mount_path} of this kernel."


def _storage(mount: Mount) -> tuple[str, str, str]:
    return mount.volume.model_dump_json(), mount.path, mount.sub_path


def _network(old: str, now: str) -> Iterator[str]:
    if old != now:
        yield f"The kernel's network is {old}, but yours is now {now}."
