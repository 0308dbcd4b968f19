"""Converts homes and shared folders in values of Zero to JupyterHub to settings for servers and kernels."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.yamlfile import Keys
from kernelpod.homes.volumes import Homes
from kernelpod.importers.hub.templates import Slugs
from kernelpod.importers.hub.volumes import (
    STORAGE,
    OldMount,
    OldVolume,
    mounts_of,
    refused,
    report_volumes,
    shared_mount,
    volumes_of,
)
from kernelpod.importers.moves import Values

_KERNEL_PATH = re.compile(r"KERNEL_PATH=[\"']?(?P<path>[^\"'\s]+)")
_USER = re.compile(r"\$(\{JUPYTERHUB_USER\}|\(JUPYTERHUB_USER\)|JUPYTERHUB_USER\b)")
_USERNAME = "{username}"
_GENERATED = "of `kernelpod hub values`"
# The names of the home's volume in the chart's own values, and of the claim of each user's server.
_HOME_VOLUME = "home"
_CLAIM = "claim-{username}{servername}"
# An export, as the option --nfs names it.
_EXPORT = re.compile(r"(?P<server>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<root>/.*)\Z")


@dataclass
class _Homes:
    """What is known of homes, while the values are read."""

    values: Values
    slugs: Slugs
    nfs: str
    made: dict[str, Any] = field(default_factory=dict)
    mounts: list[dict[str, Any]] = field(default_factory=list)
    old_place: str = ""
    """Where they were mounted, if that differs by user."""

    @property
    def place(self) -> str:
        return str(self.made.get("mount_path") or Homes().mount_path)


def homes_of(values: Values, version: str = "", nfs: str = "") -> dict[str, Any]:
    """Take homes and mounts out of the values; return them as settings: `homes`, `mounts`.

    `version` is the version of the chart that ran with these values. `nfs` is the folder on a server,
    `SERVER:/FOLDER`, where a storage class makes the claims of users. What would move homes is asked.
    """
    homes = _Homes(values, Slugs(values, version), nfs)
    before = len(values.made.notes)
    _mount_path(homes)
    homes.made |= _kernel_path(values)
    volumes = volumes_of(values)
    kind, static = values.get((*STORAGE, "type")), values.section((*STORAGE, "static"))
    if kind == "static" and _HOME_VOLUME not in volumes:
        claim = str(static.get("pvcName") or "")
        volumes[_HOME_VOLUME] = OldVolume((), {"root": f"/{claim}", "volume": {"kind": "pvc", "claim": claim}})
    others = _own_home(homes, mounts_of(values, volumes))
    _storage(homes)
    _only_valid(homes, before)
    for mount in others:
        _share(homes, mount)
    report_volumes(values, volumes)
    if slug := homes.slugs.chosen():
        homes.made["slug"] = slug
    return {key: value for key, value in (("homes", homes.made), ("mounts", homes.mounts)) if value}


def _only_valid(homes: _Homes, before: int) -> None:
    """Take back what was made of the values since so many notes, if the settings cannot have such homes."""
    try:
        Homes.model_validate(homes.made)
    except ValidationError:
        made = homes.values.made
        made.take_back(before, "it does not give valid homes for the settings; write them yourself")
        made.ask("homes-move", STORAGE, "the homes are not in the settings, which would have their usual ones")
        homes.made = {}


def _mount_path(homes: _Homes) -> None:
    keys = (*STORAGE, "homeMountPath")
    if not homes.values.has(keys):
        return
    place = homes.values.pop(keys)
    if isinstance(place, str) and "{" not in place:
        homes.made["mount_path"] = place.rstrip("/")
        homes.values.note(keys, "changed", "it is homes.mount_path of the settings")
    elif isinstance(place, str):
        homes.old_place = place.rstrip("/")
        homes.values.note(
            keys, "dropped", f"it differs by user, and homes.mount_path does not: {Homes().mount_path}"
        )
        homes.values.made.ask("homes-move", keys, f"all homes would be mounted at {Homes().mount_path}")
    else:
        homes.values.note(keys, "dropped", "it is not a path")


def _kernel_path(values: Values) -> dict[str, Any]:
    """Take the command and KERNEL_PATH; return root and template of homes if they contain them."""
    made: dict[str, Any] = {}
    said_command = values.has("singleuser.cmd")
    command = values.pop("singleuser.cmd")
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
    found = _KERNEL_PATH.search(text)
    if found and (made := _split(found["path"])):
        why = f"homes.root of the settings is {made['root']}; the values of kernelpod set KERNEL_PATH"
        values.note("singleuser.cmd", "changed", why)
    elif found:
        values.note("singleuser.cmd", "dropped", "KERNEL_PATH does not contain the user name: set homes.root")
    elif said_command:
        values.note("singleuser.cmd", "dropped", f"it would replace the command {_GENERATED}")
    keys = ("singleuser", "extraEnv", "KERNEL_PATH")
    if not values.has(keys):
        return made
    path = values.pop(keys)
    said = _split(path) if isinstance(path, str) else {}
    why = f"homes.root of the settings is {said['root']}" if said else "set homes.root of the settings"
    values.note(keys, "changed" if said else "dropped", f"{why}; kernelpod sets it")
    return made or said


def _split(path: str) -> dict[str, Any]:
    """Return root and template of a home whose path contains the user name; empty for other paths."""
    named = _USER.sub(_USERNAME, path)
    words = named.split("/")
    first = next((number for number, word in enumerate(words) if _USERNAME in word), 0)
    made = {"root": "/".join(words[:first]), "path_template": "/".join(words[first:])}
    try:
        Homes.model_validate(made)
    except ValidationError:
        return {}
    return made if first and "$" not in named else {}


def _own_home(homes: _Homes, mounts: list[OldMount]) -> list[OldMount]:
    """Take the mount at the home's path; return the others."""
    for mount in mounts:
        if mount.place not in (homes.place, homes.old_place):
            continue
        keys = mount.part.keys
        mount.volume.used = mount.volume.made["volume"]["kind"] in ("pvc", "nfs")
        claim = mount.volume.made["volume"].get("claim", "")
        if "{" in claim:
            said = _own_claims(homes, homes.slugs.claim(claim, keys))
            homes.values.made.note(keys, "changed", "each user's claim is homes.volume of the settings now")
            homes.values.made.note(keys, "warning", f"a claim for each user: {said}")
            return [one for one in mounts if one is not mount]
        template = mount.below or _USERNAME
        if not mount.below:
            homes.values.made.ask(
                "homes-move", keys, "everybody's home was the whole volume; each would be a folder"
            )
        if mount.read_only:
            homes.values.made.ask("writable", keys, "homes were read-only, and they would be writable")
        if claim:
            _claim(homes, keys, claim, template)
        elif "root" in mount.volume.made:
            homes.made |= {**mount.volume.made, "path_template": homes.slugs.template(template, keys)}
            homes.values.made.note(keys, "changed", "it is homes of the settings now")
        else:
            homes.values.made.note(keys, "dropped", "homes are on NFS or on claims")
        return [one for one in mounts if one is not mount]
    return mounts


