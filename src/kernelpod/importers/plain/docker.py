"""Converts the volumes of DockerSpawner and SwarmSpawner to homes and mounts of the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from kernelpod.findings.yamlfile import Keys
from kernelpod.homes.volumes import Homes
from kernelpod.importers.hub.templates import Slugs
from kernelpod.importers.hub.volumes import OldMount, OldVolume, refused, shared_mount, split_path
from kernelpod.importers.moves import Values
from kernelpod.importers.plain.dockerhost import take_host_config
from kernelpod.importers.report import Part

SECTIONS = ("DockerSpawner", "SwarmSpawner", "SystemUserSpawner")
# Traits that these classes have from the base class of all spawners.
_OF_ALL = (
    *("args", "cmd", "cpu_guarantee", "cpu_limit", "default_url", "environment", "env_keep", "http_timeout"),
    *("mem_guarantee", "mem_limit", "start_timeout"),
)
# DockerSpawner names users' folders as the charts before 4.0 did.
_ESCAPES = "3"
_RAW = "{raw_username}"
_NAMED = re.compile(r"\{(safe_)?username\}")


class _Bind(NamedTuple):
    keys: Keys
    host: str
    place: str
    read_only: bool


def take_docker(values: Values) -> dict[str, Any]:
    """Take the traits of these spawners; return `homes` and `mounts` of the settings, as far as they say them."""
    made: dict[str, Any] = {}
    for section in SECTIONS:
        where: Keys = ("hub", "config", section)
        if not values.section(where):
            continue
        for trait in _OF_ALL:
            place: Keys = ("hub", "config", "Spawner", trait)
            if values.has((*where, trait)):
                values.drop(place, f"{section}.{trait} takes precedence")
                values.move((*where, trait), place)
        extra = take_host_config(values, where, is_read=not _is_swarm(values, section))
        for trait in ("volumes", "read_only_volumes") if extra else ():
            values.drop((*where, trait), "extra_host_config.binds took the place of all folders that are mounted")
        traits: list[tuple[Keys, Any]] = [extra] if extra else []
        for trait in () if extra else ("volumes", "read_only_volumes"):
            traits.append((values.came_from((*where, trait)), values.pop((*where, trait))))
        found = [bind for began, given in traits for bind in _binds(values, began, given)]
        notebooks = values.drop(
            (*where, "notebook_dir"), "it is homes.mount_path of the settings, if it is mounted"
        )
        made |= _settings(values, found, str(notebooks or ""), Slugs(values, _ESCAPES))
        _former_names(values, where, found)
        values.drop((*where, "image"), "servers of kernelpod need an image with Jupyter Server", "left")
        values.drop(where, "it is about Docker")
    return made


def _is_swarm(values: Values, section: str) -> bool:
    """Return whether servers are services of a swarm, which read fewer traits."""
    config = values.made.tree.data["hub"]["config"]
    hub = config.get("JupyterHub")
    named = str(hub.get("spawner_class")) if isinstance(hub, dict) else ""
    return section == "SwarmSpawner" or "swarm" in named.lower()


def _binds(values: Values, began: Keys, given: Any) -> list[_Bind]:
    """Return folders of the machine that are mounted; volumes of Docker are left to the admin."""
    found = []
    if given is not None and not isinstance(given, (dict, list)):
        values.made.note(began, "left", "folders and their places were expected here")
    for key, host, place in _pairs(given):
        bind, mode = (place.get("bind"), place.get("mode", "rw")) if isinstance(place, dict) else (place, "rw")
        if not isinstance(bind, str):
            values.made.note(
                (*began, key), "left", "it has no one place in servers: write homes or mounts of the settings"
            )
            continue
        if not host.startswith("/"):
            why = "it is a volume of Docker: copy it to a folder, and write homes or mounts of the settings"
            values.made.note((*began, key), "left", why)
            continue
        # Nothing becomes writable by a mistake.
        read_only = (
            began[-1] == "read_only_volumes" or not isinstance(mode, str) or "ro" in mode.lower().split(",")
        )
        found.append(_Bind((*began, key), host, bind.rstrip("/"), read_only))
    return found


def _pairs(given: Any) -> Iterator[tuple[str | int, str, Any]]:
    """Yield the key, the folder and the place of folders by themselves, or of texts `FOLDER:PLACE:MODE`."""
    if isinstance(given, dict):
        yield from ((host, str(host), place) for host, place in given.items())
    for number, one in enumerate(given) if isinstance(given, list) else ():
        host, *rest = one.split(":") if isinstance(one, str) else [""]
        yield (
            number,
            host,
            {"bind": rest[0], "mode": rest[1] if len(rest) > 1 else "rw"} if 0 < len(rest) < 3 else None,
        )


def _former_names(values: Values, where: Keys, binds: list[_Bind]) -> None:
    """Ask or warn about folders that DockerSpawner named as before its version 12."""
    named = [bind for bind in binds if _NAMED.search(bind.host)]
    if named and values.get((*where, "escape")) == "legacy":
        why = "the folder of jo.doe was jo_2edoe, and it would be jo-2edoe: rename such folders"
        values.ask("homes-move", (*where, "escape"), why)
    elif named:
        why = "jo.doe has the folder jo-2edoe, and with DockerSpawner before version 12 had jo_2edoe: rename it"
        values.made.note(named[0].keys, "warning", why)


def _settings(values: Values, binds: list[_Bind], notebooks: str, slugs: Slugs) -> dict[str, Any]:
    homes: dict[str, Any] = {}
    mounts: list[dict[str, Any]] = []
    home = _home(binds, notebooks)
    for bind in sorted(binds, key=lambda one: one is not home):
        root, template = split_path(slugs.template(bind.host.replace(_RAW, "{unescaped_username}"), bind.keys))
        if bind is home and (homes := _homes(root, template, bind.place)):
            values.made.note(
                bind.keys, "changed", "it is homes of the settings now; on a cluster, set homes.volume"
            )
            if bind.read_only:
                values.made.ask("writable", bind.keys, "homes were read-only, and they would be writable")
        else:
            _mount(values, bind, (root, template), homes, mounts)
    if homes and (slug := slugs.chosen()):
        homes["slug"] = slug
    return {key: value for key, value in (("homes", homes), ("mounts", mounts)) if value}


def _home(binds: list[_Bind], notebooks: str) -> _Bind | None:
    """Return the mount that holds the notebooks of each user, or that is at the usual place of a home."""
    of_users = [bind for bind in binds if "{" in bind.host]
    if notebooks:
        inside = [bind for bind in of_users if f"{notebooks}/".startswith(f"{bind.place}/")]
    else:
        inside = [bind for bind in of_users if f"{bind.place}/".startswith("/home/")]
    return min(inside, key=lambda bind: len(bind.place), default=None)


def _homes(root: str, template: str, place: str) -> dict[str, Any]:
    """Return the homes of the settings; empty if they cannot have these."""
    homes = {"root": root, "path_template": template, "mount_path": place}
    try:
        Homes.model_validate(homes)
    except ValidationError:
        return {}
    return {} if "{" in place else homes


def _mount(
    values: Values, bind: _Bind, path: tuple[str, str], homes: dict[str, Any], others: list[dict[str, Any]]
) -> None:
    root, template = path
    volume = OldVolume(bind.keys, {"root": root})
    old = OldMount(Part(values.made, bind.keys, {}), volume, bind.place, template, bind.read_only)
    made = shared_mount(old, template, others)
    why = refused(homes, made) if made else "another mount has this place, or a path is invalid"
    if why:
        values.made.note(bind.keys, "dropped", why)
    else:
        # Without one, the volume would be the claim of all homes, which everybody would see.
        claim = f"docker-{made['name']}"
        others.append({**made, "volume": {"kind": "pvc", "claim": claim}})
        why = (
            f"it is mounts[].{made['name']}; on a cluster no server starts before there is the claim {claim} with "
            "the folder's files, or its volume is set"
        )
        values.made.note(bind.keys, "changed", why)
