"""Reads what KubeSpawner mounted for a user: its volumes, their mounts, and its placeholders."""

from __future__ import annotations

import posixpath
import string
from collections.abc import Iterator
from typing import Any

from kernelpod.base.names import former_user_slug, user_slug
from kernelpod.importers.preview.rows import with_rights

_UNKNOWN = "(not known)"


class Names:
    """Fills in the placeholders of KubeSpawner for a user."""

    def __init__(self, version: str, user: str) -> None:
        """`version` is that of the chart, which KubeSpawner came with; empty if it is not known."""
        major = int(version.lstrip("v").split(".")[0]) if version.lstrip("v")[:1].isdigit() else 0
        usual = user_slug(user) if major >= 4 else former_user_slug(user)
        unknown = f"{usual} or {user_slug(user)}" if not major and usual != user_slug(user) else usual
        self.values = {
            "username": unknown,
            "escaped_username": former_user_slug(user),
            "safe_username": user_slug(user),
            "unescaped_username": user,
            "user_server": unknown,
            "servername": "",
        }

    def path(self, template: str) -> str:
        """Return a template with the user's name."""
        try:
            return string.Formatter().vformat(template, (), self.values)
        except (LookupError, ValueError, AttributeError):
            return template


def mounted(volumes: dict[str, dict[str, Any]], mounts: Iterator[dict[str, Any]], names: Names) -> dict[str, str]:
    """Return what is mounted, by its place; of two at one place the first counts."""
    found: dict[str, str] = {}
    for mount in mounts:
        volume = volumes.get(str(mount.get("name")), {})
        place = names.path(str(mount.get("mountPath"))).rstrip("/")
        below = names.path(str(mount.get("subPath") or mount.get("subPathExpr") or ""))
        source = posixpath.join(names.path(source_of(volume)), below).rstrip("/")
        inner = next((one for one in volume.values() if isinstance(one, dict)), {})
        read_only = mount.get("readOnly") or inner.get("readOnly") or {"configMap", "secret"} & volume.keys()
        found.setdefault(place, with_rights(source, read_only))
    return found


def source_of(volume: dict[str, Any]) -> str:
    """Return what a volume of Kubernetes is."""
    nfs = volume.get("nfs")
    if isinstance(nfs, dict):
        return f"{nfs.get('server')}:{nfs.get('path')}"
    for key, name, word in (
        ("persistentVolumeClaim", "claimName", "claim"),
        ("configMap", "name", "ConfigMap"),
        ("secret", "secretName", "Secret"),
        ("csi", "driver", "volume of"),
    ):
        if isinstance(volume.get(key), dict):
            return f"{word} {volume[key].get(name)}"
    return next((key for key in volume if key != "name"), _UNKNOWN)


def by_name(volumes: Any) -> dict[str, dict[str, Any]]:
    """Return volumes by their names."""
    return {str(one.get("name")): one for one in items(volumes)}


def items(given: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a list, or of a mapping by any name."""
    listed = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    return (one for one in listed if isinstance(one, dict))


def at(values: Any, *path: str) -> Any:
    """Return a value by its keys; None if there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values