def _storage(homes: _Homes) -> None:
    values, key = homes.values, (*STORAGE, "type")
    said = values.has(key)
    kind = values.pop(key)
    found = "volume" in homes.made
    if kind == "static":
        static = (*STORAGE, "static")
        values.note(key, "changed", f"it is none now: the volumes {_GENERATED} contain the home")
        claim, below = values.pop((*static, "pvcName")), values.pop((*static, "subPath"))
        if not found:
            _claim(homes, static, str(claim or ""), str(below or _USERNAME).strip("/"))
    elif kind == "dynamic" or (kind is None and not found):
        _dynamic(homes, key if said else None)
    elif str(kind).lower() == "none":
        if not homes.made.keys() & {"volume", "root"}:
            homes.made["volume"] = {"kind": "none"}
        values.note(
            key, "changed", f"it is none in the values {_GENERATED}, too; see homes.volume of the settings"
        )
    elif said:
        values.note(key, "dropped", f"it is none now: the volumes {_GENERATED} contain the home")
    for beside in ("dynamic", "static", "capacity"):
        values.drop((*STORAGE, beside), "the settings have one claim or NFS folder for all homes")


def _dynamic(homes: _Homes, keys: Keys | None) -> None:
    """Take claims of each user. Kernels reach them only as folders of an NFS server, or in the hub's namespace."""
    values = homes.values
    below: Keys = (*STORAGE, "dynamic")
    claims = {}
    for old, new in (((*STORAGE, "capacity"), "size"), ((*below, "storageClass"), "storage_class")):
        if isinstance(values.get(old), str):
            claims[new] = values.drop(old, f"it is homes.claims.{new} of the settings now", "changed")
    template = (*below, "pvcNameTemplate")
    named = values.get(template)
    claim = homes.slugs.claim(named if isinstance(named, str) else _CLAIM, keys or STORAGE)
    values.drop(template, "it is homes.volume.claim of the settings now", "changed")
    for key in ("volumeNameTemplate", "storageAccessModes"):
        values.drop((*below, key), "the volume's name says nothing; claims are for several pods (ReadWriteMany)")
    said = _own_claims(homes, claim)
    if claims:
        homes.made["claims"] = claims
    if keys:
        values.made.note(keys, "changed", "each user's claim is homes.volume of the settings now")
    values.made.note(keys or STORAGE, "warning", f"a claim for each user, as the chart makes: {said}")


