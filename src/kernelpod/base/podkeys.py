"""Keys of a kernelspec that apply only to its pod: pulling, scheduling, shared memory, Secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.base.quantities import Bytes

# As Kubernetes defines them: names of objects, keys and values of labels.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
LabelKey = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
# Keys of a pod's spec that affect scheduling and image pulling; none affects what the pod can reach.
SchedulingKey = Literal[
    "affinity",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "tolerations",
    "topologySpreadConstraints",
]
PullPolicy = Literal["IfNotPresent", "Always", "Never"]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Toleration(_Part):
    """A node taint that the pod tolerates, as in a pod's `tolerations`."""

    key: LabelKey | Literal[""] = ""
    """Key of the taint; with `Exists`, empty matches every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """`Equal` compares the taint's value; `Exists` ignores it."""
    value: LabelValue = ""
    """Value of the taint, for `Equal`."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Effect of the taint; empty matches every effect."""

    @model_validator(mode="after")
    def _as_kubernetes_has_it(self) -> Toleration:
        if (self.operator == "Exists" and self.value) or (self.operator == "Equal" and not self.key):
            raise PydanticCustomError(
                "toleration", "a toleration with Exists must have no value; a toleration with Equal needs a key"
            )
        return self


class SecretKey(_Part):
    """A reference to one value of a Secret in the kernels' namespace; the value itself is never read."""

    secret: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
    """Key of the value in the Secret."""
    optional: bool = False
    """Whether the kernel may start without the variable if the Secret or key does not exist."""


class PodKeys(_Part):
    """Keys that apply only to the pod."""

    pull_policy: PullPolicy = "IfNotPresent"
    """When nodes pull the image."""
    pull_secrets: tuple[ObjectName, ...] = ()
    """Secrets of the kernels' namespace with the credentials of registries."""
    runtime_class: ObjectName | None = None
    """RuntimeClass of the pod, such as `nvidia`."""
    shm: Bytes | None = None
    """Size of a memory volume at /dev/shm; it counts towards the kernel's memory. Absent: the usual 64 MiB."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that the pod's node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Node taints that the pod tolerates."""
    service_account: ObjectName | None = None
    """Service account of the kernels' namespace whose token the kernel gets. `kernelspecs.service_accounts` must
    list it. Absent: no token. Every user of the kernelspec has the permissions of the account."""
    secret_env: dict[VariableName, SecretKey] = {}
    """Variables whose values are in Secrets. Users of the kernel can read the values."""

    def scheduling(self, everywhere: Mapping[SchedulingKey, Any]) -> dict[SchedulingKey, Any]:
        """Return the scheduling keys of the pod's spec: those of all kernels (`everywhere`), with these added."""
        made: dict[SchedulingKey, Any] = dict(everywhere)
        if self.runtime_class:
            made["runtimeClassName"] = self.runtime_class
        if self.node_selector:
            made["nodeSelector"] = {**made.get("nodeSelector", {}), **self.node_selector}
        if self.tolerations:
            mine = [toleration.model_dump(exclude_defaults=True) for toleration in self.tolerations]
            made["tolerations"] = [*made.get("tolerations", []), *mine]
        if self.pull_secrets:
            mine = [{"name": name} for name in self.pull_secrets]
            made["imagePullSecrets"] = [*made.get("imagePullSecrets", []), *mine]
        return made
