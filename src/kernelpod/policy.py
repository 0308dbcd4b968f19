"""From who asks and what she wishes to what will run. After this nobody looks at the request again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kernelpod.errors import Denied
from kernelpod.identity import Identity
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.mounts import check_kernel_path, mounts_for, working_dir
from kernelpod.names import user_slug
from kernelpod.plan import KernelPlan, PlannedResources
from kernelpod.quantities import format_bytes, format_millicores
from kernelpod.request import KernelRequest
from kernelpod.settings import Rule, Settings

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Usage:
    """Kernels that run or are starting now: everybody's, and the caller's."""

    all: int = 0
    own: int = 0


def decide(
    kernel_id: str,
    request: KernelRequest,
    identity: Identity,
    spec: KernelSpec,
    settings: Settings,
    usage: Usage,
) -> KernelPlan:
    """Return what will run for this caller; a pure function, so the same question has the same answer.

    Raises Denied with a sentence for the user; the order of the checks never tells her of others' things.
    """
    if request.dropped:
        log.info("kernel %s: %s wished %s; dropped", kernel_id, identity.owner, ", ".join(request.dropped))
    _check_claims(request, identity)
    if not spec.is_for(identity.groups):
        raise Denied("kernelspec_forbidden", f"The kernelspec {spec.address!r} is not for your groups.")
    _check_room(settings, identity, usage)
    mounts = mounts_for(settings, identity.owner.hub, identity.name, identity.groups)
    check_kernel_path(request.kernel_path, mounts.home)
    folder, folder_note = working_dir(request.working_dir, mounts)
    resources, resource_notes = _resources(request, spec, settings)
    start, cluster = settings.start, settings.runtime.kubernetes
    uid, gid = uid_and_gid(settings, identity)
    return KernelPlan(
        kernel_id=kernel_id,
        owner=identity.owner,
        server=identity.server,
        spec=spec.spec,
        profile=spec.profile,
        display_name=spec.display_name,
        namespace=cluster.namespace,
        release=cluster.release,
        network=spec.network,
        image=spec.image,
        argv=spec.argv,
        env=_environment(kernel_id, identity, spec, mounts.home.mount_path),
        mounts=mounts,
        home_check_image=cluster.home_check_image if mounts.home.volume.kind == "pvc" else "",
        working_dir=folder,
        uid=uid,
        gid=gid,
        supplemental_groups=supplemental_groups(settings, identity),
        resources=resources,
        interrupt_mode=spec.interrupt_mode,
        transport="tcp" if settings.runtime.kind == "kubernetes" else spec.transport,
        launch_timeout_seconds=min(
            request.launch_timeout_seconds or start.launch_timeout_seconds, start.launch_timeout_seconds
        ),
        grace_period_seconds=start.grace_period_seconds,
        notes=tuple(note for note in (folder_note, *resource_notes) if note),
    )


def uid_and_gid(settings: Settings, identity: Identity) -> tuple[int, int]:
    """Return the user and group id of a user's kernels and servers."""
    rules = _rules_for(settings, identity)
    policy = settings.policy
    return _first(rules, lambda rule: rule.uid, policy.uid), _first(rules, lambda rule: rule.gid, policy.gid)


def supplemental_groups(settings: Settings, identity: Identity) -> tuple[int, ...]:
    """Return the further group ids of a user's kernels and servers."""
    return _first(_rules_for(settings, identity), lambda rule: rule.supplemental_groups, tuple[int, ...]())


def _check_claims(request: KernelRequest, identity: Identity) -> None:
    if request.username is not None and request.username != identity.name:
        raise Denied(
            "foreign_username",
            f"KERNEL_USERNAME is {request.username[:200]!r}, but the hub says you are {identity.name!r}. "
            "Leave KERNEL_USERNAME unset.",
        )


def _rules_for(settings: Settings, identity: Identity) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in settings.policy.rules
        if (identity.owner.kind == "user" and identity.name in rule.users)
        or not set(rule.groups).isdisjoint(identity.groups)
    )


def _first(rules: tuple[Rule, ...], get: Callable[[Rule], T | None], default: T) -> T:
    return next((value for rule in rules if (value := get(rule)) is not None), default)


def _check_room(settings: Settings, identity: Identity, usage: Usage) -> None:
    policy, rules = settings.policy, _rules_for(settings, identity)
    own = _first(rules, lambda rule: rule.max_kernels_per_user, policy.max_kernels_per_user)
    if own is not None and usage.own >= own:
        raise Denied("too_many_kernels", f"You already run {usage.own} of at most {own} kernels. Stop one first.")
    if policy.max_kernels is not None and usage.all >= policy.max_kernels:
        raise Denied("too_many_kernels", "The gateway runs as many kernels as it may. Try again later.")


def _environment(kernel_id: str, identity: Identity, spec: KernelSpec, home: str) -> dict[str, str]:
    user = user_slug(identity.name)  # a user id without a line in /etc/passwd has no name otherwise
    ours = {"HOME": home, "USER": user, "LOGNAME": user, "KERNEL_ID": kernel_id, "KERNEL_USERNAME": identity.name}
    return {"LANG": "C.UTF-8", "SHELL": "/bin/bash", **spec.env, **ours}


def _resources(request: KernelRequest, spec: KernelSpec, settings: Settings) -> tuple[PlannedResources, list[str]]:
    given, wish = spec.resources, request.resources
    bounds = given.bounds or given.limits
    notes: list[str] = []

    def bounded(name: str, wished: int | None, default: int, bound: int, show: Callable[[int], str]) -> int:
        if wished is None or wished <= bound:
            return default if wished is None else wished
        if settings.policy.over_bounds == "refuse":
            raise Denied(
                "out_of_bounds",
                f"{name} {show(wished)} is over the bound of {spec.address!r}, {show(bound)}.",
            )
        notes.append(f"{name} {show(wished)} was cut to the bound of {spec.address!r}, {show(bound)}.")
        return bound

    cpu_limit = bounded("KERNEL_CPUS_LIMIT", wish.cpu_limit, given.limits.cpu, bounds.cpu, format_millicores)
    memory_limit = bounded(
        "KERNEL_MEMORY_LIMIT", wish.memory_limit, given.limits.memory, bounds.memory, format_bytes
    )
    cpu = bounded("KERNEL_CPUS", wish.cpu, given.requests.cpu, bounds.cpu, format_millicores)
    memory = bounded("KERNEL_MEMORY", wish.memory, given.requests.memory, bounds.memory, format_bytes)
    # A wish for a guarantee above the limit raises the limit, within the bound; Kubernetes demands the order.
    resources = PlannedResources(
        cpu_millicores=min(cpu, cpu_limit) if wish.cpu is None else cpu,
        cpu_limit_millicores=cpu_limit if wish.cpu is None else max(cpu, cpu_limit),
        memory_bytes=min(memory, memory_limit) if wish.memory is None else memory,
        memory_limit_bytes=memory_limit if wish.memory is None else max(memory, memory_limit),
    )
    return resources, notes
