"""What a kernelspec may say of its pod alone: pulling, scheduling, shared memory, Secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.base.quantities import Bytes

# Kubernetes' own forms: names of objects, keys and values of labels.
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
LabelKey = Annotated[
    str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")
]
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
# What a pod's spec says of where it runs and who pulls its image; never what it can reach.
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
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Toleration(_Part):
    """A taint of nodes that the pod does not mind; as in a pod's `tolerations`."""

    key: LabelKey | Literal[""] = ""
    """Key of the taint; empty with `Exists`: every taint."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Whether the taint's value counts."""
    value: LabelValue = ""
    """Value of the taint, for `Equal`."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Effect of the taint; empty: every effect."""

    @model_validator(mode="after")
    def _as_kubernetes_has_it(self) -> Toleration:
        if (self.operator == "Exists" and self.value) or (self.operator == "Equal" and not self.key):
            raise PydanticCustomError(
                "toleration", "a toleration with Exists has no value; one with Equal has a key"
            )
        return self


class SecretKey(_Part):
    """One value of a Secret in the kernels' namespace; only its name is known here."""

    secret: ObjectName
    """Name of the Secret."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")]
    """Key in it."""
    optional: bool = False
    """Start without the variable if there is no such Secret or key."""


class PodKeys(_Part):
    """What is said of the pod alone."""

    pull_policy: PullPolicy = "IfNotPresent"
    """When a node pulls the image."""
    pull_secrets: tuple[ObjectName, ...] = ()
    """Secrets of the kernels' namespace that hold a registry's credentials."""
    runtime_class: ObjectName | None = None
    """RuntimeClass of the pod, such as `nvidia`."""
    shm: Bytes | None = None
    """Size of a memory volume at /dev/shm; it counts as the kernel's memory. Absent: the 64 MiB of a container."""
    node_selector: dict[LabelKey, LabelValue] = {}
    """Labels that the pod's node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that the pod does not mind."""
    service_account: ObjectName | None = None
    """Service account of the kernels' namespace whose token the kernel gets, if `kernelspecs.service_accounts` has
    it; absent: none, and no token. Its rights are those of every user of the kernelspec."""
    secret_env: dict[VariableName, SecretKey] = {}
    """Variables whose values are in Secrets. The kernel's user runs code there, so they can read them."""

    def scheduling(self, everywhere: Mapping[SchedulingKey, Any]) -> dict[SchedulingKey, Any]:
        """Return what the pod's spec says of scheduling: what all kernels get (`everywhere`), and these on top."""
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
