"""Drops what would break the generated values, and asks where that would widen rights or move homes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.hub.needs.traits import overridden
from kernelpod.importers.moves import Values

_SPAWNER: Keys = ("hub", "config", "JupyterHub", "spawner_class")
KUBESPAWNERS = ("kubespawner", "kubespawner.KubeSpawner", "kubespawner.spawner.KubeSpawner")
_NAMESPACES = ("namespace", "enable_user_namespaces")
# Volumes that are the same in every namespace.
_EVERYWHERE = ("nfs", "none", "dynamic")
_RIGHTS = frozenset(("ALL", "NET_ADMIN", "NET_RAW", "SYS_ADMIN"))
_CONTAINERS = (("singleuser", "initContainers"), ("singleuser", "extraPodConfig", "initContainers"))


# Returns which of the new values would break what is generated with the new settings, what each would break, and
# what is generated there.
Judge = Callable[[dict[str, Any], dict[str, Any]], list[tuple[Keys, str, Any]]]


def nothing_broken(_values: dict[str, Any], _settings: dict[str, Any]) -> list[tuple[Keys, str, Any]]:
    """Say that nothing is broken."""
    return []


def drop_broken(values: Values, settings: dict[str, Any], judge: Judge) -> None:
    """Drop what would break what is generated. What says who may log in stays: it is an error of the new files."""
    dropped: set[Keys] = set()
    while broken := {one[0]: one for one in judge(values.data, settings) if not _is_of_login(one[0])}:
        if broken.keys() <= dropped:
            return
        for keys, why, ours in broken.values():
            if _with_ours(values, keys, why, ours):
                continue
            # A file that is mounted nowhere is none.
            whole = keys[:3] if keys[:2] == ("singleuser", "extraFiles") else keys
            values.remove(whole)
            values.note(whole, "dropped", why.removesuffix("; remove it"))
        dropped |= broken.keys()


def _is_of_login(keys: Keys) -> bool:
    return keys[:2] == ("hub", "config") and str(keys[-1]).endswith(("_users", "username_pattern"))


def _with_ours(values: Values, keys: Keys, why: str, ours: Any) -> bool:
    """Add the generated words to a list of words, such as scopes; return whether it is one."""
    given = values.get(keys)
    if not (_is_words(given) and _is_words(ours)) or set(ours) <= set(given):
        return False
    more = [one for one in ours if one not in given]
    values.note(keys, "changed", f"{why.partition(';')[0]}: {', '.join(more)}")
    if "self" in more:
        values.ask("everybody", keys, "users had fewer rights to their own servers than `self` gives, and get it")
    given.extend(more)
    return True


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def ask_of_lost(values: Values, settings: dict[str, Any]) -> None:
    """Ask about values that no new file can have, and without which homes move."""
    kind = settings.get("homes", {}).get("volume", {}).get("kind", "pvc")
    for section in ("Spawner", "KubeSpawner"):
        for trait in _NAMESPACES:
            keys: Keys = ("hub", "config", section, trait)
            if values.get(keys) and kind not in _EVERYWHERE:
                why = (
                    "servers were in other namespaces, where the claims of homes are: in the hub's they are others"
                )
                values.ask("homes-move", keys, why)
    if values.get(("singleuser", "extraPodConfig", "volumes")):
        why = "it replaced all volumes of servers, also the home"
        values.ask("homes-move", ("singleuser", "extraPodConfig", "volumes"), why)


def take_spawner(values: Values) -> None:
    """Take another spawner than KubeSpawner, and its traits: what servers had by its code is not known."""
    name = values.get(_SPAWNER)
    if not isinstance(name, str) or name in KUBESPAWNERS:
        return
    why = "what its code gave to servers is not known: homes, mounts and limits are those of the other values"
    values.ask("homes-move", _SPAWNER, why)
    values.drop(_SPAWNER, "the hub of kernelpod sets its spawner")
    section = name.rpartition(".")[2]
    if section.endswith("Spawner") and section not in ("Spawner", "KubeSpawner"):
        why = "the hub has no such spawner: write what holds into hub.config.KubeSpawner, and import that"
        values.drop(("hub", "config", section), why, "left")


def ask_of_containers(values: Values) -> None:
    """Ask about containers that may have kept servers from a part of the network, and that no pod will have."""
    places: list[tuple[Keys, Any]] = [(keys, values.get(keys)) for keys in _CONTAINERS]
    profiles: Keys = ("singleuser", "profileList")
    places += [
        (keys, value)
        for keys, path, value in overridden(values.get(profiles), profiles)
        if path[-1] == "init_containers"
    ]
    for keys, given in places:
        listed = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
        if any(map(_changes_network, listed)):
            why = (
                "one of them has rights to the network, and is lost: it may have kept servers from some addresses"
            )
            values.ask("network-open", keys, why)


def _changes_network(container: Any) -> bool:
    found = (
        container.get("securityContext", container.get("security_context")) if isinstance(container, dict) else 0
    )
    if not isinstance(found, dict):
        return False
    capabilities = found.get("capabilities")
    added = capabilities.get("add") if isinstance(capabilities, dict) else None
    names = {str(one).removeprefix("CAP_") for one in added} if isinstance(added, list) else set()
    return bool(found.get("privileged")) or not _RIGHTS.isdisjoint(names)
