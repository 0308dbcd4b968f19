"""Reads what KubeSpawner mounted for a user: its volumes, their mounts, and its placeholders."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from kernelpod.base.names import former_user_slug, user_slug
from kernelpod.importers.preview.rows import with_rights
from kernelpod.importers.version import is_before

_UNKNOWN = "(not known)"
# The first chart whose {username} is another one.
_SAFE_SINCE = (4, 0)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Names:
    """Fills in the placeholders of KubeSpawner for a user."""

    def __init__(self, version: str, user: str) -> None:
        """`version` is that of the chart, which KubeSpawner came with; empty if it is not known."""
        former = is_before(version, _SAFE_SINCE)
        usual = user_slug(user) if former is False else former_user_slug(user)
        unknown = f"{usual} or {user_slug(user)}" if former is None and usual != user_slug(user) else usual
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
        return _PLACEHOLDER.sub(lambda found: self.values.get(found[1], found[0]), template)


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
    return (_spelled(one) for one in listed if isinstance(one, dict))


def _spelled(value: dict[str, Any]) -> dict[str, Any]:
    """Return a volume or a mount in the spelling of Kubernetes; KubeSpawner takes that of Python, too."""
    return {
        re.sub(r"_([a-z])", lambda found: found[1].upper(), str(key)): _spelled(one)
        if isinstance(one, dict)
        else one
        for key, one in value.items()
    }


def at(values: Any, *path: str) -> Any:
    """Return a value by its keys; None if there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values
