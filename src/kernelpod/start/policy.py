"""Decides what will run, from the caller's identity and request. After this the request is not used again."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from kernelpod.base.names import user_slug
from kernelpod.courses.course_access import CourseAccess
from kernelpod.errors import Denied, StartFailed
from kernelpod.homes.mounts import Mount, check_kernel_path, working_dir
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.kernelspecs.resources import excesses
from kernelpod.settings.kernels import Bounds
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import Entitlements, entitlements
from kernelpod.start.history import with_history
from kernelpod.start.identity import Identity
from kernelpod.start.plan import KernelPlan
from kernelpod.start.request import KernelRequest
from kernelpod.start.resources import planned_resources
from kernelpod.start.rules import first_of_rules, user_bounds

log = logging.getLogger(__name__)

# How many of a request's variables that are ignored are named in the log.
MOST_NAMED = 20


@dataclass(frozen=True)
class Usage:
    """Numbers of running and starting kernels: of all users, and of the caller."""

    all: int = 0
    own: int = 0


def decide(
    kernel_id: str,
    request: KernelRequest,
    identity: Identity,
    spec: KernelSpec,
    settings: Settings,
    usage: Usage,
    course_access: CourseAccess | None = None,
) -> KernelPlan:
    """Return the plan of the kernel for this caller. A pure function of its arguments.

    `course_access` is the user's course on a hub with courses.
    Raises Denied with a message for the user. The order of the checks reveals nothing about other users.
    """
    if request.dropped:
        named = ", ".join(request.dropped[:MOST_NAMED])
        log.info("kernel %s: ignored %d: %s; from %s", kernel_id, len(request.dropped), named, identity.owner)
    _check_claims(request, identity)
    bounds, has = user_bounds(settings, identity), entitlements(settings, identity, course_access, spec.mounts)
    mounts = has.mounts
    check_offered(spec.address, spec, identity, has)
    _check_spec(spec, bounds, settings)
    _check_room(settings, identity, usage)
    check_kernel_path(request.kernel_path, mounts.home)
    folder, folder_note = working_dir(request.working_dir, mounts)
    resources, resource_notes = planned_resources(request.resources, spec, bounds, settings)
    start, cluster = settings.start, settings.runtime.kubernetes
    return KernelPlan(
        kernel_id=kernel_id,
        owner=identity.owner,
        server=identity.server,
        spec=spec.spec,
        profile=spec.profile,
        display_name=spec.display_name,
        namespace=cluster.namespace,
        release=cluster.release,
        network=has.network or spec.network,
        image=spec.image,
        argv=with_history(spec.argv, settings),
        env=_environment(kernel_id, identity, spec, mounts.home.mount_path, request.session_name),
        mounts=mounts,
        home_check_image=cluster.home_check_image if _may_be_missing(mounts.home) else "",
        working_dir=folder,
        uid=has.uid,
        gid=has.gid,
        supplemental_groups=has.supplemental_groups,
        resources=resources,
        scheduling=spec.scheduling(has.nodes.scheduling(cluster.scheduling)),
        user_namespace=cluster.user_namespaces,
        pull_policy=spec.pull_policy,
        shm_bytes=spec.shm,
        service_account=spec.service_account or "",
        secret_env=spec.secret_env,
        additions=settings.pods.kernels,
        interrupt_mode=spec.interrupt_mode,
        transport=_transport(spec, settings),
        encrypted=_is_encrypted(spec, settings),
        launch_timeout_seconds=min(
            request.launch_timeout_seconds or start.launch_timeout_seconds, start.launch_timeout_seconds
        ),
        grace_period_seconds=start.grace_period_seconds,
        cull_idle_seconds=spec.cull_idle_seconds,
        iopub_msg_rate_limit=spec.iopub_msg_rate_limit,
        iopub_data_rate_limit=spec.iopub_data_rate_limit,
        prewarm=spec.prewarm,
        notes=tuple(note for note in (folder_note, *resource_notes) if note),
    )


def _may_be_missing(home: Mount) -> bool:
    """Return whether kubelet would create the home if it is missing, because it is a folder of a claim."""
    return home.volume.kind == "pvc" and home.sub_path != ""


def _transport(spec: KernelSpec, settings: Settings) -> Literal["ipc", "tcp"]:
    return "tcp" if settings.runtime.kind == "kubernetes" else spec.transport


def _is_encrypted(spec: KernelSpec, settings: Settings) -> bool:
    over_tcp = _transport(spec, settings) == "tcp"
    return over_tcp and spec.supports_curve and settings.kernels.encryption != "off"


def lacks_encryption(spec: KernelSpec, settings: Settings) -> bool:
    """Return whether the settings require encryption that the kernelspec's kernels do not have."""
    required = settings.kernels.encryption == "required" and _transport(spec, settings) == "tcp"
    return required and not spec.supports_curve


