"""Reads all kernelspecs of a folder, and lists their images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.linting.lint import spec_folders
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.kernelspecs.stock.form import read_any


def read_all(folder: Path) -> list[KernelSpec]:
    """Return all kernelspecs and profiles of a folder, both our own and built for a stock gateway.

    Raises KernelpodError.
    """
    found: list[KernelSpec] = []
    for path in spec_folders(folder):
        try:
            found += read_any(path)
        except ValueError as error:
            raise KernelpodError(f"{path.name}: {error}") from error
    return found


def images_of(specs: Iterable[KernelSpec]) -> list[str]:
    """Return the images of kernelspecs, sorted and each once."""
    return sorted({spec.image for spec in specs})
