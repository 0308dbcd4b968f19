"""Files that come with kernelpod, in the installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped(packaged: str, in_checkout: str) -> Path:
    """Return a file or folder: where the package has it, else where a checkout has it."""
    inside = _PACKAGE / packaged
    return inside if inside.exists() else _PACKAGE.parents[1] / in_checkout


def launchers() -> Path:
    """Return the folder of the launchers for a stock gateway, and of their pod template."""
    return shipped("launchers", "launchers")


def kernelspecs() -> Path:
    """Return the folder of the kernelspecs."""
    return shipped("kernelspecs/shipped", "kernelspecs")


def chart() -> Path:
    """Return the gateway's Helm chart."""
    return shipped("deploy/chart", "charts/kernelpod")


def hub_manifests() -> Path:
    """Return the hub's manifests."""
    return shipped("deploy/manifests", "hub/manifests")
