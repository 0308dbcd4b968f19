"""Shows what a user has by a jupyterhub_config.py or TLJH's config.yaml, and by what is made of them."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from kernelpod.base.merging import merged
from kernelpod.base.names import former_user_slug
from kernelpod.importers.hub.secrets import SECRETS, SETTINGS
from kernelpod.importers.plain.hubs import LEFT, TRAITS
from kernelpod.importers.preview.pods import Names, at, by_name, items, mounted
from kernelpod.importers.preview.rows import (
    CPU,
    MEMORY,
    PAGE,
    Row,
    Seen,
    amount,
    of_settings,
    page_of,
    rows_of,
    with_rights,
)
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.sections import Settings

# The sections that count, by the spawner's class; a later one takes precedence.
_DOCKER = ("Spawner", "DockerSpawner")
_SECTIONS = {
    "KubeSpawner": ("Spawner", "KubeSpawner"),
    "DockerSpawner": _DOCKER,
    "SwarmSpawner": (*_DOCKER, "SwarmSpawner"),
    "SystemUserSpawner": (*_DOCKER, "SystemUserSpawner"),
}
# KubeSpawner's former names of traits begin with these.
_FORMER = ("singleuser_", "user_")
# DockerSpawner names users as KubeSpawner did with charts before 4.0.
_ESCAPES = "3"
# What it kept in names before its version 12.
_LEGACY = string.ascii_letters + string.digits + "-"
_SYSTEM_HOME = "/home/{username}"
# JupyterHub's short names of classes.
_SHORT = {"docker": "DockerSpawner", "docker-swarm": "SwarmSpawner", "docker-system-user": "SystemUserSpawner"}
_GROUPS = "groups"
_APPS = {"jupyterlab": "/lab", "classic": "/tree", "notebook": "/tree"}
# TLJH makes longer names of the machine's users short, with some digits of a hash.
_LONGEST, _DIGITS = 26, 5


def python_preview(made: Imported, version: str, user: str) -> list[Row]:
    """Return what a user sees of both hubs. Raises ImportingError if the old spawner is not known."""
    config = at(made.tree.data, "hub", "config") or {}
    kind = _spawner(config, made.tree.spot(()).file)
    traits: dict[str, Any] = {}
    for section in _SECTIONS[kind]:
        traits |= {_today(section, name): value for name, value in _pairs(at(config, section))}
    if kind not in ("KubeSpawner", "SwarmSpawner"):
        traits |= _of_docker(traits)
    before = _pod(traits, version, user) if kind == "KubeSpawner" else _container(traits, user, kind)
    before.facts = _facts(traits)
    if LEFT in made.files:
        before.facts["what code sets"] = f"(not known: {LEFT})"
    return rows_of(before, _after(made, user, on_machine=kind != "KubeSpawner"))


def _spawner(config: dict[str, Any], file: Path) -> str:
    said = at(config, "JupyterHub", "spawner_class")
    # JupyterHub knows some classes by short names, in any case.
    named = str(said or "").rpartition(".")[2].lower()
    known = {kind.lower(): kind for kind in _SECTIONS} | _SHORT
    if said is None:
        # The class may be set where this file does not show it: its section does.
        named = next((kind.lower() for kind in _SECTIONS if kind in config), "")
    if named not in known:
        raise ImportingError(
            f"{file}: --preview knows the servers of {', '.join(_SECTIONS)}, and this hub's spawner is "
            f"{said or 'not named'}: import without --preview, and compare homes and mounts of {SETTINGS} with "
            "what a user's server has"
        )
    return known[named]


def _today(section: str, trait: str) -> str:
    """Return today's name of a trait."""
    if section == "KubeSpawner":
        for former in _FORMER:
            trait = trait.removeprefix(former)
    return trait


def _pod(traits: dict[str, Any], version: str, user: str) -> Seen:
    volumes = by_name(traits.get("volumes"))
    return Seen("", mounted(volumes, items(traits.get("volume_mounts")), Names(version, user)))


