"""Computes a kernel's resources from its kernelspec, the client's request and the bounds."""

from __future__ import annotations

from collections.abc import Callable

from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.errors import Denied
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.settings.kernels import Bounds
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import PlannedResources
from kernelpod.start.request import ResourceWish


def planned_resources(
    wish: ResourceWish, spec: KernelSpec, bounds: Bounds, settings: Settings
) -> tuple[PlannedResources, list[str]]:
    """Return a kernel's resources, and a note for the user for each that is less than requested.

    Raises Denied (out_of_bounds) for a request over a bound, if `policy.over_bounds` is `refuse`.
    """
    given, notes = spec.resources, list[str]()
    most_cpu, most_memory = _least(given.most.cpu, bounds.cpu), _least(given.most.memory, bounds.memory)

    def bounded(name: str, wished: int | None, default: int, bound: int, show: Callable[[int], str]) -> int:
        if wished is None or wished <= bound:
            return default if wished is None else wished
        if settings.policy.over_bounds == "refuse":
            said = f"{name} {show(wished)} is over your bound of {spec.address!r}, {show(bound)}."
            raise Denied("out_of_bounds", said)
        notes.append(f"{name} {show(wished)} was cut to your bound of {spec.address!r}, {show(bound)}.")
        return bound

    cpu_limit = bounded("KERNEL_CPUS_LIMIT", wish.cpu_limit, given.limits.cpu, most_cpu, format_millicores)
    memory_limit = bounded(
        "KERNEL_MEMORY_LIMIT", wish.memory_limit, given.limits.memory, most_memory, format_bytes
    )
    cpu = bounded("KERNEL_CPUS", wish.cpu, given.requests.cpu, most_cpu, format_millicores)
    memory = bounded("KERNEL_MEMORY", wish.memory, given.requests.memory, most_memory, format_bytes)
    gpus = given.gpus
    disk = settings.runtime.kubernetes.ephemeral_storage.within(given.ephemeral_storage, bounds.ephemeral_storage)
    # Kubernetes requires request <= limit, so a requested guarantee above the limit raises the limit, up to the
    # bound.
    resources = PlannedResources(
        cpu_millicores=min(cpu, cpu_limit) if wish.cpu is None else cpu,
        cpu_limit_millicores=cpu_limit if wish.cpu is None else max(cpu, cpu_limit),
        memory_bytes=min(memory, memory_limit) if wish.memory is None else memory,
        memory_limit_bytes=memory_limit if wish.memory is None else max(memory, memory_limit),
        gpus=bounded(
            "KERNEL_GPUS", wish.gpus, gpus.count if gpus else 0, _least(gpus.most if gpus else 0, bounds.gpus), str
        ),
        gpu_resource=gpus.resource if gpus else "",
        ephemeral_bytes=disk.request,
        ephemeral_limit_bytes=disk.limit,
    )
    return resources, notes


def _least(most: int, bound: int | None) -> int:
    return most if bound is None else min(most, bound)
