"""What a site adds to the pods of kernels and servers, in a form that cannot widen what a plan allows.

An added container has no volumes, no privileges, no account and a user id of its own; there are no keys for
these, and Kubernetes' own keys for them are refused with the reason.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from kernelpod.base.fields import Image, Section
from kernelpod.base.podkeys import LabelKey, LabelValue, PullPolicy, Toleration, VariableName
from kernelpod.base.quantities import Bytes, Millicores

# The containers that kernels' and servers' pods have already, KubeSpawner's and Zero to JupyterHub's included.
OUR_CONTAINERS = frozenset({"kernel", "home-check", "notebook", "home", "block-cloud-metadata"})
# Labels without a domain that services, network policies and identities of clouds are bound to.
_OUR_LABELS = frozenset(
    {"app", "component", "release", "chart", "heritage", "kernel_id", "k8s-app", "aadpodidbinding"}
)
# Domains whose labels and annotations change what a pod may do or reach, or by which it is found.
_OUR_DOMAINS = (
    "kernelpod.io",
    "kubernetes.io",
    "k8s.io",
    "jupyter.org",
    "cni.cncf.io",
    "multus-cni.io",
    "projectcalico.org",
    "cilium.io",
    "amazonaws.com",
    "azure.workload.identity",
    "hashicorp.com",
    "katacontainers.io",
    "containerd.io",
)
_HARMLESS_DOMAINS = ("cluster-autoscaler.kubernetes.io",)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_NO_VOLUMES = "added containers see no volumes, neither homes nor others; remove it"
_OURS = "kernelpod sets it to what Pod Security `restricted` asks for; remove it"
_NO_ACCOUNT = "added containers have no service account and no token; remove it"
_NO_HOST = "pods share nothing with their node; remove it"
_IN_SCHEDULING = "for kernels set runtime.kubernetes.scheduling, for servers KubeSpawner's option; remove it"
# Keys of Kubernetes that would widen what a pod can do or reach; spelled as settings are.
_NOT_FOR_CONTAINERS = {
    "volume_mounts": _NO_VOLUMES,
    "volume_devices": _NO_VOLUMES,
    "security_context": _OURS,
    "privileged": _OURS,
    "ports": "containers of one pod reach each other without, and a hostPort would open the node; remove it",
    "env_from": "it hands over whole Secrets and ConfigMaps; name the variables in env",
    "restart_policy": "sidecars are restarted, init containers run once; remove it",
    "lifecycle": "added containers run their command and nothing else; remove it",
}
_NOT_FOR_PODS = {
    "volumes": _NO_VOLUMES,
    "containers": "list them as sidecars",
    "ephemeral_containers": "list them as sidecars",
    "security_context": _OURS,
    "share_process_namespace": _OURS,
    "service_account": _NO_ACCOUNT,
    "service_account_name": _NO_ACCOUNT,
    "automount_service_account_token": _NO_ACCOUNT,
    **dict.fromkeys(("host_network", "host_pid", "host_ipc", "host_users", "node_name"), _NO_HOST),
    **dict.fromkeys(("node_selector", "affinity", "image_pull_secrets", "priority_class_name"), _IN_SCHEDULING),
    **dict.fromkeys(("runtime_class_name", "scheduler_name", "topology_spread_constraints"), _IN_SCHEDULING),
}


def _refuse(data: object, refused: dict[str, str]) -> None:
    """Raise ValueError for the first key that is refused, in Kubernetes' spelling or in that of settings."""
    for key in data if isinstance(data, dict) else ():
        if said := refused.get(_CAPITAL.sub("_", str(key)).lower()):
            raise ValueError(f"{key}: {said}")


def _free(key: str) -> str:
    domain = key.rpartition("/")[0]
    ours = any(domain == one or domain.endswith(f".{one}") for one in _OUR_DOMAINS)
    if (ours and domain not in _HARMLESS_DOMAINS) or key in _OUR_LABELS:
        raise ValueError(
            "pods are found, connected or given rights by this key; take one below a domain of yours, such as "
            "example.org/team"
        )
    return key


def _container_name(name: str) -> str:
    if name in OUR_CONTAINERS:
        raise ValueError(f"{name} is a container of kernels' or servers' pods already; take another name")
    return name


