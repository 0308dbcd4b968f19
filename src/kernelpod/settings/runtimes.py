"""Where kernels run: the settings of each runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from kernelpod.base.fields import AbsolutePath, Name, Seconds, Section
from kernelpod.base.podkeys import SchedulingKey


class Local(Section):
    """Kernels as processes of this machine."""

    state_dir: Path = Path("/run/kernelpod")
    """Folder for records and sockets of running kernels (0700); short, since it is part of socket names."""
    sandbox: Literal["required", "none"] = "required"
    """Run kernels in a bubblewrap sandbox; `none` leaves users unprotected from each other."""
    search_path: tuple[AbsolutePath, ...] = ()
    """Folders put first on PATH; what the image is for a pod."""
    read_only_paths: tuple[AbsolutePath, ...] = ()
    """Further folders kernels may read, such as the environment their command lies in."""

    @model_validator(mode="after")
    def _short(self) -> Local:
        if len(str(self.state_dir)) > 60 or not self.state_dir.is_absolute():
            raise ValueError("state_dir must be absolute and at most 60 characters (names of sockets are short)")
        return self


class Kubernetes(Section):
    """Kernels as pods."""

    namespace: Name = "kernels"
    """Namespace of kernel pods; never chosen by a client."""
    release: Name = "kernelpod"
    """Name of this installation, as label `app.kubernetes.io/instance`; a gateway sees only its own kernels."""
    kubeconfig: Path | None = None
    """File that says how to reach the cluster; absent: the pod's own service account, else kubectl's default."""
    context: str = ""
    """Context of the kubeconfig; empty: its current one."""
    scheduling: dict[SchedulingKey, Any] = Field({})
    """What the spec of every kernel's pod says of scheduling, in Kubernetes' own words, such as
    `nodeSelector: {purpose: kernels}`; a kernelspec's keys come on top."""
    home_check_image: str = Field("", pattern=r"^[A-Za-z0-9._/:@-]{0,250}$")
    """Image with the command `test`, such as the gateway's: looks whether a home on a claim exists, since kubelet
    would make the folder. Needed where `homes.volume.kind` is pvc."""
    starts_at_once: int = Field(5, ge=1)
    """Kernels that start at the same time; the others wait, each user in turn."""
    heal_seconds: Seconds = 20
    """How long a start waits for what may heal by itself: no room on a node, a registry or NFS server away."""
    request_timeout_seconds: Seconds = 10
    """How long one request to the API server may take."""
    exec_signals: bool = False
    """Interrupt kernels that only know signals by `pods/exec`; the gateway's Role must allow it."""


class RuntimeSettings(Section):
    """Where kernels run; never chosen by a kernelspec or a client."""

    kind: Literal["local", "kubernetes"] = "kubernetes"
    """Pods of a cluster, or processes of this machine."""
    local: Local = Local()
    kubernetes: Kubernetes = Kubernetes()
