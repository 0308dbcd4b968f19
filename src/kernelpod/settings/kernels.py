"""What kernels may be, how they start, and what a user may have of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from kernelpod.base.fields import Count, Seconds, Section
from kernelpod.base.podkeys import ObjectName
from kernelpod.base.quantities import Bytes, Millicores


class Bounds(Section):
    """The most of each resource; what is absent is not bounded."""

    cpu: Millicores | None = None
    """Processor time, such as `2` or `500m`."""
    memory: Bytes | None = None
    """Memory, such as `4Gi`."""
    gpus: Count | None = None
    """Whole GPUs."""


class Kernelspecs(Section):
    """Where the published kernelspecs lie, and what they may say."""

    path: Path = Path("/srv/kernelpod/kernelspecs")
    """The one folder kernelspecs are read from; no user, system or native kernels beside it."""
    default: str = "python-pod"
    """Kernelspec of a request that names none."""
    refresh_seconds: Seconds = 2
    """How long a listing is used before the folder is looked at again."""
    allowed_images: tuple[str, ...] = ()
    """Patterns (`*`) of images that kernelspecs may use, others are not listed; empty: all."""
    service_accounts: tuple[ObjectName, ...] = ()
    """Service accounts of the kernels' namespace that kernelspecs may name; others are not listed."""
    bounds: Bounds = Bounds()
    """The most that a kernelspec may give or let users wish for; one with more is not listed."""


class Start(Section):
    """Starting and stopping a kernel."""

    launch_timeout_seconds: Seconds = 60
    """From the request until the kernel answers; a client may ask for less. Every other time-out
    of the way from browser to kernel is computed from this one."""
    grace_period_seconds: Seconds = 10
    """How long a kernel may take to end by itself before it is killed."""
    spare_seconds: Seconds = 900
    """How long a prewarmed kernel waits for its user, where a kernelspec says `prewarm`."""


class Rule(Section):
    """What differs for some users; of several matching rules the first that sets a value wins."""

    users: tuple[str, ...] = ()
    """Raw user names the rule is for."""
    groups: tuple[str, ...] = ()
    """Hub groups the rule is for."""
    uid: int | None = Field(None, ge=1, le=2**31 - 1)
    """User id of kernels and servers."""
    gid: int | None = Field(None, ge=1, le=2**31 - 1)
    """Group id of kernels and servers."""
    supplemental_groups: tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...] | None = None
    """Further group ids."""
    max_kernels_per_user: Count | None = None
    """Kernels one of these users may run."""
    bounds: Bounds | None = None
    """The most one of their kernels may have; kernelspecs and profiles with more are not offered to them."""

    @model_validator(mode="after")
    def _for_somebody(self) -> Rule:
        if not (self.users or self.groups):
            raise ValueError("a rule names users or groups")
        return self


class Policy(Section):
    """What a proven user may have."""

    uid: int = Field(1000, ge=0, le=2**31 - 1)
    """User id of kernels and servers where no rule says otherwise; 0 only in a local sandbox."""
    gid: int = Field(100, ge=0, le=2**31 - 1)
    """Group id of kernels and servers where no rule says otherwise."""
    max_kernels: Count | None = None
    """Kernels that may run in all."""
    max_kernels_per_user: Count | None = None
    """Kernels one user may run where no rule says otherwise."""
    over_bounds: Literal["clamp", "refuse"] = "clamp"
    """A wish over the kernelspec's bound is cut to the bound, or refused."""
    rules: tuple[Rule, ...] = ()
    """Exceptions for users and groups."""
