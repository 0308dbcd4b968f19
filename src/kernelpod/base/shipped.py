"""Finds files that are shipped with kernelpod, in the installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped(packaged: str, in_checkout: str) -> Path:
    """Return the path of a file or folder in the package if it exists there, else in the checkout."""
    inside = _PACKAGE / packaged
    return inside if inside.exists() else _PACKAGE.parents[1] / in_checkout


def launchers() -> Path:
    """Return the folder with the launchers for a stock gateway and their pod template."""
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
