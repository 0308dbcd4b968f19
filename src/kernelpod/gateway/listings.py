"""Caches the list of kernelspecs as JSON, once for all callers who see the same kernelspecs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from kernelpod.kernelspecs.model import KernelSpec

MOST = 1000


class Listings:
    """Response bodies by the groups, bounds and course that they depend on; at most 1000 are kept."""

    def __init__(self) -> None:
        self._specs: Mapping[str, KernelSpec] = {}
        self._bodies: dict[Hashable, str] = {}

    def body(self, specs: Mapping[str, KernelSpec], may: Hashable, make: Callable[[], str]) -> str:
        """Return the body for callers with these rights; `specs` is the same object until a kernelspec changes."""
        if specs is not self._specs or len(self._bodies) >= MOST:
            self._specs, self._bodies = specs, {}
        if may not in self._bodies:
            self._bodies[may] = make()
        return self._bodies[may]
