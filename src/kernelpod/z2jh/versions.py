"""Versions of Zero to JupyterHub's chart: limits of older versions, and the values for them."""

from __future__ import annotations

import re
from typing import Any

from kernelpod.errors import SettingsError

# The newest version that the values were checked with.
NEWEST = "4.4"
_OLDEST, _NAMES_AS_THE_GATEWAY_DOES, _VOLUMES_ARE_MAPS = (3, 3), (4, 0), (4, 3)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(\.\d+(-[\w.]+)?)?\Z", re.ASCII)
# User names for which the KubeSpawner of older charts and the gateway use the same folder.
PLAIN_NAMES = "^[a-z][a-z0-9]{0,47}$"


def takes_maps(version: str) -> bool:
    """Return whether the chart takes mappings of volumes in place of lists. Raises SettingsError."""
    return number_of(version) >= _VOLUMES_ARE_MAPS


def escaped_placeholder(version: str) -> str:
    """Return KubeSpawner's placeholder of a user's slug by the scheme "escape". Raises SettingsError."""
    return "{escaped_username}" if number_of(version) >= _NAMES_AS_THE_GATEWAY_DOES else "{username}"


def config_for(version: str, slug: str, *, courses: bool) -> dict[str, Any]:
    """Return the additional hub configuration for a version of the chart, such as `4.4`.

    KubeSpawner before 7 names the home folders of users such as `john.doe` by the scheme "escape" only. So with
    charts before 4.0 only plain names may log in, unless that is `homes.slug`. Raises SettingsError for an invalid
    version, a chart before 3.3, and courses with a chart before 4.0, whose hub lacks pydantic.
    """
    number = number_of(version)
    if number >= _NAMES_AS_THE_GATEWAY_DOES:
        return {}
    if courses:
        raise SettingsError(
            f"chart version {version}: courses need 4.0 or later; use a newer chart, or the hub of hub/manifests"
        )
    return {} if slug == "escape" else {"Authenticator": {"username_pattern": PLAIN_NAMES}}


def number_of(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version. Raises SettingsError for an invalid one, and one before 3.3."""
    found = _VERSION.match(version)
    if found is None:
        raise SettingsError(f"chart version {version!r}: write a version such as {NEWEST} or 4.0.0")
    number = (int(found[1]), int(found[2]))
    if number < _OLDEST:
        raise SettingsError(f"chart version {version}: the values need 3.3 or later")
    return number
