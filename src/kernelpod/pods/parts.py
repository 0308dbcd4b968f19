"""Builds parts that pods of kernels and servers have in common: volumes, mounts and security contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernelpod.base.quantities import format_bytes
from kernelpod.homes.mounts import Mount
from kernelpod.homes.volumes import Volume

SHM = "shm"
# Readable by any user id, because all containers of a pod belong to its user.
_READABLE = 0o444


def literal(text: str) -> str:
    """Return `text` with every "$" doubled, so that kubelet does not expand "$(NAME)" in it.

    Kubelet replaces "$$" by "$". Doubling only the "$" before "(" would fail for a text such as "$$(NAME)".
    Source: Kubernetes API, Container.command; k8s.io/kubernetes/third_party/forked/golang/expansion.
    """
    return text.replace("$", "$$")


def no_privileges() -> dict[str, Any]:
    """Return a container's security context without privileges, as a new dict."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def restricted() -> dict[str, Any]:
    """Return a container's security context that Pod Security's `restricted` level accepts, as a new dict."""
    return {**no_privileges(), "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def shared_memory(size: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a memory volume of this size, and its mount at /dev/shm, which replaces the default of 64 MiB."""
    volume = {"name": SHM, "emptyDir": {"medium": "Memory", "sizeLimit": size}}
    return volume, {"name": SHM, "mountPath": "/dev/shm"}  # noqa: S108


def ephemeral_storage(amount: int) -> dict[str, str]:
    """Return the resource of this many bytes of the node's disk."""
    return {"ephemeral-storage": format_bytes(amount)}


def volumes(mounts: Sequence[Mount]) -> list[dict[str, Any]]:
    """Return the volumes of mounts. Each claim is listed once, as a whole.

    Kubelet identifies volumes by their source, not by their name. A pod that lists one claim twice never starts,
    because it waits for the second one.
    """
    of: dict[str, list[Mount]] = {}
    for mount, name in _with_volumes(mounts):
        of.setdefault(name, []).append(mount)
    return [_volume(name, same) for name, same in of.items()]


def _volume(name: str, mounts: list[Mount]) -> dict[str, Any]:
    volume, read_only = mounts[0].volume, all(mount.read_only for mount in mounts)
    match volume.kind:
        case "nfs":
            source = {"nfs": {"server": volume.server, "path": mounts[0].path, "readOnly": read_only}}
        case "none":
            source = {"emptyDir": {}}
        case "config_map":
            source = {"configMap": {"name": volume.object, "defaultMode": _READABLE}}
        case "secret":
            source = {"secret": {"secretName": volume.object, "defaultMode": _READABLE}}
        case "csi":
            source = {"csi": _csi(volume, read_only=read_only)}
        case "pvc" | "dynamic":
            source = {"persistentVolumeClaim": {"claimName": volume.claim, "readOnly": read_only}}
    return {"name": name, **source}


def _csi(volume: Volume, *, read_only: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"driver": volume.driver, "readOnly": read_only}
    if volume.attributes:
        made["volumeAttributes"] = dict(volume.attributes)
    if volume.publish_secret:
        made["nodePublishSecretRef"] = {"name": volume.publish_secret}
    return made


def volume_mounts(mounts: Sequence[Mount]) -> list[dict[str, Any]]:
    """Return the volume mounts of a container; a mount of a claim has the mount's path as its subPath."""
    found = []
    for mount, name in _with_volumes(mounts):
        made: dict[str, Any] = {"name": name, "mountPath": mount.mount_path, "readOnly": mount.read_only}
        if mount.volume.kind == "pvc" and mount.sub_path:
            made["subPath"] = mount.sub_path
        found.append(made)
    return found


def _with_volumes(mounts: Sequence[Mount]) -> list[tuple[Mount, str]]:
    """Return each mount with the name of its volume. Mounts of one claim share the name of the first of them."""
    names: dict[str, str] = {}
    return [
        (mount, names.setdefault(mount.volume.claim, mount.name) if mount.volume.kind == "pvc" else mount.name)
        for mount in mounts
    ]
