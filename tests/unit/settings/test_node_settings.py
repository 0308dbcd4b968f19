"""Settings of what kernels and servers take of a node: its disk, its user ids."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from kernelpod.settings.runtimes import EphemeralStorage
from kernelpod.settings.sections import Settings

NONE = {"volume": {"kind": "none"}}
NFS = {"kind": "nfs", "server": "10.0.0.5"}


def test_a_request_of_disk_is_at_most_its_limit() -> None:
    EphemeralStorage.model_validate({"request": "1Gi", "limit": "1Gi"})
    with pytest.raises(ValidationError, match="request must be at most limit"):
        EphemeralStorage.model_validate({"request": "2Gi", "limit": "1Gi"})


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"homes": NONE}, ""),
        ({"homes": {"volume": {"kind": "pvc"}}}, ""),
        ({"homes": {"volume": NFS}}, "homes.volume is on NFS"),
        ({"homes": {"volume": {**NFS, "kind": "dynamic", "claim": "c-{username}"}}}, "homes.volume is on NFS"),
        ({"mounts": [{"name": "d", "root": "/d", "mount_path": "/d", "volume": NFS}]}, "mounts.d is on NFS"),
        ({"policy": {"uid": 65535}}, ""),
        ({"policy": {"gid": 65536}}, "ids must be at most 65535"),
        ({"policy": {"rules": [{"users": ["alice"], "uid": 70000}]}}, "ids must be at most 65535"),
        ({"hubs": [{"user_ids": "/etc/passwd"}]}, "a file of user ids"),
        ({"policy": {"rules": [{"users": ["a"], "supplemental_groups": [70000]}]}}, "ids must be at most 65535"),
    ],
)
def test_user_namespaces_are_refused_where_pods_would_not_start(sections: dict[str, Any], said: str) -> None:
    Settings.model_validate(sections)
    data = {**sections, "runtime": {"kubernetes": {"user_namespaces": True}}}
    if said:
        with pytest.raises(ValidationError, match=f"runtime.kubernetes.user_namespaces: .*{said}"):
            Settings.model_validate(data)
    else:
        Settings.model_validate(data)
