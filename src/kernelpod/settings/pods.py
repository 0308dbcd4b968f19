"""Settings for what a site adds to kernel and server pods: labels, sidecars and the like.

Additions cannot give a pod more rights than its plan. An added container has no volumes, no privileges, no
service account, and a user id of its own. There are no settings for these, and Kubernetes' own keys for them are
refused with a reason.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from kernelpod.base.fields import Image, Section
from kernelpod.base.podkeys import LabelKey, LabelValue, PullPolicy, Toleration, VariableName
from kernelpod.base.quantities import Bytes, Millicores

# Names of the containers that kernel and server pods already have, including those of KubeSpawner and its chart.
OUR_CONTAINERS = frozenset({"kernel", "home-check", "notebook", "home", "block-cloud-metadata"})
# Labels without a domain that services, network policies or cloud identities select pods by.
_OUR_LABELS = frozenset(
    {"app", "component", "release", "chart", "heritage", "kernel_id", "k8s-app", "aadpodidbinding"}
)
# Domains of labels and annotations that select pods, or that change what a pod may do or reach.
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

_NO_VOLUMES = "added containers cannot mount volumes, neither homes nor others; remove it"
_OURS = "kernelpod sets it to what Pod Security `restricted` requires; remove it"
_NO_ACCOUNT = "added containers have no service account and no token; remove it"
_NO_HOST = "pods share nothing with their node; remove it"
_IN_SCHEDULING = "for kernels set runtime.kubernetes.scheduling, for servers KubeSpawner's option; remove it"
# Kubernetes keys that would change what a pod can do or reach, in the spelling of the settings.
_NOT_FOR_CONTAINERS = {
    "volume_mounts": _NO_VOLUMES,
    "volume_devices": _NO_VOLUMES,
    "security_context": _OURS,
    "privileged": _OURS,
    "ports": "containers of a pod reach each other without it, and a hostPort would open the node; remove it",
    "env_from": "it passes whole Secrets and ConfigMaps; name the variables in env",
    "restart_policy": "sidecars are always restarted, init containers run once; remove it",
    "lifecycle": "added containers run only their command; remove it",
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
    """Raise ValueError for the first refused key, in the spelling of Kubernetes or of the settings."""
    for key in data if isinstance(data, dict) else ():
        if said := refused.get(_CAPITAL.sub("_", str(key)).lower()):
            raise ValueError(f"{key}: {said}")


def _free(key: str) -> str:
    domain = key.rpartition("/")[0]
    ours = any(domain == one or domain.endswith(f".{one}") for one in _OUR_DOMAINS)
    if (ours and domain not in _HARMLESS_DOMAINS) or key in _OUR_LABELS:
        raise ValueError(
            "this key is reserved: pods are selected, connected or given rights by it. Use a key in your own "
            "domain, such as example.org/team"
        )
    return key


def _container_name(name: str) -> str:
    if name in OUR_CONTAINERS:
        raise ValueError(f"kernel or server pods already have a container named {name}; use another name")
    return name


def _host_name(name: str) -> str:
    if not _HOST.match(name):
        raise ValueError("write a host name with lower-case letters, digits, '-' and '.' only")
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
    """CPU and memory of an added container. Both are required, because they count against quotas."""

    cpu: Millicores
    """CPU cores, such as `50m`."""
    memory: Bytes
    """Memory, such as `64Mi`."""


class ContainerResources(Section):
    """Resource requests and limits of an added container."""

    requests: ContainerAmounts
    """Guaranteed resources; they count against quotas in addition to those of the kernel or server."""
    limits: ContainerAmounts
    """The most the container may use."""

    @model_validator(mode="after")
    def _ordered(self) -> ContainerResources:
        if self.requests.cpu > self.limits.cpu or self.requests.memory > self.limits.memory:
            raise ValueError("requests must be at most limits")
        return self


class AddedContainer(Section):
    """A container that the site adds to a pod. It has no volumes and no privileges."""

    name: ContainerName
    """Name of the container, unique in the pod."""
    image: Image
    """Image of the container, with a digest or with a tag other than latest."""
    resources: ContainerResources
    """Resource requests and limits of the container."""
    command: tuple[str, ...] = ()
    """Command that replaces the image's own; `$(NAME)` is not expanded."""
    args: tuple[str, ...] = ()
    """Arguments that replace the image's own; `$(NAME)` is not expanded."""
    env: dict[VariableName, str] = Field({})
    """Environment variables. Do not put secrets here: the settings can be read in the gateway's namespace."""
    pull_policy: PullPolicy = "IfNotPresent"
    """When a node pulls the image."""

    @model_validator(mode="before")
    @classmethod
    def _no_wider(cls, data: Any) -> Any:
        _refuse(data, _NOT_FOR_CONTAINERS)
        return data


class HostAlias(Section):
    """A line in the pod's /etc/hosts."""

    ip: Address
    """IPv4 or IPv6 address."""
    hostnames: tuple[HostName, ...] = Field(min_length=1, max_length=32)
    """Host names for this address."""


class PodAdditions(Section):
    """What a site adds to each pod. Keys for volumes, privileges, service accounts and the host are refused."""

    labels: dict[FreeKey, LabelValue] = Field({}, max_length=32)
    """Additional labels, such as `example.org/team: physics`. Keys by which pods are selected, connected or given
    rights are refused."""
    annotations: dict[FreeKey, Annotated[str, Field(max_length=4096)]] = Field({}, max_length=32)
    """Additional annotations. The same keys are refused, except `cluster-autoscaler.kubernetes.io/...`."""
    sidecars: tuple[AddedContainer, ...] = Field((), max_length=8)
    """Containers that run as long as the pod. They start before the kernel or server and are restarted when they
    exit. They share the pod's network, but not its files."""
    init_containers: tuple[AddedContainer, ...] = Field((), max_length=8)
    """Containers that run one after another and must succeed before the sidecars and the kernel or server
    start."""
    tolerations: tuple[Toleration, ...] = ()
    """Additional tolerations, besides those of scheduling, kernelspecs and courses."""
    host_aliases: tuple[HostAlias, ...] = Field((), max_length=32)
    """Additional lines in /etc/hosts."""

    @model_validator(mode="before")
    @classmethod
    def _no_wider(cls, data: Any) -> Any:
        _refuse(data, _NOT_FOR_PODS)
        return data

    @model_validator(mode="after")
    def _names_apart(self) -> PodAdditions:
        names = [one.name for one in (*self.init_containers, *self.sidecars)]
        if twice := sorted(name for name in set(names) if names.count(name) > 1):
            raise ValueError(f"two containers are named {twice[0]}; every container needs its own name")
        return self


class Pods(Section):
    """What a site adds to pods; `PodAdditions` says what is refused."""

    kernels: PodAdditions = PodAdditions()
    """Additions to every kernel pod. They do not apply to the local runtime."""
    servers: PodAdditions = PodAdditions()
    """Additions to every server pod."""
