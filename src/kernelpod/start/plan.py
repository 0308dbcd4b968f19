"""KernelPlan: everything that decides how a kernel runs. After policy only the plan is used."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kernelpod.base.podkeys import PullPolicy, SchedulingKey, SecretKey
from kernelpod.homes.mounts import UserMounts
from kernelpod.settings.pods import PodAdditions
from kernelpod.start.identity import Owner


class PlannedResources(BaseModel):
    """Resource requests and limits of a kernel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_millicores: int
    cpu_limit_millicores: int
    memory_bytes: int
    memory_limit_bytes: int
    gpus: int = 0
    gpu_resource: str = ""
    ephemeral_bytes: int | None = None
    ephemeral_limit_bytes: int | None = None
    """Disk of the node; None in records from before it was limited."""


class KernelPlan(BaseModel):
    """Everything that decides how a kernel runs. Only policy creates plans; they can be printed and compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel_id: str
    owner: Owner
    server: str | None
    """Name of the owner's server that requested the kernel, "" for the default one; None if it was not a
    server."""
    spec: str
    profile: str
    display_name: str
    namespace: str
    release: str = "kernelpod"
    """The installation that the kernel belongs to; gateways of other installations ignore it."""
    network: str = "default"
    """Name of the egress profile, which says what the pod may reach."""
    image: str
    argv: tuple[str, ...]
    """The kernelspec's command; the runtime replaces `{connection_file}`."""
    env: dict[str, str]
    """The kernel's environment, except for what its image sets."""
    mounts: UserMounts
    home_check_image: str = ""
    """Image of the container that checks that the home exists, before kubelet would create it; empty: no check."""
    working_dir: str
    uid: int
    gid: int
    supplemental_groups: tuple[int, ...]
    resources: PlannedResources
    scheduling: dict[SchedulingKey, Any] = {}
    """Scheduling keys of the pod's spec, as in Kubernetes."""
    user_namespace: bool = False
    """Whether the pod has its own user namespace."""
    pull_policy: PullPolicy = "IfNotPresent"
    shm_bytes: int | None = None
    """Size of the memory volume at /dev/shm; None: no such volume."""
    service_account: str = ""
    """Service account whose token the pod gets; empty: none."""
    secret_env: dict[str, SecretKey] = {}
    """Environment variables whose values come from Secrets; only the node reads them."""
    additions: PodAdditions = PodAdditions()
    """What the site adds to the pod. The settings ensure that it cannot contradict the rest of the plan."""
    interrupt_mode: Literal["message", "signal"]
    transport: Literal["ipc", "tcp"]
    encrypted: bool = False
    """Whether the connection is encrypted by CurveZMQ."""
    launch_timeout_seconds: float
    grace_period_seconds: float
    cull_idle_seconds: float | None = None
    """Idle time of the kernelspec after which the kernel is culled; absent: that of the settings."""
    iopub_msg_rate_limit: float | None = None
    iopub_data_rate_limit: float | None = None
    """The kernelspec's limits of output; absent: those of the settings."""
    prewarm: int = 0
    """How many kernels with the same plan are kept ready."""
    notes: tuple[str, ...] = ()
    """How the plan differs from the request, in sentences for the user."""

    @property
    def address(self) -> str:
        """The kernelspec's name as clients know it."""
        return f"{self.spec}.{self.profile}" if self.profile else self.spec
