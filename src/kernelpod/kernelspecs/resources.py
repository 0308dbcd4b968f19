"""The resources of a kernelspec: requests, limits, and bounds for what users may request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.base.quantities import Bytes, Millicores, format_bytes, format_millicores
from kernelpod.settings.kernels import Bounds

GpuCount = Annotated[int, Field(ge=1, le=64)]


class _Form(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True
    )


class Amounts(_Form):
    """Amounts of CPU and memory in Kubernetes notation ("500m", "2Gi"), stored as millicores and bytes."""

    cpu: Millicores = 1000
    """CPU time, such as 500m."""
    memory: Bytes = 2**30
    """Memory, such as 2Gi."""


class Gpus(_Form):
    """Whole GPUs. In Kubernetes, their request always equals their limit."""

    count: GpuCount = 1
    """Number of GPUs of a kernel by default."""
    bound: GpuCount | None = None
    """The most GPUs a user may request. Absent: the count."""
    resource: str = Field(
        "nvidia.com/gpu", pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9][A-Za-z0-9_.-]{0,61}$"
    )
    """Name of the resource of the nodes' device plugin."""

    @model_validator(mode="after")
    def _ordered(self) -> Gpus:
        if self.most < self.count:
            raise PydanticCustomError("over_bounds", "gpus: count must be at most bound")
        return self

    @property
    def most(self) -> int:
        """The most GPUs a user may request."""
        return self.bound or self.count


class Resources(_Form):
    """Guaranteed resources, default limits, and the bounds of what a user may request."""

    requests: Amounts = Amounts.model_validate({"cpu": "100m", "memory": "256Mi"})
    """Guaranteed to the kernel, and counted by the scheduler."""
    limits: Amounts = Amounts()
    """The most the kernel may use by default."""
    bounds: Amounts | None = None
    """The most a user may request. Absent: the limits."""
    gpus: Gpus | None = None
    """GPUs. Absent: none."""
    ephemeral_storage: Bytes | None = None
    """The most disk of the node that the kernel may use, such as 20Gi. Absent: that of the settings."""

    @property
    def most(self) -> Amounts:
        """The most CPU and memory a user may request."""
        return self.bounds or self.limits

    @model_validator(mode="after")
    def _ordered(self) -> Resources:
        for name in ("cpu", "memory"):
            low, mid, high = (getattr(part, name) for part in (self.requests, self.limits, self.most))
            if not low <= mid <= high:
                said = f"{name}: requests must be at most limits, and limits at most bounds"
                raise PydanticCustomError("over_bounds", "{said}", {"said": said})
        return self


class Excess(NamedTuple):
    """A resource of a kernelspec or kernel that exceeds the bounds of the settings."""

    resource: Literal["cpu", "memory", "gpus", "ephemeral_storage"]
    given: str
    bound: str


def excesses(given: Resources, bounds: Bounds, *, wishes: bool) -> Iterator[Excess]:
    """Yield the resources that exceed the bounds. With `wishes`, also check what users may request."""
    most, gpus = (given.most if wishes else given.limits), given.gpus
    count = 0 if gpus is None else gpus.most if wishes else gpus.count
    return over_bounds(most.cpu, most.memory, count, given.ephemeral_storage, bounds)


def over_bounds(
    millicores: int, memory_bytes: int, gpus: int, ephemeral_bytes: int | None, bounds: Bounds
) -> Iterator[Excess]:
    """Yield which of these limits exceed the bounds."""
    if bounds.cpu is not None and millicores > bounds.cpu:
        yield Excess("cpu", format_millicores(millicores), format_millicores(bounds.cpu))
    if bounds.memory is not None and memory_bytes > bounds.memory:
        yield Excess("memory", format_bytes(memory_bytes), format_bytes(bounds.memory))
    if bounds.gpus is not None and gpus > bounds.gpus:
        yield Excess("gpus", str(gpus), str(bounds.gpus))
    if ephemeral_bytes and bounds.ephemeral_storage is not None and ephemeral_bytes > bounds.ephemeral_storage:
        yield Excess("ephemeral_storage", format_bytes(ephemeral_bytes), format_bytes(bounds.ephemeral_storage))