def _of_docker(traits: dict[str, Any]) -> dict[str, Any]:
    """Return traits in place of which Docker was given something else, by `extra_host_config`."""
    extra, made = traits.get("extra_host_config"), dict[str, Any]()
    if (limit := at(extra, "mem_limit")) is not None:
        made["mem_limit"] = limit
    nano, quota, period = (at(extra, key) for key in ("nano_cpus", "cpu_quota", "cpu_period"))
    numbers = [one for one in (nano, quota, period) if isinstance(one, int) and one > 0]
    if numbers and nano in numbers:
        made["cpu_limit"] = nano / 10**9
    elif numbers and quota in numbers:
        made["cpu_limit"] = quota / (period or 100_000)
    if binds := at(extra, "binds"):
        texts = [one.split(":") for one in binds if isinstance(one, str)] if isinstance(binds, list) else []
        listed = {host: {"bind": place, "mode": "".join(mode)} for host, place, *mode in filter(_is_bind, texts)}
        made |= {"volumes": binds if isinstance(binds, dict) else listed, "read_only_volumes": {}}
    return made


def _is_bind(words: list[str]) -> bool:
    return len(words) in (2, 3)


def _container(traits: dict[str, Any], user: str, kind: str) -> Seen:
    """Return what DockerSpawner and its kin mounted."""
    names, found = Names(_ESCAPES, user), {}
    names.values |= {"username": _docker_name(traits, user), "raw_username": user}
    for trait in ("volumes", "read_only_volumes"):
        for source, given in _pairs(traits.get(trait)):
            place, mode = (given.get("bind"), given.get("mode")) if isinstance(given, dict) else (given, "rw")
            read_only = trait == "read_only_volumes" or "ro" in str(mode).split(",")
            said = names.path(source) if source.startswith("/") else f"volume {names.path(source)}"
            found[names.path(str(place)).rstrip("/")] = with_rights(said, read_only)
    if kind != "SystemUserSpawner":
        return Seen("", found)
    # It mounts the home that the user has on the machine.
    host, place = (
        str(traits.get(f"{where}_homedir_format_string") or _SYSTEM_HOME).replace("{username}", user)
        for where in ("host", "image")
    )
    return Seen(place, {**found, place: host})


def _docker_name(traits: dict[str, Any], user: str) -> str:
    """Return {username}, which DockerSpawner made in another way before version 12."""
    usual = former_user_slug(user)
    legacy = "".join(one if one in _LEGACY else _escaped(one) for one in user)
    if traits.get("escape") == "legacy" or usual == legacy:
        return legacy
    return f"{usual} or {legacy}"


def _escaped(character: str) -> str:
    return "".join(f"_{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def _facts(traits: dict[str, Any]) -> dict[str, str]:
    return {
        MEMORY: amount(traits.get("mem_guarantee"), traits.get("mem_limit")),
        CPU: amount(traits.get("cpu_guarantee"), traits.get("cpu_limit")),
        PAGE: page_of(traits.get("default_url")),
    }


def _after(made: Imported, user: str, *, on_machine: bool) -> Seen:
    config, secrets = (yaml.safe_load(made.files.get(name, b"")) or {} for name in (TRAITS, SECRETS))
    config = merged(config, secrets)
    settings = Settings.model_validate(yaml.safe_load(made.files.get(SETTINGS, b"{}")))
    after = of_settings(settings, user, on_machine=on_machine)
    after.facts = _facts({**config.get("Spawner", {}), **config.get("KubeSpawner", {})})
    return after


def tljh_preview(made: Imported, user: str) -> list[Row]:
    """Return what a user sees of both hubs."""
    old, name = made.tree.data, _machine_user(user)
    home = f"/home/{name}"
    admin = user in _members(at(old, "users", "admin"))
    groups = ["jupyterhub-users", *(["jupyterhub-admins"] if admin else [])]
    more = _pairs(at(old, "users", "extra_user_groups"))
    groups += [group for group, members in more if user in _members(members)]
    facts = {
        MEMORY: amount("", at(old, "limits", "memory")),
        CPU: amount("", at(old, "limits", "cpu")),
        PAGE: page_of(_APPS.get(str(at(old, "user_environment", "default_app")))),
        _GROUPS: ", ".join(groups),
    }
    after = _after(made, user, on_machine=True)
    after.facts[_GROUPS] = "(those of the authenticator)"
    return rows_of(Seen(home, {home: "the folder of the machine"}, facts), after)


def _machine_user(user: str) -> str:
    """Return the name that TLJH gives a user on the machine."""
    name = f"jupyter-{user}"
    if len(name) < _LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:_LONGEST]}-{digest[:_DIGITS]}"


def _members(given: Any) -> list[str]:
    return [str(one) for one in given] if isinstance(given, list) else []


def _pairs(given: Any) -> Iterator[tuple[str, Any]]:
    """Yield keys and values of a mapping; nothing of what is none."""
    return ((str(key), value) for key, value in given.items()) if isinstance(given, dict) else iter(())
