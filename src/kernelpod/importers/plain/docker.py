"""Converts the volumes of DockerSpawner and SwarmSpawner to homes and mounts of the settings."""

from __future__ import annotations

import posixpath
from typing import Any, NamedTuple

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.hub.templates import Slugs
from kernelpod.importers.hub.volumes import OldMount, OldVolume, shared_mount
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Part

SECTIONS = ("DockerSpawner", "SwarmSpawner", "SystemUserSpawner")
# Traits that these classes have from the base class of all spawners.
_OF_ALL = (
    *("args", "cmd", "cpu_guarantee", "cpu_limit", "default_url", "environment", "env_keep", "http_timeout"),
    *("mem_guarantee", "mem_limit", "start_timeout"),
)
_USER = "{username}"
# DockerSpawner names users' folders as the charts before 4.0 did.
_ESCAPES = "3"
_RAW = "{raw_username}"


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
            values.move((*where, trait), ("hub", "config", "Spawner", trait))
        found = [bind for trait in ("volumes", "read_only_volumes") for bind in _binds(values, (*where, trait))]
        notebooks = values.drop(
            (*where, "notebook_dir"), "it is homes.mount_path of the settings, if it is mounted"
        )
        made |= _settings(values, found, str(notebooks or ""), Slugs(values, _ESCAPES))
        values.drop((*where, "image"), "servers of kernelpod need an image with Jupyter Server", "left")
        values.drop(where, "it is about Docker")
    return made


def _binds(values: Values, keys: Keys) -> list[_Bind]:
    """Take folders of the machine that are mounted; volumes of Docker are left to the admin."""
    given, began = values.pop(keys), values.came_from(keys)
    found = []
    for host, place in given.items() if isinstance(given, dict) else ():
        bind, mode = (place.get("bind"), place.get("mode", "rw")) if isinstance(place, dict) else (place, "rw")
        if not str(host).startswith("/") or not isinstance(bind, str):
            why = "it is a volume of Docker: copy it to a folder, and write homes or mounts of the settings"
            values.made.note((*began, host), "left", why)
            continue
        read_only = keys[-1] == "read_only_volumes" or str(mode).startswith("ro")
        found.append(_Bind((*began, host), str(host), bind.rstrip("/"), read_only))
    return found


def _settings(values: Values, binds: list[_Bind], notebooks: str, slugs: Slugs) -> dict[str, Any]:
    homes: dict[str, Any] = {}
    mounts: list[dict[str, Any]] = []
    for bind in binds:
        host = slugs.template(bind.host.replace(_RAW, "{unescaped_username}"), bind.keys)
        is_home = _USER in host and (not notebooks or notebooks.startswith(bind.place))
        if is_home and not homes:
            root, _, below = host.partition(f"/{_USER}")
            homes = {"root": root or "/", "path_template": f"{_USER}{below}", "mount_path": bind.place}
            values.made.note(
                bind.keys, "changed", "it is homes of the settings now; on a cluster, set homes.volume"
            )
        elif made := _mount(values, bind, host, mounts):
            mounts.append(made)
            values.made.note(bind.keys, "changed", f"it is mounts[].{made['name']}; on a cluster, set its volume")
        else:
            values.made.note(bind.keys, "dropped", "another mount has this place, or a path is invalid")
    if homes and (slug := slugs.chosen()):
        homes["slug"] = slug
    return {key: value for key, value in (("homes", homes), ("mounts", mounts)) if value}


def _mount(values: Values, bind: _Bind, host: str, others: list[dict[str, Any]]) -> dict[str, Any]:
    fixed, found, below = host.partition(f"/{_USER}")
    volume = OldVolume(bind.keys, {"root": posixpath.normpath(fixed or "/")}, bind.read_only)
    part = Part(values.made, bind.keys, {})
    template = f"{_USER}{below}" if found else ""
    return shared_mount(OldMount(part, volume, bind.place, template, bind.read_only), template, others)
