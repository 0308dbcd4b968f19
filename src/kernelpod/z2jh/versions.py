"""Versions of Zero to JupyterHub's chart: what an older one cannot do, and what its values say instead."""

from __future__ import annotations

import re
from typing import Any

from kernelpod.errors import SettingsError

# The newest one that the values were checked against.
NEWEST = "4.4"
_OLDEST, _NAMES_AS_THE_GATEWAY_DOES = (3, 3), (4, 0)
_VERSION = re.compile(r"v?(\d+)\.(\d+)(\.\d+(-[\w.]+)?)?\Z", re.ASCII)
# Names that the KubeSpawner of older charts makes the same folder of as the gateway does.
PLAIN_NAMES = "^[a-z][a-z0-9]{0,47}$"


def config_for(version: str, *, courses: bool) -> dict[str, Any]:
    """Return what the hub's configuration must say beside the rest for a version of the chart, such as `4.4`.

    KubeSpawner before 7 names the home of `john.doe` in another way than the gateway: with charts before 4.0 only
    plain names may log in, else server and kernel would have different homes. Raises SettingsError for what is no
    version, a chart before 3.3, and courses with one before 4.0, whose hub lacks pydantic.
    """
    found = _VERSION.match(version)
    if found is None:
        raise SettingsError(f"chart version {version!r}: write one such as {NEWEST} or 4.0.0")
    number = (int(found[1]), int(found[2]))
    if number < _OLDEST:
        raise SettingsError(f"chart version {version}: the values need 3.3 or later")
    if number >= _NAMES_AS_THE_GATEWAY_DOES:
        return {}
    if courses:
        raise SettingsError(
            f"chart version {version}: courses need 4.0 or later; use a newer chart, or the hub of hub/manifests"
        )
    return {"Authenticator": {"username_pattern": PLAIN_NAMES}}
