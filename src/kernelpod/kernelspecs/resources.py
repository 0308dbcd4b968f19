"""What a kernelspec says of resources: guaranteed, the most, and how far a wish may go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.base.quantities import Bytes, Millicores, format_bytes, format_millicores
from kernelpod.settings.kernels import Bounds

GpuCount = Annotated[int, Field(ge=1, le=64)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Amounts(_Form):
    """An amount of each resource, in Kubernetes notation ("500m", "2Gi"); held as millicores and bytes."""

    cpu: Millicores = 1000
    """Processor time."""
    memory: Bytes = 2**30
    """Memory."""


class Gpus(_Form):
    """Whole GPUs, guaranteed and limited at once: Kubernetes knows no other way."""

    count: GpuCount = 1
    """GPUs of a kernel whose user wishes nothing."""
    bound: GpuCount | None = None
    """The most a user may wish for; absent: the count."""
    resource: str = Field(
        "nvidia.com/gpu", pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9][A-Za-z0-9_.-]{0,61}$"
    )
    """Name of the resource that the nodes' device plugin announces."""

    @model_validator(mode="after")
    def _ordered(self) -> Gpus:
        if self.most < self.count:
            raise PydanticCustomError("over_bounds", "gpus: count must be at most bound")
        return self

    @property
    def most(self) -> int:
        """The most a user may have."""
        return self.bound or self.count


class Resources(_Form):
    """What a kernel is guaranteed, what it may use, and how far a user's wish may go."""

    requests: Amounts = Amounts.model_validate({"cpu": "100m", "memory": "256Mi"})
    """Guaranteed to the kernel; the scheduler counts it."""
    limits: Amounts = Amounts()
    """The most the kernel may use when the user wishes nothing."""
    bounds: Amounts | None = None
    """The most a user may wish for; absent: the limits."""
    gpus: Gpus | None = None
    """GPUs; absent: none."""

    @property
    def most(self) -> Amounts:
        """The most a user may have."""
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
    """A resource of which a kernelspec gives more than it may."""

    resource: Literal["cpu", "memory", "gpus"]
    given: str
    bound: str


def excesses(given: Resources, bounds: Bounds, *, wishes: bool) -> Iterator[Excess]:
    """Yield what is more than the bounds; with `wishes`, also what users may wish for."""
    most, gpus = (given.most if wishes else given.limits), given.gpus
    count = 0 if gpus is None else gpus.most if wishes else gpus.count
    if bounds.cpu is not None and most.cpu > bounds.cpu:
        yield Excess("cpu", format_millicores(most.cpu), format_millicores(bounds.cpu))
    if bounds.memory is not None and most.memory > bounds.memory:
        yield Excess("memory", format_bytes(most.memory), format_bytes(bounds.memory))
    if bounds.gpus is not None and count > bounds.gpus:
        yield Excess("gpus", str(count), str(bounds.gpus))
