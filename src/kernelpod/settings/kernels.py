"""Settings of kernelspecs, of kernel starts, and of what users may run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from kernelpod.base.fields import Audience, Count, Seconds, Section
from kernelpod.base.podkeys import ObjectName
from kernelpod.base.quantities import Bytes, Millicores


class Bounds(Section):
    """Upper limits for each resource; an absent one is not limited."""

    cpu: Millicores | None = None
    """CPU cores, such as `2` or `500m`."""
    memory: Bytes | None = None
    """Memory, such as `4Gi`."""
    gpus: Count | None = None
    """Whole GPUs."""
    ephemeral_storage: Bytes | None = None
    """Disk of the node, such as `20Gi`. In `policy.rules` it also cuts the limit of kernelspecs that set none,
    `runtime.kubernetes.ephemeral_storage.limit`."""


class Kernelspecs(Section):
    """Where the published kernelspecs are, and what they may contain."""

    path: Path = Path("/srv/kernelpod/kernelspecs")
    """The only folder that kernelspecs are read from. The gateway has no user, system or native kernelspecs."""
    default: str = "python-pod"
    """Kernelspec for requests that name none."""
    refresh_seconds: Seconds = 2
    """How long the list of kernelspecs is cached before the folder is read again."""
    allowed_images: tuple[str, ...] = ()
    """Patterns (`*`) of images that kernelspecs may use; empty allows all. Kernelspecs with other images are not
    listed."""
    service_accounts: tuple[ObjectName, ...] = ()
    """Service accounts of the kernels' namespace that kernelspecs may use. Kernelspecs with others are not
    listed."""
    bounds: Bounds = Bounds()
    """The most resources that a kernelspec may give a kernel or let users ask for. Kernelspecs with more are not
    listed."""


class Kernels(Section):
    """The connections to kernels, and what they keep."""

    encryption: Literal["required", "preferred", "off"] = "preferred"
    """Whether messages between gateway and kernels are encrypted (CurveZMQ) where they go over TCP, as to pods.
    `preferred`: for kernelspecs whose `metadata.supported_encryption` names `curve`. `required`: other kernelspecs
    are not offered."""
    ipython_history: Literal["pod", "home"] = "pod"
    """Where IPython keeps the history of cells (`%history`) in a cluster. `pod`: on the pod's disk; it ends with
    the kernel. `home`: in `~/.ipython`, as on one machine, where all kernels of the user share it. It is SQLite:
    on NFS a kernel then waits at its start until the NFS server gives locks, minutes after that has started, or
    for ever where locks do not work. `pod` holds for kernelspecs that run `-m ipykernel` or
    `-m ipykernel_launcher`, also where a configuration file of IPython says otherwise; in their command,
    `--HistoryManager.hist_file` is kept."""


class Start(Section):
    """Starting and stopping a kernel."""

    launch_timeout_seconds: Seconds = 60
    """Time from the request until the kernel must answer; a client may ask for less. All other time-outs between
    the browser and the kernel are computed from this one."""
    grace_period_seconds: Seconds = 10
    """How long a kernel may take to end by itself before it is killed."""
    spare_seconds: Seconds = 900
    """How long a prewarmed kernel is kept for its user, for kernelspecs with `prewarm`."""


class Rule(Audience):
    """An exception for some users or groups. For each value, the first matching rule that sets it wins."""

    uid: int | None = Field(None, ge=1, le=2**31 - 1)
    """User id of kernels and servers."""
    gid: int | None = Field(None, ge=1, le=2**31 - 1)
    """Group id of kernels and servers."""
    supplemental_groups: tuple[Annotated[int, Field(ge=1, le=2**31 - 1)], ...] | None = None
    """Supplemental group ids of kernels and servers."""
    max_kernels_per_user: Count | None = None
    """How many kernels each of these users may run. Dead kernels count until they are removed."""
    bounds: Bounds | None = None
    """The most resources that one of their kernels may have. They are not offered kernelspecs and profiles with
    more."""

    @model_validator(mode="after")
    def _for_somebody(self) -> Rule:
        if not self.names_people:
            raise ValueError("a rule must name users or groups")
        return self


class Policy(Section):
    """What users may run, and with which ids."""

    uid: int = Field(1000, ge=0, le=2**31 - 1)
    """User id of kernels and servers, unless a rule sets another. 0 is allowed only in a local sandbox."""
    gid: int = Field(100, ge=0, le=2**31 - 1)
    """Group id of kernels and servers, unless a rule sets another."""
    max_kernels: Count | None = None
    """How many kernels may run in total."""
    max_kernels_per_user: Count | None = 10
    """How many kernels each user may run, unless a rule sets another number; null: as many as they like. Each
    notebook that is open has one. Dead kernels count until they are removed."""
    over_bounds: Literal["clamp", "refuse"] = "clamp"
    """What happens when a client asks for more than the kernelspec's bound. `clamp` reduces it to the bound;
    `refuse` rejects the request."""
    rules: tuple[Rule, ...] = ()
    """Exceptions for users and groups."""
