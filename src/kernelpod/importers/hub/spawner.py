"""Moves traits of KubeSpawner to the values that set them too, and takes out of profiles what settings decide.

In the chart's hub `hub.config` has the last word, and profiles change traits for one server.
"""

from __future__ import annotations

from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.hub.needs.traits import overridden
from kernelpod.importers.moves import Values

_STORAGE = "singleuser.storage"
# Where the chart has a value for a trait of the spawner.
VALUES = {
    "cmd": "singleuser.cmd",
    "default_url": "singleuser.defaultUrl",
    "environment": "singleuser.extraEnv",
    "extra_annotations": "singleuser.extraAnnotations",
    "extra_labels": "singleuser.extraLabels",
    "extra_pod_config": "singleuser.extraPodConfig",
    "fs_gid": "singleuser.fsGid",
    "init_containers": "singleuser.initContainers",
    "node_selector": "singleuser.nodeSelector",
    "profile_list": "singleuser.profileList",
    "pvc_name_template": f"{_STORAGE}.dynamic.pvcNameTemplate",
    "start_timeout": "singleuser.startTimeout",
    "storage_access_modes": f"{_STORAGE}.dynamic.storageAccessModes",
    "storage_capacity": f"{_STORAGE}.capacity",
    "storage_class": f"{_STORAGE}.dynamic.storageClass",
    "tolerations": "singleuser.extraTolerations",
    "uid": "singleuser.uid",
    "volume_mounts": f"{_STORAGE}.extraVolumeMounts",
    "volumes": f"{_STORAGE}.extraVolumes",
}
_SECTIONS = ("Spawner", "KubeSpawner")
# What the chart sets in the section Spawner, or only if its value is not null. All else it sets in KubeSpawner,
# which takes precedence.
_OF_SPAWNER = ("cmd", "default_url", "storage_class")
_FORMER = ("singleuser_", "user_")
# What is not a choice of users, because servers and kernels must have the same.
_SAME = "servers and kernels have the same homes and mounts; use mounts of the settings, with groups"
_DECIDED = {
    **dict.fromkeys(("volumes", "volume_mounts", "init_containers", "working_dir"), _SAME),
    **dict.fromkeys(("storage_pvc_ensure", "pvc_name_template", "storage_class", "storage_capacity"), _SAME),
    **dict.fromkeys(("uid", "gid", "fs_gid"), "policy.uid and policy.gid of the settings are used everywhere"),
    "cmd": "it would replace the command of `kernelpod hub values`",
    "namespace": "the network policies of servers do not hold in other namespaces",
}
_VARIABLES = ("KERNEL_", "JUPYTER_GATEWAY_", "JUPYTERHUB_SINGLEUSER_APP")


def move_traits(values: Values, *, say: bool = True) -> None:
    """Move traits of the spawner in `hub.config` to values, over those that they took precedence over.

    With `say` each is reported; without, they are not to stay there.
    """
    for section in _SECTIONS:
        where: Keys = ("hub", "config", section)
        for trait in list(values.section(where)):
            present = _present(trait)
            if present in VALUES and say and section == "Spawner" and present not in _OF_SPAWNER:
                values.drop((*where, trait), f"it had no effect: the chart sets KubeSpawner.{present}")
            elif place := VALUES.get(present):
                _over(values, (*where, trait), place, say=say)
    if values.has((*tuple(_STORAGE.split(".")), "extraVolumes")):
        _only_their_volumes(values)


def clean_profiles(values: Values) -> None:
    """Take out of profiles what would give a server other homes, mounts, ids or commands than kernels have."""
    keys: Keys = ("singleuser", "profileList")
    for place, (_, trait), value in list(overridden(values.get(keys), keys)):
        if why := _DECIDED.get(str(trait)):
            values.note(place, "dropped", why)
            if trait == "namespace" and value:
                values.ask("homes-move", place, "these servers were in another namespace, where claims are others")
            values.remove(place)
        elif place[-1] != trait:
            _rename(values, place, str(trait))
        elif trait == "environment" and isinstance(value, dict):
            for name in [name for name in value if name.startswith(_VARIABLES)]:
                values.note((*place, name), "dropped", "the values of kernelpod set it")
                values.remove((*place, name))


def _rename(values: Values, place: Keys, trait: str) -> None:
    """Give a trait in a profile its present name, by which also the chart's pre-puller finds images."""
    override: Any = values.data
    for key in place[:-1]:
        override = override[key]
    if trait in override:
        values.note(place, "dropped", f"{trait} beside it is its present name")
        del override[place[-1]]
    else:
        values.note(place, "changed", f"it is {trait} now")
        override[trait] = override.pop(place[-1])


def _present(trait: str) -> str:
    """Return the present name of a trait that KubeSpawner once called otherwise."""
    for former in _FORMER:
        if trait.startswith(former) and trait.removeprefix(former) in VALUES:
            return trait.removeprefix(former)
    return trait


def _over(values: Values, trait: Keys, place: str, *, say: bool) -> None:
    if values.has(place):
        values.drop(place, f"{'.'.join(map(str, trait))} sets it again")
    if say:
        values.move(trait, place)
    else:
        values.put(place, values.pop(trait), trait)


def _has_own_claims(volumes: Any) -> bool:
    """Return whether one of the volumes is a claim of the user's own, as the chart makes them."""
    listed = volumes.values() if isinstance(volumes, dict) else volumes if isinstance(volumes, list) else ()
    claims = [one.get("persistentVolumeClaim") for one in listed if isinstance(one, dict)]
    return any("{" in str(one.get("claimName")) for one in claims if isinstance(one, dict))


def _only_their_volumes(values: Values) -> None:
    """Drop the chart's own home if volumes came from `hub.config`, which replaced it."""
    volumes: Any = values.came_from((*tuple(_STORAGE.split(".")), "extraVolumes"))
    given = values.get((*tuple(_STORAGE.split(".")), "extraVolumes"))
    if volumes[:2] != ("hub", "config") or _has_own_claims(given):
        return
    mounts = values.came_from((*tuple(_STORAGE.split(".")), "extraVolumeMounts"))
    if mounts[:2] != ("hub", "config") and str(values.get(f"{_STORAGE}.type")).lower() != "none":
        why = "they replaced all volumes of servers, and the chart's own mounts do not say which one is the home"
        values.made.ask("homes-move", volumes, why)
    for key in ("type", "static", "dynamic", "capacity"):
        values.drop(f"{_STORAGE}.{key}", f"{'.'.join(map(str, volumes))} replaced all volumes of servers")
    values.put(f"{_STORAGE}.type", "none", f"{_STORAGE}.type")
