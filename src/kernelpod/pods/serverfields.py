"""Lists every field that a user's server pod has beyond KubeSpawner's own.

This is the only such list. The spawner adds it to its pod, and the values for Zero to JupyterHub are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kernelpod.homes.mounts import UserMounts
from kernelpod.pods import additions, server
from kernelpod.pods.parts import ephemeral_storage, restricted
from kernelpod.settings.sections import Settings


@dataclass(frozen=True)
class ServerFields:
    """Fields of a pod under their names in Kubernetes."""

    metadata: dict[str, Any]
    spec: dict[str, Any]
    """Of `initContainers`, the first creates the home; the others are the site's."""
    container: dict[str, Any]
    """Fields of the server's container."""


def server_fields(
    settings: Settings, mounts: UserMounts, ids: server.Ids, exchange: Sequence[str] = ()
) -> ServerFields:
    """Return the fields for a user with these mounts and ids; see `home_container` for `exchange`."""
    added, kubernetes = settings.pods.servers, settings.runtime.kubernetes
    disk = kubernetes.ephemeral_storage
    home = server.home_container(settings, mounts, ids, exchange)
    return ServerFields(
        metadata={"labels": dict(added.labels), "annotations": dict(added.annotations)},
        spec={
            "enableServiceLinks": False,
            "hostAliases": additions.host_aliases(added),
            **({"hostUsers": False} if kubernetes.user_namespaces else {}),
            "initContainers": [home, *additions.init_containers(added, ids.uid)],
            "securityContext": {
                "supplementalGroups": list(ids.groups),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "tolerations": additions.tolerations(added),
            "volumes": server.volumes(mounts),
        },
        container={
            "resources": {
                "requests": ephemeral_storage(disk.request),
                "limits": ephemeral_storage(disk.limit),
            },
            "securityContext": {**restricted(), "runAsUser": ids.uid, "runAsGroup": ids.gid},
            "volumeMounts": server.volume_mounts(mounts),
            "workingDir": mounts.home.mount_path,
        },
    )


def variables(settings: Settings) -> dict[str, str]:
    """Return the environment of servers in pods beyond that of all servers. An admin may set others."""
    return {"HOME": settings.homes.mount_path, "SHELL": "/bin/bash"}
