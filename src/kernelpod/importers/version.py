"""Reads the version of the chart that an old hub ran with."""

from __future__ import annotations

import re

# As `helm list` prints it, and as manifests name a range that is within one version: `jupyterhub-3.3.7`, `~3.3`.
_VERSION = re.compile(r"\s*(?:[a-z][a-z-]*-)?[~^=]?\s*v?(\d{1,4})(?:\.(\d{1,4}))?\b[^\s|,<>]*\s*\Z")


def number_of(version: str) -> tuple[int, int] | None:
    """Return the first two numbers of a chart's version; None if it is not known."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2] or 0)) if found else None


def is_before(version: str, first: tuple[int, int]) -> bool | None:
    """Return whether a version is older than another one; None if it is not known."""
    number = number_of(version)
    return None if number is None else number < first