def is_offered(
    spec: KernelSpec, hub: str, groups: tuple[str, ...], bounds: Bounds, kernelspecs: Collection[str]
) -> bool:
    """Return whether a kernelspec or profile is listed for a user of this hub with these groups and bounds.

    `kernelspecs` are those of the user's course; empty means that the course does not restrict them.
    """
    allowed = spec.is_for(hub, groups) and (not kernelspecs or spec.address in kernelspecs)
    return allowed and not any(excesses(spec.resources, bounds, wishes=False))


def _check_claims(request: KernelRequest, identity: Identity) -> None:
    if request.username is not None and request.username != identity.name:
        raise Denied(
            "foreign_username",
            f"KERNEL_USERNAME is {request.username[:200]!r}, but the hub says you are {identity.name!r}. "
            "Leave KERNEL_USERNAME unset.",
        )


def check_offered(address: str, spec: KernelSpec | None, identity: Identity, has: Entitlements) -> None:
    """Raise Denied if a kernelspec is not for the user's groups or course; None: its groups are not known."""
    if spec is not None and not spec.is_for(identity.owner.hub, identity.groups):
        raise Denied("kernelspec_forbidden", f"The kernelspec {address!r} is not for your groups.")
    if has.kernelspecs and address not in has.kernelspecs:
        raise Denied(
            "kernelspec_forbidden",
            f"The kernelspec {address!r} is not for your course. Choose {' or '.join(sorted(has.kernelspecs))}.",
        )


def _check_spec(spec: KernelSpec, bounds: Bounds, settings: Settings) -> None:
    if lacks_encryption(spec, settings):
        raise Denied(
            "encryption_required",
            f"The kernelspec {spec.address!r} does not encrypt its connection, which this gateway requires. "
            "Choose another one, or ask an admin.",
        )
    for excess in excesses(spec.resources, bounds, wishes=False):
        raise Denied(
            "out_of_bounds",
            f"The kernelspec {spec.address!r} gives {excess.given} {excess.resource}, but your bound is "
            f"{excess.bound}. Choose another one.",
        )
    if unknown := sorted(set(spec.mounts or ()) - {mount.name for mount in settings.mounts}):
        raise StartFailed(
            "kernelspec_unusable",
            f"The kernelspec {spec.address!r} names the mount {unknown[0]!r}, which is not in the settings.",
        )


def has_room(settings: Settings, identity: Identity, usage: Usage) -> bool:
    """Return whether the user may start one more kernel."""
    try:
        _check_room(settings, identity, usage)
    except Denied:
        return False
    return True


def _check_room(settings: Settings, identity: Identity, usage: Usage) -> None:
    policy = settings.policy
    own = first_of_rules(settings, identity, lambda rule: rule.max_kernels_per_user, policy.max_kernels_per_user)
    if own == 0:
        raise Denied("too_many_kernels", "The gateway's settings let you start no kernels. Ask its admin.")
    if own is not None and usage.own >= own:
        raise Denied("too_many_kernels", f"You already run {usage.own} of at most {own} kernels. Stop one first.")
    if policy.max_kernels is not None and usage.all >= policy.max_kernels:
        raise Denied("too_many_kernels", "The gateway runs as many kernels as it may. Try again later.")


def _environment(
    kernel_id: str, identity: Identity, spec: KernelSpec, home: str, session_name: str
) -> dict[str, str]:
    user = user_slug(identity.name)  # needed because the user id may have no entry in /etc/passwd
    ours = {"HOME": home, "USER": user, "LOGNAME": user, "KERNEL_ID": kernel_id, "KERNEL_USERNAME": identity.name}
    told = {"JPY_SESSION_NAME": session_name} if session_name else {}
    return {"LANG": "C.UTF-8", "SHELL": "/bin/bash", **spec.env, **told, **ours}