def _own_claims(homes: _Homes, claim: str) -> str:
    """Set a claim for each user as the volume of homes; return what that needs."""
    if export := _EXPORT.match(homes.nfs):
        homes.made["volume"] = {"kind": "dynamic", "claim": claim, "server": export["server"].strip("[]")}
        homes.made["root"] = export["root"]
        return "kernels mount the folders of the claims by NFS"
    homes.made["volume"] = {"kind": "pvc", "claim": claim}
    return (
        "kernels must run in the hub's namespace, and the storage class must make claims for several pods; "
        "if its claims are folders of an NFS server, say --nfs SERVER:/FOLDER instead"
    )


def _claim(homes: _Homes, keys: Keys, claim: str, template: str) -> None:
    """Set a claim as the volume of all homes. Only KERNEL_PATH shows which NFS folder is its root."""
    values, made = homes.values, homes.made
    whole = posixpath.join(made.get("root", ""), made.get("path_template", ""))
    if not whole:
        why = f"the NFS folder of the claim is unknown: homes.root is {Homes().root}"
        values.made.note(keys, "warning", why)
    elif whole.endswith(f"/{template}"):
        made["root"] = whole.removesuffix(f"/{template}")
    else:
        values.made.note(keys, "warning", "servers and kernels had different homes; now both have the server's")
    made |= {"path_template": homes.slugs.template(template, keys), "volume": {"kind": "pvc", "claim": claim}}
    values.made.note(keys, "changed", f"homes of the settings are {template} on the claim {claim}")


def _share(homes: _Homes, mount: OldMount) -> None:
    claim = mount.volume.made["volume"].get("claim")
    if claim and claim == homes.made.get("volume", {}).get("claim"):
        # Another folder of the volume with the homes.
        mount.volume.made["root"] = homes.made.get("root", Homes().root)
    template = homes.slugs.template(mount.below, mount.part.keys) if mount.below else ""
    made = shared_mount(mount, template, homes.mounts)
    if made and (why := refused(homes.made, made)):
        mount.part.note("", "dropped", why)
    elif made:
        homes.mounts.append(made)
        mount.volume.used = True
        mount.part.note("", "changed", f"it is mounts[].{made['name']} of the settings now, also for kernels")
    else:
        why = "another mount has the same mountPath, or a path is invalid; see mounts of the settings"
        mount.part.note("", "dropped", why)
    mount.part.drop("mounts of the settings have a path, mount_path and read_only")