def _host_name(name: str) -> str:
    if not _HOST.match(name):
        raise ValueError("write a host name of lower-case letters, digits, '-' and '.'")
    return name


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError("write an IPv4 or IPv6 address") from error


FreeKey = Annotated[LabelKey, AfterValidator(_free)]
ContainerName = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), AfterValidator(_container_name)
]
HostName = Annotated[str, AfterValidator(_host_name)]
Address = Annotated[str, AfterValidator(_address)]


class ContainerAmounts(Section):
    """Processor time and memory of an added container; both are needed, since they count against quotas."""

    cpu: Millicores
    """Processor time, such as `50m`."""
    memory: Bytes
    """Memory, such as `64Mi`."""


class ContainerResources(Section):
    """What an added container is guaranteed, and the most it may use."""

    requests: ContainerAmounts
    """Guaranteed; it counts against quotas beside what the kernel or server has."""
    limits: ContainerAmounts
    """The most it may use."""

    @model_validator(mode="after")
    def _ordered(self) -> ContainerResources:
        if self.requests.cpu > self.limits.cpu or self.requests.memory > self.limits.memory:
            raise ValueError("requests must be at most limits")
        return self


class AddedContainer(Section):
    """A container of the site's beside the kernel or server: without volumes, and without privileges."""

    name: ContainerName
    """Its name, which no other container of the pod has."""
    image: Image
    """Its image, with a tag other than latest, or with a digest."""
    resources: ContainerResources
    """What it is guaranteed, and the most it may use."""
    command: tuple[str, ...] = ()
    """Command instead of the image's own; `$(NAME)` is not expanded."""
    args: tuple[str, ...] = ()
    """Arguments instead of the image's own; `$(NAME)` is not expanded."""
    env: dict[VariableName, str] = Field({})
    """Variables; no place for secrets, since the settings are readable in the gateway's namespace."""
    pull_policy: PullPolicy = "IfNotPresent"
    """When a node pulls the image."""

    @model_validator(mode="before")
    @classmethod
    def _no_wider(cls, data: Any) -> Any:
        _refuse(data, _NOT_FOR_CONTAINERS)
        return data


class HostAlias(Section):
    """A line of the pod's /etc/hosts."""

    ip: Address
    """The address."""
    hostnames: tuple[HostName, ...] = Field(min_length=1, max_length=32)
    """Names that lead to it."""


class PodAdditions(Section):
    """What a site adds to each pod; keys for volumes, privileges, accounts and the host are refused."""

    labels: dict[FreeKey, LabelValue] = Field({}, max_length=32)
    """Further labels, such as `example.org/team: physics`; not those by which pods are found, connected or given
    rights."""
    annotations: dict[FreeKey, Annotated[str, Field(max_length=4096)]] = Field({}, max_length=32)
    """Further annotations; the same keys are refused, except `cluster-autoscaler.kubernetes.io/...`."""
    sidecars: tuple[AddedContainer, ...] = Field((), max_length=8)
    """Containers that run as long as the pod, started before the kernel or server and restarted when they end.
    They share its network, not its files."""
    init_containers: tuple[AddedContainer, ...] = Field((), max_length=8)
    """Containers that must end well, one after the other, before the sidecars and the kernel or server start."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the pods do not mind, beside those of scheduling, kernelspecs and courses."""
    host_aliases: tuple[HostAlias, ...] = Field((), max_length=32)
    """Further lines of /etc/hosts."""

    @model_validator(mode="before")
    @classmethod
    def _no_wider(cls, data: Any) -> Any:
        _refuse(data, _NOT_FOR_PODS)
        return data

    @model_validator(mode="after")
    def _names_apart(self) -> PodAdditions:
        names = [one.name for one in (*self.init_containers, *self.sidecars)]
        if twice := sorted(name for name in set(names) if names.count(name) > 1):
            raise ValueError(f"two containers are called {twice[0]}; every container needs a name of its own")
        return self


class Pods(Section):
    """What a site adds to pods; see `PodAdditions` for what is refused."""

    kernels: PodAdditions = PodAdditions()
    """What every kernel's pod has beside its plan; processes of this machine have none of it."""
    servers: PodAdditions = PodAdditions()
    """What every server's pod has beside its plan."""
