"""Converts volumes of servers to volumes of the settings, and their mounts to homes and shared mounts."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.sentences import sentences
from kernelpod.findings.yamlfile import Keys, leaves_of
from kernelpod.homes.volumes import COURSE_MOUNTS, SharedMount
from kernelpod.importers.moves import Values
from kernelpod.importers.readonly import is_read_only
from kernelpod.importers.report import Part
from kernelpod.settings.sections import Settings

STORAGE: Keys = ("singleuser", "storage")
_OWN = "it is a volume of each pod; kernels and servers would not share it"
_BY_USER = "its name or its attributes differ by user, and those of the settings do not"
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
    below: str = ""
    """What of its path differs by user, below `root`."""
    read_only: bool = False
    why: str = ""
    """Why it cannot be taken."""
    used: bool = False
    """Whether a mount of it is in the settings."""


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
        place = part.text("mountPath").rstrip("/")
        below = posixpath.join(volume.below, part.text("subPath").strip("/")).strip("/")
        read_only = is_read_only(part) or volume.read_only
        unlike = next((why for key, why in _NO_SUCH_MOUNT.items() if key in part), "")
        if below and volume.made and "root" not in volume.made:
            unlike = _AS_A_WHOLE
        if why := volume.why or unlike:
            part.note("", "dropped", why)
            continue
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


def split_path(path: str) -> tuple[str, str]:
    """Return the folder that is the same for all users, and the path below it from the first placeholder on."""
    words = posixpath.normpath(path).split("/")
    first = next((number for number, word in enumerate(words) if "{" in word), len(words))
    return "/".join(words[:first]) or "/", "/".join(words[first:])


def refused(homes: dict[str, Any], mount: dict[str, Any]) -> str:
    """Return why the settings take no such mount beside these homes; empty if they do."""
    try:
        Settings.model_validate({"homes": homes, "mounts": [mount]})
    except ValidationError as error:
        return sentences(error, Settings)[0].removeprefix(": ")
    return ""


def shared_mount(mount: OldMount, template: str, others: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a mount of the settings; empty if its path is invalid or used by another mount."""
    if "{" in mount.place:  # only the path on the volume may differ by user
        return {}
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
        volume.read_only = is_read_only(claim)
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
    root, volume.below = split_path(nfs.text("path") or "/")
    server = nfs.text("server")
    volume.read_only = is_read_only(nfs)
    volume.made = {"root": root, "volume": {"kind": "nfs", "server": server}}
    nfs.drop("NFS volumes have only server, path and readOnly")


def _object(part: Part, volume: OldVolume, kind: str, key: str) -> None:
    volume.made = {"volume": {"kind": kind, "object": part.text(key)}}
    volume.read_only = True
    _same_for_all(volume)
    if "items" in part:
        part.take("items")
        volume.made, volume.why = {}, f"it has only some of the keys, and {_AS_A_WHOLE}"
    if part.flag("optional"):
        part.note("optional", "dropped", "without this object no server and no kernel starts")
    part.drop("files have Kubernetes' usual mode")


def _same_for_all(volume: OldVolume) -> None:
    """Do not take a volume with placeholders: the settings would have them as they are written."""
    if any("{" in str(value) for _, value in leaves_of(volume.made) if value != {}):
        volume.made, volume.why = {}, _BY_USER


def _csi(part: Part, volume: OldVolume) -> None:
    secret, attributes = part.section("nodePublishSecretRef"), part.take("volumeAttributes")
    if not isinstance(attributes, dict):
        attributes = {}
    volume.made = {
        "volume": {
            "kind": "csi",
            "driver": part.text("driver"),
            "attributes": {key: str(value) for key, value in attributes.items()},
            "publish_secret": secret.text("name"),
        }
    }
    volume.read_only = is_read_only(part)
    _same_for_all(volume)
    secret.drop("a Secret has a name only")
    part.drop("inline CSI volumes have driver, volumeAttributes, readOnly and nodePublishSecretRef")
