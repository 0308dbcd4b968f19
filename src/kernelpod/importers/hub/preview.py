"""Shows what a user has before and after an import, side by side.

What was is read from the source by itself, and not from what the import made of it: a mistake of the import shows.
"""

from __future__ import annotations

import posixpath
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from kernelpod.base.merging import merged
from kernelpod.base.names import former_user_slug, user_slug
from kernelpod.findings.secrets import is_secret
from kernelpod.homes.mounts import Mount, mounts_for
from kernelpod.importers.helm.files import HelmValues
from kernelpod.importers.hub.secrets import SECRETS, VALUES
from kernelpod.importers.report import Imported
from kernelpod.settings.sections import Settings

_UNKNOWN = "(not known)"
# What the chart sets where the values say nothing.
_HOME, _GUARANTEE, _PAGE = "/home/jovyan", "1G", "(of the image)"
_AMOUNTS = (("memory", "memory of a server"), ("cpu", "CPU of a server"))


class Row(NamedTuple):
    """One thing that a user sees."""

    what: str
    before: str
    after: str


def preview(given: HelmValues, made: Imported, version: str, user: str) -> list[Row]:
    """Return what a user sees of both hubs; `version` is the version of the old hub's chart, empty if unknown."""
    values, secrets = (yaml.safe_load(made.files.get(name, b"")) or {} for name in (VALUES, SECRETS))
    values = merged(values, secrets)
    settings = Settings.model_validate(yaml.safe_load(made.files.get("settings.yaml", b"{}")))
    old = _old_mounts(given.tree.data, version or given.version, user)
    new = {mount.mount_path: _shown(mount) for mount in mounts_for(settings, "hub", user, ()).all()}
    home = settings.homes.mount_path
    places = [home, *sorted((old.keys() | new.keys()) - {home})]
    rows = [Row(place, old.get(place, "-"), new.get(place, "-")) for place in places]
    for key, what in _AMOUNTS:
        usual = _GUARANTEE if key == "memory" else "-"
        rows.append(Row(what, _amount(given.tree.data, key, usual), _amount(values, key, usual)))
    page = [_page(one) for one in (given.tree.data, values)]
    rows.append(Row("first page", *page))
    rows.append(Row("kernels run in", "the server", "pods of their own, with the same home and mounts"))
    return rows


def _old_mounts(values: Any, version: str, user: str) -> dict[str, str]:
    """Return what the old hub mounted, by its place in servers."""
    storage = _at(values, "singleuser", "storage")
    volumes = {str(one.get("name")): one for one in _items(storage, "extraVolumes")}
    names = _Names(version, user)
    home = names.path(str(_at(storage, "homeMountPath") or _HOME))
    kind = str(_at(storage, "type") or "dynamic")
    found: dict[str, str] = {}
    if kind == "static":
        below = names.path(str(_at(storage, "static", "subPath") or "{username}"))
        found[home] = posixpath.join(f"claim {_at(storage, 'static', 'pvcName')}", below)
        volumes.setdefault("home", {"persistentVolumeClaim": {"claimName": _at(storage, "static", "pvcName")}})
    elif kind == "dynamic":
        template = str(_at(storage, "dynamic", "pvcNameTemplate") or "claim-{username}")
        found[home] = f"claim {names.path(template)}"
    for mount in _items(storage, "extraVolumeMounts"):
        volume = volumes.get(str(mount.get("name")), {})
        place = names.path(str(mount.get("mountPath"))).rstrip("/")
        below = names.path(str(mount.get("subPath") or mount.get("subPathExpr") or ""))
        source = posixpath.join(_source(volume), below).rstrip("/")
        inner = next((one for one in volume.values() if isinstance(one, dict)), {})
        read_only = mount.get("readOnly") or inner.get("readOnly") or {"configMap", "secret"} & volume.keys()
        found.setdefault(place, f"{source} (read-only)" if read_only else source)
    return found


class _Names:
    """Fills in the placeholders of KubeSpawner."""

    def __init__(self, version: str, user: str) -> None:
        major = int(version.lstrip("v").split(".")[0]) if version.lstrip("v")[:1].isdigit() else 0
        usual = user_slug(user) if major >= 4 else former_user_slug(user)
        unknown = f"{usual} or {user_slug(user)}" if not major and usual != user_slug(user) else usual
        self._values = {
            "username": unknown,
            "escaped_username": former_user_slug(user),
            "safe_username": user_slug(user),
            "unescaped_username": user,
            "user_server": unknown,
            "servername": "",
        }

    def path(self, template: str) -> str:
        try:
            return string.Formatter().vformat(template, (), self._values)
        except (LookupError, ValueError, AttributeError):
            return template


def _source(volume: dict[str, Any]) -> str:
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


def _shown(mount: Mount) -> str:
    volume, read_only = mount.volume, " (read-only)" if mount.read_only else ""
    source = {
        "nfs": f"{volume.server}:{mount.path}",
        "pvc": posixpath.join(f"claim {volume.claim}", mount.sub_path),
        "dynamic": f"claim {volume.claim}",
        "config_map": f"ConfigMap {volume.object}",
        "secret": f"Secret {volume.object}",
        "csi": f"volume of {volume.driver}",
    }
    return source.get(volume.kind, "an empty folder").rstrip("/") + read_only


def _amount(values: Any, key: str, usual: str) -> str:
    least, most = (_at(values, "singleuser", key, one) for one in ("guarantee", "limit"))
    return f"{least or usual} to {most or 'no limit'}"


def _page(values: Any) -> str:
    page = str(_at(values, "singleuser", "defaultUrl") or _PAGE)
    return "(a secret is in it)" if is_secret("", page) else page


def _at(values: Any, *path: str) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _items(storage: Any, key: str) -> Iterator[dict[str, Any]]:
    given = _at(storage, key)
    listed = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    return (one for one in listed if isinstance(one, dict))
