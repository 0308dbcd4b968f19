"""The finished listing of kernelspecs: made once for each set of groups, until the kernelspecs change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kernelpod.kernelspecs.model import KernelSpec

MOST = 1000


class Listings:
    """Bodies of the listing's page by the groups of who asks; at most a thousand are kept."""

    def __init__(self) -> None:
        self._specs: Mapping[str, KernelSpec] = {}
        self._bodies: dict[tuple[str, ...], str] = {}

    def body(self, specs: Mapping[str, KernelSpec], groups: tuple[str, ...], make: Callable[[], str]) -> str:
        """Return the body for these groups; `specs` is the same object for as long as nothing changed."""
        if specs is not self._specs or len(self._bodies) >= MOST:
            self._specs, self._bodies = specs, {}
        if groups not in self._bodies:
            self._bodies[groups] = make()
        return self._bodies[groups]
