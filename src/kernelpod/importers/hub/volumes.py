"""Converts volumes of servers to volumes of the settings, and their mounts to homes and shared mounts."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.yamlfile import Keys
from kernelpod.homes.volumes import COURSE_MOUNTS, SharedMount
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Part

STORAGE: Keys = ("singleuser", "storage")
_OWN = "it is a volume of each pod; kernels and servers would not share it"
_AS_A_WHOLE = "ConfigMaps and Secrets are mounted as a whole, in servers and kernels"
# What no mount of the settings has.
_NO_SUCH_MOUNT = {
    "subPathExpr": "the folder depends on the pod; without it everybody would see the whole volume",
}


@dataclass
class OldVolume:
    """A volume of the source, as the settings have it."""

    keys: Keys
    made: dict[str, Any] = field(default_factory=dict)
    """`root`, if the volume has folders, and `volume`; empty if the settings cannot have it."""
    read_only: bool = False
    why: str = ""
    """Why it cannot be taken."""
    used: bool = False


@dataclass
class OldMount:
    """A mount of the source."""

    part: Part
    volume: OldVolume
    place: str
    """Its path in servers."""
    below: str
    """Its path on the volume; empty for the whole volume."""
    read_only: bool


def volumes_of(values: Values) -> dict[str, OldVolume]:
    """Take `extraVolumes`; return them by their names."""
    found: dict[str, OldVolume] = {}
    for part in _parts(values, "extraVolumes"):
        name, volume = part.text("name"), _volume(part)
        found[name] = volume
    return found


def mounts_of(values: Values, volumes: dict[str, OldVolume]) -> list[OldMount]:
    """Take `extraVolumeMounts` whose volumes are known; report the others as dropped."""
    found = []
    for part in _parts(values, "extraVolumeMounts"):
        volume = volumes.get(part.text("name"), OldVolume((), why="it mounts a volume that is not there"))
        place, below = part.text("mountPath").rstrip("/"), part.text("subPath").strip("/")
        read_only = bool(part.flag("readOnly")) or volume.read_only
        unlike = next((why for key, why in _NO_SUCH_MOUNT.items() if key in part), "")
        if below and volume.made and "root" not in volume.made:
            unlike = _AS_A_WHOLE
        if why := volume.why or unlike:
            part.note("", "dropped", why)
            continue
        volume.used = True
        if part.text("mountPropagation") not in ("", "None"):
            part.note("mountPropagation", "dropped", "what the node mounts there later is not seen")
        found.append(OldMount(part, volume, place, below, read_only))
    return found


def report_volumes(values: Values, volumes: dict[str, OldVolume]) -> None:
    """Say of each volume what became of it."""
    for volume in volumes.values():
        if not volume.keys:
            continue
        if volume.why:
            values.made.note(volume.keys, "dropped", volume.why)
        elif not volume.used:
            values.made.note(volume.keys, "dropped", "nothing that is taken mounts it")
        else:
            values.made.note(volume.keys, "changed", "see the notes on its mounts")


def shared_mount(mount: OldMount, template: str, others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a mount of the settings; empty if its path is invalid or used by another mount."""
    words = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(mount.place).lower()).strip("-")[:20].strip("-")
    taken = {"home", "connection", "shm", *(one["name"] for one in others)}
    name = words if words[:1].isalpha() else f"m-{words}".strip("-")
    if name in taken or name.startswith(COURSE_MOUNTS):
        name = f"mount-{len(others) + 1}"
    made: dict[str, Any] = {"name": name, **mount.volume.made, "mount_path": mount.place}
    made["read_only"] = mount.read_only
    if template:
        made["path_template"] = template
    try:
        SharedMount.model_validate(made)
    except ValidationError:
        return {}
    return {} if mount.place in [one["mount_path"] for one in others] else made


def _parts(values: Values, key: str) -> list[Part]:
    """Take a list of mappings, or since chart 4.0 also a mapping of them."""
    keys = (*STORAGE, key)
    given, began = values.pop(keys), values.came_from(keys)
    if given is not None and not isinstance(given, (dict, list)):
        values.note(keys, "dropped", "a list was expected here")
        return []
    if given is not None and not given:
        values.note(keys, "dropped", "it is empty")
    pairs = given.items() if isinstance(given, dict) else enumerate(given or [])
    parts = [Part(values.made, (*began, number), one) for number, one in pairs]
    for part in parts:
        if not part:
            part.note("", "dropped", "a mapping of keys was expected here")
    return [part for part in parts if part]


def _volume(part: Part) -> OldVolume:
    volume = OldVolume(part.keys)
    if "nfs" in part:
        _nfs(part.section("nfs"), volume)
    elif "persistentVolumeClaim" in part:
        claim = part.section("persistentVolumeClaim")
        name = claim.text("claimName")
        volume.read_only = bool(claim.flag("readOnly"))
        volume.made = {"root": f"/{name}", "volume": {"kind": "pvc", "claim": name}}
        claim.drop("claims are mounted with a folder and read_only")
    elif "configMap" in part:
        _object(part.section("configMap"), volume, "config_map", "name")
    elif "secret" in part:
        _object(part.section("secret"), volume, "secret", "secretName")
    elif "csi" in part:
        _csi(part.section("csi"), volume)
    elif "emptyDir" in part or "ephemeral" in part:
        volume.why = _OWN
    else:
        volume.why = "the settings take NFS folders, claims, ConfigMaps, Secrets and inline CSI volumes"
    return volume


def _nfs(nfs: Part, volume: OldVolume) -> None:
    root, server = posixpath.normpath(nfs.text("path") or "/"), nfs.text("server")
    volume.read_only = bool(nfs.flag("readOnly"))
    volume.made = {"root": root, "volume": {"kind": "nfs", "server": server}}
    nfs.drop("NFS volumes have only server, path and readOnly")


def _object(part: Part, volume: OldVolume, kind: str, key: str) -> None:
    volume.made = {"volume": {"kind": kind, "object": part.text(key)}}
    volume.read_only = True
    if "items" in part:
        part.take("items")
        volume.made, volume.why = {}, f"it has only some of the keys, and {_AS_A_WHOLE}"
    if part.flag("optional"):
        part.note("optional", "dropped", "without this object no server and no kernel starts")
    part.drop("files have Kubernetes' usual mode")


def _csi(part: Part, volume: OldVolume) -> None:
    secret = part.section("nodePublishSecretRef")
    volume.made = {
        "volume": {
            "kind": "csi",
            "driver": part.text("driver"),
            "attributes": {key: str(value) for key, value in (part.take("volumeAttributes") or {}).items()},
            "publish_secret": secret.text("name"),
        }
    }
    volume.read_only = bool(part.flag("readOnly"))
    secret.drop("a Secret has a name only")
    part.drop("inline CSI volumes have driver, volumeAttributes, readOnly and nodePublishSecretRef")
