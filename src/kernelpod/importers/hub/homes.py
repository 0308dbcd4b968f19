"""Converts homes and shared folders in values of Zero to JupyterHub to settings for servers and kernels."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.yamlfile import Keys
from kernelpod.homes.volumes import COURSE_MOUNTS, Homes, SharedMount
from kernelpod.importers.hub.moves import Values

_KERNEL_PATH = re.compile(r"KERNEL_PATH=[\"']?(?P<path>[^\"'\s]+)")
_USER = re.compile(r"\$(\{JUPYTERHUB_USER\}|\(JUPYTERHUB_USER\)|JUPYTERHUB_USER\b)")
_USERNAME = "{username}"
_GENERATED = "of `kernelpod hub values`"


def homes_of(values: Values) -> dict[str, Any]:
    """Take homes and mounts out of the values; return them as settings: `homes`, `mounts`."""
    place = values.pop("singleuser.storage.homeMountPath")
    mounted = place if isinstance(place, str) else Homes().mount_path
    homes: dict[str, Any] = {"mount_path": place} if isinstance(place, str) else {}
    if homes:
        values.note("singleuser.storage.homeMountPath", "changed", "it is homes.mount_path of the settings")
    elif place is not None:
        values.note("singleuser.storage.homeMountPath", "dropped", "it is not a path")
    homes |= _kernel_path(values)
    mounts = _mounts(values, mounted, homes)
    _storage(values, homes)
    try:
        Homes.model_validate(homes)
    except ValidationError:
        values.note(
            "singleuser.storage", "warning", "it does not give valid homes for the settings; write them yourself"
        )
        homes = {}
    return {key: value for key, value in (("homes", homes), ("mounts", mounts)) if value}


def _kernel_path(values: Values) -> dict[str, Any]:
    """Take the command and KERNEL_PATH; return root and template of homes if they contain them."""
    homes: dict[str, Any] = {}
    said_command = values.has("singleuser.cmd")
    command = values.pop("singleuser.cmd")
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
    found = _KERNEL_PATH.search(text)
    if found and (homes := _split(found["path"])):
        why = f"homes.root of the settings is {homes['root']}; the values of kernelpod set KERNEL_PATH"
        values.note("singleuser.cmd", "changed", why)
    elif found:
        values.note("singleuser.cmd", "dropped", "KERNEL_PATH does not contain the user name: set homes.root")
    elif said_command:
        values.note("singleuser.cmd", "dropped", f"it would replace the command {_GENERATED}")
    path = values.pop("singleuser.extraEnv.KERNEL_PATH")
    if isinstance(path, str):
        said = _split(path)
        why = f"homes.root of the settings is {said['root']}" if said else "set homes.root of the settings"
        values.note(
            "singleuser.extraEnv.KERNEL_PATH", "changed" if said else "dropped", f"{why}; kernelpod sets it"
        )
        homes = homes or said
    elif path is not None:
        values.note(
            "singleuser.extraEnv.KERNEL_PATH", "dropped", "set homes.root of the settings; kernelpod sets it"
        )
    return homes


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


def _storage(values: Values, homes: dict[str, Any]) -> None:
    key, kind = "singleuser.storage.type", values.pop("singleuser.storage.type")
    if kind == "static":
        values.note(key, "changed", f"it is none now: the volumes {_GENERATED} contain the home")
        claim = values.pop("singleuser.storage.static.pvcName")
        template = values.pop("singleuser.storage.static.subPath")
        _claim(values, "singleuser.storage.static", homes, str(claim), str(template or _USERNAME).strip("/"))
    elif kind == "dynamic" or (kind is None and "volume" not in homes):
        why = "kernels cannot mount a claim of each user: move homes to one claim or NFS folder (homes)"
        values.note(key if kind else "singleuser.storage", "warning", why)
    elif kind == "None":
        values.note(key, "changed", f"it is none now, in the values {_GENERATED}")
    elif kind is not None:
        values.note(key, "dropped", f"it is none now: the volumes {_GENERATED} contain the home")
    for beside in ("dynamic", "static", "capacity"):
        values.drop(f"singleuser.storage.{beside}", "the settings have one claim or NFS folder for all homes")


def _claim(values: Values, keys: str | Keys, homes: dict[str, Any], claim: str, template: str) -> None:
    """Set a claim as the volume of all homes. Only KERNEL_PATH shows which NFS folder is its root."""
    whole = posixpath.join(homes.get("root", ""), homes.get("path_template", ""))
    if not whole:
        why = f"the NFS folder of the claim is unknown: homes.root is {Homes().root}"
        values.note(keys, "warning", why)
    elif whole.endswith(f"/{template}"):
        homes["root"] = whole.removesuffix(f"/{template}")
    else:
        values.note(keys, "warning", "servers and kernels had different homes; now both have the server's")
    homes |= {"path_template": template, "volume": {"kind": "pvc", "claim": claim}}
    values.note(keys, "changed", f"homes of the settings are {template} on the claim {claim}")


def _mounts(values: Values, home: str, homes: dict[str, Any]) -> list[dict[str, Any]]:
    disks = _items(values, "extraVolumes")
    volumes = {str(one.get("name")): one for _, one in disks}
    used, mounts = set(), list[dict[str, Any]]()
    for number, one in _items(values, "extraVolumeMounts"):
        keys = ("singleuser", "storage", "extraVolumeMounts", number)
        used.add(str(one.get("name")))
        volume = _volume(volumes.get(str(one.get("name")), {}))
        place, below = str(one.get("mountPath", "")).rstrip("/"), str(one.get("subPath") or "").strip("/")
        if not volume:
            values.note(keys, "dropped", "only NFS folders and claims are imported")
        elif place == home and volume["volume"]["kind"] == "pvc" and "volume" not in homes:
            _claim(values, keys, homes, volume["volume"]["claim"], below or _USERNAME)
        elif place == home and "volume" not in homes:
            homes |= {**volume, "path_template": below or _USERNAME}
            values.note(keys, "changed", "it is homes of the settings now")
        elif made := _shared(volume, place, below, bool(one.get("readOnly")), mounts):
            mounts.append(made)
            values.note(keys, "changed", f"it is mounts[].{made['name']} of the settings now, also for kernels")
        else:
            values.note(
                keys,
                "dropped",
                "another mount has the same mountPath, or a path is invalid; see mounts of the settings",
            )
    for number, one in disks:
        keys = ("singleuser", "storage", "extraVolumes", number)
        if str(one.get("name")) in used:
            values.note(keys, "changed" if _volume(one) else "dropped", "see the notes on its mounts")
        else:
            values.note(keys, "dropped", "nothing mounts it")
    values.pop("singleuser.storage.extraVolumes")
    values.pop("singleuser.storage.extraVolumeMounts")
    return mounts


def _items(values: Values, key: str) -> list[tuple[str | int, dict[str, Any]]]:
    """Return volumes or mounts: a list, or since 4.0.0 also a mapping."""
    given = values.get(f"singleuser.storage.{key}")
    if given is not None and not isinstance(given, (dict, list)):
        values.note(f"singleuser.storage.{key}", "dropped", "a list was expected here")
    pairs = given.items() if isinstance(given, dict) else enumerate(given if isinstance(given, list) else [])
    items = list(pairs)
    for number, one in items:
        if not isinstance(one, dict):
            values.note(("singleuser", "storage", key, number), "dropped", "a mapping of keys was expected here")
    return [(number, one) for number, one in items if isinstance(one, dict)]


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    """Return root and volume for the settings; empty if the volume is neither NFS nor a claim."""
    nfs, claim = volume.get("nfs"), volume.get("persistentVolumeClaim")
    if isinstance(nfs, dict):
        root = posixpath.normpath(str(nfs.get("path")))
        return {"root": root, "volume": {"kind": "nfs", "server": str(nfs.get("server"))}}
    if isinstance(claim, dict):
        name = str(claim.get("claimName"))
        return {"root": f"/{name}", "volume": {"kind": "pvc", "claim": name}}
    return {}


def _shared(
    volume: dict[str, Any], place: str, below: str, read_only: bool, others: list[dict[str, Any]]
) -> dict[str, Any]:
    words = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(place).lower()).strip("-")[:20].strip("-")
    taken = {"home", "connection", "shm", *(one["name"] for one in others)}
    name = words if words[:1].isalpha() else f"m-{words}".strip("-")
    if name in taken or name.startswith(COURSE_MOUNTS):
        name = f"mount-{len(others) + 1}"
    made: dict[str, Any] = {"name": name, **volume, "mount_path": place, "read_only": read_only}
    if below:
        made["path_template"] = below
    try:
        SharedMount.model_validate(made)
    except ValidationError:
        return {}
    return {} if place in [one["mount_path"] for one in others] else made
