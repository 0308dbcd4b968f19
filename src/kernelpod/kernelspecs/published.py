"""The published kernelspecs of a gateway, which are read again when a file changes."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import NamedTuple

from kernelpod.errors import NotFound, StartFailed
from kernelpod.kernelspecs.model import SPEC_NAME, KernelSpec, image_is_allowed, read_folder
from kernelpod.kernelspecs.resources import excesses
from kernelpod.settings.culling import NO_CULLING, Culling
from kernelpod.settings.kernels import Kernelspecs

log = logging.getLogger(__name__)


class _State(NamedTuple):
    """A fingerprint of the folder: the release, and the stamps of each kernelspec's kernel.json and folder."""

    root: Path
    specs: tuple[tuple[str, ...], ...]


class PublishedKernelspecs:
    """The kernelspecs of one folder. Invalid kernelspecs are logged and not listed."""

    def __init__(self, settings: Kernelspecs, culling: Culling = NO_CULLING) -> None:
        self._settings, self._culling = settings, culling
        self._looked_at = float("-inf")
        self._state: _State | None = None
        self._specs: dict[str, KernelSpec] = {}
        self._findings: dict[str, str] = {}

    def all(self) -> dict[str, KernelSpec]:
        """Return all valid kernelspecs and profiles by address. Empty if the folder cannot be read."""
        now = time.monotonic()
        if now - self._looked_at >= self._settings.refresh_seconds:
            self._looked_at = now
            self._refresh()
        return self._specs

    def get(self, spec: str, profile: str) -> KernelSpec:
        """Return the kernelspec or profile of this name.

        Raises NotFound if there is none, and StartFailed (kernelspec_unusable) if its kernel.json is invalid.
        """
        address = f"{spec}.{profile}" if profile else spec
        if found := self.all().get(address):
            return found
        if finding := self._findings.get(spec):
            raise StartFailed("kernelspec_unusable", f"The kernelspec {spec!r} cannot be used: {finding}")
        raise NotFound(
            "kernelspec_not_found",
            f"There is no kernelspec {address[:100]!r}. Reload the page to update the list of kernels.",
        )

    def still(self, spec: str, profile: str) -> KernelSpec | None:
        """Return a running kernel's kernelspec as it is published now, or None if it cannot be read now.

        Raises NotFound if it has been removed. A broken kernel.json, or a folder that cannot be read, is a fault
        of the moment and not a removal.
        """
        try:
            return self.get(spec, profile)
        except StartFailed:
            return None
        except NotFound:
            if self._specs:
                raise
            return None

    def _refresh(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state, self._specs, self._findings = state, {}, {}
        for name, *_ in state.specs:
            try:
                variants = read_folder(state.root / name)
                self._check(variants)
            except ValueError as error:
                self._findings[name] = str(error)
                log.warning("kernelspec %s is not listed: %s", name, error)
            else:
                self._specs.update({variant.address: variant for variant in variants})
        log.info("kernelspecs in %s: %s", self._settings.path, ", ".join(self._specs) or "none")

    def _check(self, variants: tuple[KernelSpec, ...]) -> None:
        for spec in variants:
            if not image_is_allowed(spec.image, self._settings.allowed_images):
                raise ValueError(f"the image {spec.image} is not among kernelspecs.allowed_images")
            if spec.service_account and spec.service_account not in self._settings.service_accounts:
                raise ValueError(f"{spec.service_account} is not among kernelspecs.service_accounts")
            for excess in excesses(spec.resources, self._settings.bounds, wishes=True):
                said = f"{excess.given} {excess.resource} in {spec.address}"
                raise ValueError(f"{said} is over kernelspecs.bounds, {excess.bound}")
            if contradiction := self._culling.contradiction(spec.cull_idle_seconds):
                raise ValueError(f"cull_idle_seconds of {spec.address}: {contradiction}")

    def _look(self) -> _State:
        state = []
        # The link is followed only once, so that a listing never mixes two releases.
        root = Path(os.path.realpath(self._settings.path))
        try:
            for folder in sorted(root.iterdir()):
                file = folder / "kernel.json"
                if (SPEC_NAME.match(folder.name) or file.is_file()) and not folder.name.startswith("."):
                    state.append((folder.name, _stamp(file), _stamp(folder)))
        except OSError as error:
            log.error("kernelspecs cannot be listed: %s", error)
        return _State(root, tuple(state))


def _stamp(path: Path) -> str:
    """Return a text that changes with a file's content or a folder's entries. Empty if there is no such path."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ""
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
