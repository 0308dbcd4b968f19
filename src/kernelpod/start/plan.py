"""What will run: the one object that everything after policy looks at."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kernelpod.base.podkeys import PullPolicy, SchedulingKey, SecretKey
from kernelpod.homes.mounts import UserMounts
from kernelpod.settings.pods import PodAdditions
from kernelpod.start.identity import Owner


class PlannedResources(BaseModel):
    """What is guaranteed to a kernel, and the most it may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_millicores: int
    cpu_limit_millicores: int
    memory_bytes: int
    memory_limit_bytes: int
    gpus: int = 0
    gpu_resource: str = ""


class KernelPlan(BaseModel):
    """Everything that decides how a kernel runs; made by policy only, printed, stored and compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel_id: str
    owner: Owner
    server: str | None
    """Name of the owner's server that asked, "" for the default one; None if it was no server."""
    spec: str
    profile: str
    display_name: str
    namespace: str
    release: str = "kernelpod"
    """The installation whose kernel it is; no other gateway looks at it."""
    network: str = "default"
    """Name of the egress profile: what the pod may reach."""
    image: str
    argv: tuple[str, ...]
    """The kernelspec's command; `{connection_file}` is filled in by the runtime."""
    env: dict[str, str]
    """The kernel's whole environment beside what its image sets."""
    mounts: UserMounts
    home_check_image: str = ""
    """Image that looks whether a home on a claim exists, before kubelet would make it; empty where it cannot."""
    working_dir: str
    uid: int
    gid: int
    supplemental_groups: tuple[int, ...]
    resources: PlannedResources
    scheduling: dict[SchedulingKey, Any] = {}
    """What the pod's spec says of where it runs, in Kubernetes' own words."""
    pull_policy: PullPolicy = "IfNotPresent"
    shm_bytes: int | None = None
    """Size of the memory volume at /dev/shm; None: no such volume."""
    service_account: str = ""
    """Service account whose token the pod gets; empty: none."""
    secret_env: dict[str, SecretKey] = {}
    """Variables whose values only the node reads, from Secrets."""
    additions: PodAdditions = PodAdditions()
    """What the site adds to the pod; checked so that the rest of the plan stays true."""
    interrupt_mode: Literal["message", "signal"]
    transport: Literal["ipc", "tcp"]
    launch_timeout_seconds: float
    grace_period_seconds: float
    cull_idle_seconds: float | None = None
    """The kernelspec's own; absent: that of the settings."""
    prewarm: int = 0
    """Kernels like this one that are kept ready."""
    notes: tuple[str, ...] = ()
    """Where the plan differs from the wish, in sentences for the user."""

    @property
    def address(self) -> str:
        """The kernelspec's name as clients know it."""
        return f"{self.spec}.{self.profile}" if self.profile else self.spec
