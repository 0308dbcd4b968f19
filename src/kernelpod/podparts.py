"""Parts of pods that kernels and servers have in common: what a mount is there, what a container may not do."""

from __future__ import annotations

from typing import Any

from kernelpod.mounts import Mount


def literal(text: str) -> str:
    """Return `text` so that kubelet, for whom "$$" is "$", expands no "$(NAME)" in it.

    Every "$" is doubled: of "$$$(NAME)" the first two would be one "$", and the rest a variable.
    Source: Kubernetes API, Container.command; k8s.io/kubernetes/third_party/forked/golang/expansion.
    """
    return text.replace("$", "$$")


def no_privileges() -> dict[str, Any]:
    """Return a container's security context without any privilege; a new one each time."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def volume(mount: Mount) -> dict[str, Any]:
    """Return the volume of a mount; of a claim it is the whole claim."""
    if mount.volume.kind == "nfs":
        nfs = {"server": mount.volume.server, "path": mount.path, "readOnly": mount.read_only}
        return {"name": mount.name, "nfs": nfs}
    return {
        "name": mount.name,
        "persistentVolumeClaim": {"claimName": mount.volume.claim, "readOnly": mount.read_only},
    }


def volume_mount(mount: Mount) -> dict[str, Any]:
    """Return where a container sees a mount; of a claim, the part that the mount is."""
    made: dict[str, Any] = {"name": mount.name, "mountPath": mount.mount_path, "readOnly": mount.read_only}
    if mount.volume.kind == "pvc" and mount.sub_path:
        made["subPath"] = mount.sub_path
    return made
