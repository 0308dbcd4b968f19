"""Converts the user and group ids of servers to those of the settings, for servers and kernels."""

from __future__ import annotations

from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values

_CONTEXTS = [
    ("hub", "config", kind, f"{of}_security_context")
    for of in ("container", "pod")
    for kind in ("KubeSpawner", "Spawner")
]
# Where ids of servers are, by the setting that has them now. The first one counts.
_IDS: dict[str, list[Keys]] = {
    "uid": [
        *((*one, name) for one in _CONTEXTS[:2] for name in ("runAsUser", "run_as_user")),
        ("singleuser", "uid"),
        *((*one, name) for one in _CONTEXTS[2:] for name in ("runAsUser", "run_as_user")),
    ],
    "gid": [
        *((*one, name) for one in _CONTEXTS[:2] for name in ("runAsGroup", "run_as_group")),
        *(("hub", "config", kind, "gid") for kind in ("KubeSpawner", "Spawner")),
        *((*one, name) for one in _CONTEXTS[2:] for name in ("runAsGroup", "run_as_group")),
        ("singleuser", "fsGid"),
    ],
}


def take_ids(values: Values) -> dict[str, Any]:
    """Take the ids of servers. Those of the container count before those of the pod."""
    policy: dict[str, int] = {}
    for new, places in _IDS.items():
        for keys in places:
            number = values.get(keys)
            if (
                new not in policy
                and isinstance(number, int)
                and not isinstance(number, bool)
                and 0 < number < 2**31
            ):
                values.drop(keys, f"it is policy.{new} of the settings now, for servers and kernels", "changed")
                policy[new] = number
            else:
                values.drop(keys, f"policy.{new} of the settings is used for servers and kernels")
    return {"policy": policy} if policy else {}
