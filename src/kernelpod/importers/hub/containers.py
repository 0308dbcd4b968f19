"""Converts init containers of servers to those of the settings, which stand beside the generated ones."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from kernelpod.findings.sentences import sentences
from kernelpod.hub.needs.traits import spelled
from kernelpod.importers.moves import Values
from kernelpod.settings.sections import Settings

_WHERE = "singleuser.initContainers"
_KEYS = {"name": "name", "image": "image", "command": "command", "args": "args", "imagePullPolicy": "pull_policy"}
# What a container may use where the source does not say it.
_USUAL = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}}
_LISTS = "Helm replaces lists, so that of `kernelpod hub values` would be lost"
_INSTEAD = "singleuser.lifecycleHooks.postStart runs in the home, as the user; `kernelpod homes make` makes homes"


def take_init_containers(values: Values) -> dict[str, Any]:
    """Take the init containers of servers; return settings with those that need nothing of the pod."""
    given = values.pop(_WHERE)
    if not isinstance(given, list):
        if given is not None:
            values.note(_WHERE, "dropped", "a list of containers was expected here")
        return {}
    began = values.came_from(tuple(_WHERE.split(".")))
    _, containers = spelled(("Spawner", "init_containers"), given)
    made: list[dict[str, Any]] = []
    for number, container in enumerate(containers):
        keys = (*began, number)
        if not isinstance(container, dict):
            values.made.note(keys, "dropped", "a container is a mapping of keys")
            continue
        if why := _why_not(container):
            values.made.note(keys, "left", f"{_LISTS}; {why}. {_INSTEAD}")
            continue
        one = _container(container)
        try:
            Settings.model_validate({"pods": {"servers": {"init_containers": [*made, one]}}})
        except ValidationError as error:
            said = sentences(error, Settings)[0]
            values.made.note(keys, "left", f"{_LISTS}; settings take another one, but not this: {said}")
            continue
        made.append(one)
        values.made.note(keys, "changed", "it is in pods.servers.init_containers of the settings now")
        if "resources" not in container:
            values.made.note(keys, "added", "resources: a container of the settings has some")
    return {"pods": {"servers": {"init_containers": made}}} if made else {}


def _why_not(container: dict[str, Any]) -> str:
    """Return what a container needs that settings do not give it; empty if it needs nothing."""
    mounts = container.get("volumeMounts")
    if mounts:
        listed = mounts.values() if isinstance(mounts, dict) else mounts if isinstance(mounts, list) else []
        named = sorted({str(one.get("name")) for one in listed if isinstance(one, dict)})
        return f"it mounts {', '.join(named)}, and volumes of servers are homes and mounts of the settings now"
    others = sorted(str(key) for key in container.keys() - {*_KEYS, "env", "resources", "volumeMounts"})
    if others:
        return f"containers of the settings have no {', '.join(others)}"
    env = container.get("env") or []
    plain = isinstance(env, list) and all(isinstance(one, dict) and {"name", "value"} == one.keys() for one in env)
    return "" if plain else "containers of the settings take plain variables only"


def _container(container: dict[str, Any]) -> dict[str, Any]:
    made = {new: container[old] for old, new in _KEYS.items() if container.get(old) is not None}
    if container.get("env"):
        made["env"] = {one["name"]: str(one["value"]) for one in container["env"]}
    return {**made, "resources": container.get("resources", _USUAL)}
