"""The finished listing of kernelspecs: made once for all who see the same, until the kernelspecs change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

from kernelpod.kernelspecs.model import KernelSpec

MOST = 1000


class Listings:
    """Bodies of the listing's page by what the offer depends on; at most a thousand are kept."""

    def __init__(self) -> None:
        self._specs: Mapping[str, KernelSpec] = {}
        self._bodies: dict[Hashable, str] = {}

    def body(self, specs: Mapping[str, KernelSpec], may: Hashable, make: Callable[[], str]) -> str:
        """Return the body for who may have that; `specs` is the same object for as long as nothing changed."""
        if specs is not self._specs or len(self._bodies) >= MOST:
            self._specs, self._bodies = specs, {}
        if may not in self._bodies:
            self._bodies[may] = make()
        return self._bodies[may]
