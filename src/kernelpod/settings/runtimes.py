"""Settings of the runtimes: where and how kernels run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from kernelpod.base.fields import AbsolutePath, Name, Seconds, Section
from kernelpod.base.podkeys import SchedulingKey
from kernelpod.base.quantities import Bytes


class Local(Section):
    """Kernels as processes on this machine."""

    state_dir: Path = Path("/run/kernelpod")
    """Folder for records and sockets of running kernels (mode 0700). Keep it short: it is part of socket names."""
    sandbox: Literal["required", "none"] = "required"
    """`required` runs kernels in a bubblewrap sandbox. `none` does not protect users from each other."""
    network: Literal["own", "machine"] = "own"
    """`own` gives each sandboxed kernel a network of its own. If slirp4netns is installed and the kernel's
    `network` is `default`, it has a way out (IPv4), but not to this machine's loopback. Servers, and kernels with
    the transport tcp, share the machine's network. `machine` shares it with all kernels: users reach each other's
    debuggers."""
    search_path: tuple[AbsolutePath, ...] = ()
    """Folders put first on the kernels' PATH, in place of a pod's image."""
    read_only_paths: tuple[AbsolutePath, ...] = ()
    """Additional folders that kernels may read, such as the environment that holds their command."""

    @model_validator(mode="after")
    def _short(self) -> Local:
        if len(str(self.state_dir)) > 60 or not self.state_dir.is_absolute():
            raise ValueError("state_dir must be absolute and at most 60 characters (socket names must be short)")
        return self


class EphemeralStorage(Section):
    """Disk of the node that a pod may fill: its own files, its output, and homes of kind none."""

    request: Bytes = 128 * 2**20
    """Guaranteed to the pod, and counted by the scheduler."""
    limit: Bytes = 10 * 2**30
    """The most that a pod may use. The node ends a pod that uses more."""

    @model_validator(mode="after")
    def _ordered(self) -> EphemeralStorage:
        if self.request > self.limit:
            raise ValueError("request must be at most limit")
        return self

    def within(self, own: int | None, bound: int | None) -> EphemeralStorage:
        """Return the amounts with the limit `own` of a kernelspec, if it has one, cut to a user's bound."""
        limit = own or self.limit
        limit = min(limit, bound or limit)
        return EphemeralStorage(request=min(self.request, limit), limit=limit)


class Kubernetes(Section):
    """Kernels as pods."""

    namespace: Name = "kernels"
    """Namespace of kernel pods. Clients cannot choose it."""
    release: Name = "kernelpod"
    """Name of this installation, set as the label `app.kubernetes.io/instance`. A gateway sees only kernels with
    its own name."""
    kubeconfig: Path | None = None
    """Kubeconfig file of the cluster. Absent: the pod's own service account, else kubectl's default."""
    context: str = ""
    """Context of the kubeconfig; empty: its current context."""
    scheduling: dict[SchedulingKey, Any] = Field({})
    """Scheduling keys for the spec of every kernel pod, as in Kubernetes, such as
    `nodeSelector: {purpose: kernels}`. Keys of a kernelspec are merged over these."""
    home_check_image: str = Field("", pattern=r"^[A-Za-z0-9._/:@-]{0,250}$")
    """Image with the command `test`, such as the gateway's image. It checks that a home on a claim exists, because
    kubelet would create a missing folder. Required if `homes.volume.kind` is pvc."""
    ephemeral_storage: EphemeralStorage = EphemeralStorage()
    """Disk of the node for each kernel and server. A kernelspec may set another limit for its kernels
    (`resources.ephemeral_storage`)."""
    user_namespaces: bool = False
    """Give each kernel's and server's pod a user namespace (`hostUsers: false`), so that its user ids are nobody's
    on the node. Needs nodes that have it (docs/pods.md), no volume on NFS, and ids up to 65535."""
    executors: tuple[Name, ...] = ()
    """Namespaces of Spark's executors, each named like the service account whose kernels start executors there.
    The gateway gives each of these kernels NetworkPolicies of its own, there and in the kernels' namespace, which
    let it and its executors reach each other, and removes its executors when it ends."""
    starts_at_once: int = Field(5, ge=1)
    """How many kernels may start at the same time. Other starts wait; waiting users are served in turn."""
    heal_seconds: Seconds = 20
    """How long a start waits for a failure that may be temporary, such as a full node or an unreachable registry
    or NFS server. Permanent failures end the start at once."""
    request_timeout_seconds: Seconds = 10
    """How long one request to the API server may take."""
    exec_signals: bool = False
    """Interrupt kernels whose `interrupt_mode` is signal by `pods/exec`. The gateway's Role must allow it."""


class RuntimeSettings(Section):
    """Where kernels run. Kernelspecs and clients cannot choose it."""

    kind: Literal["local", "kubernetes"] = "kubernetes"
    """`kubernetes` runs kernels as pods of a cluster, `local` as processes on this machine."""
    local: Local = Local()
    kubernetes: Kubernetes = Kubernetes()
