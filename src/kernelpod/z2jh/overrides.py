"""Finds which generated values an admin's own values for Zero to JupyterHub override, and what that breaks.

Helm merges the admin's file over the generated one: mappings are merged, all other values, lists included, are
replaced, and `null` removes a key. Traits of KubeSpawner can be set in further ways: in `hub.config`, where they
replace the chart's values as a whole, and by profiles, which merge mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from kernelpod.findings.finding import Finding, Level
from kernelpod.findings.yamlfile import Keys, YamlTree
from kernelpod.z2jh.rules import RULES, Rule, items

Values = dict[str, Any]

# Paths of the values that set KubeSpawner's traits.
TRAITS = {
    "allow_privilege_escalation": "singleuser.allowPrivilegeEscalation",
    "cmd": "singleuser.cmd",
    "environment": "singleuser.extraEnv",
    "extra_pod_config": "singleuser.extraPodConfig",
    "fs_gid": "singleuser.fsGid",
    "init_containers": "singleuser.initContainers",
    "server_token_scopes": "hub.config.Spawner.server_token_scopes",
    "start_timeout": "singleuser.startTimeout",
    "uid": "singleuser.uid",
    "volume_mounts": "singleuser.storage.extraVolumeMounts",
    "volumes": "singleuser.storage.extraVolumes",
}
# Sections of `hub.config` whose traits are the spawner's. With courses it is a PodSpawner.
_SECTIONS = ("Spawner", "KubeSpawner", "PodSpawner")
_USERS = ("allowed_users", "admin_users")
_NAMES = "this chart's hub does not start with names that are not plain; use chart 4.0 or later, or other names"
_OVERRIDE = "kubespawner_override"
# What Kubernetes wants to be unique in a pod, by the path of the mapping.
_UNIQUE: dict[Keys, str] = {
    ("singleuser", "storage", "extraVolumes"): "name",
    ("singleuser", "storage", "extraVolumeMounts"): "mountPath",
}


class _Given(NamedTuple):
    """A value of the admin's."""

    keys: Keys
    """Its place in the admin's values."""
    path: Keys
    """The path of the value that it has the effect of."""
    value: Any


def overrides(ours: Values, yours: YamlTree) -> list[Finding]:
    """Return the generated values that the admin's values break or change, sorted by their places in the file."""
    found = []
    for given in _given(yours.data, (), ours):
        if judged := _judged(given, ours):
            said, level = judged
            file, place = yours.spot(given.keys)
            found.append(Finding(file, place, f"{_dotted(given.keys)}: {said}", level))
    return sorted(found)


def _given(value: Any, keys: Keys, ours: Values) -> Iterator[_Given]:
    """Yield the admin's values: leaves, traits of `hub.config`, and traits that profiles override."""
    is_trait = len(keys) == 4 and keys[:2] == ("hub", "config") and keys[2] in _SECTIONS
    if _dotted(keys) == "singleuser.profileList" or (is_trait and keys[3] == "profile_list"):
        yield from _profiles(value, keys, ours)
    elif is_trait and (path := _path_of(keys[3])) != keys:
        yield _Given(keys, path, value)
    elif _is_merged(value, keys, ours):
        for key, inner in value.items():
            yield from _given(inner, (*keys, key), ours)
    else:
        yield _Given(keys, keys, value)


def _profiles(value: Any, keys: Keys, ours: Values) -> Iterator[_Given]:
    """Yield the traits that profiles, and choices in them, override."""
    if not isinstance(value, (dict, list)):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if key == _OVERRIDE and isinstance(inner, dict):
            for trait, one in inner.items():
                yield from _merged(_Given((*keys, key, trait), _path_of(trait), one), ours)
        else:
            yield from _profiles(inner, (*keys, key), ours)


def _merged(given: _Given, ours: Values) -> Iterator[_Given]:
    """Yield the values of a mapping that is merged with the generated one, or the value itself."""
    if _is_merged(given.value, given.path, ours):
        for key, inner in given.value.items():
            yield from _merged(_Given((*given.keys, key), (*given.path, key), inner), ours)
    else:
        yield given


def _is_merged(value: Any, path: Keys, ours: Values) -> bool:
    return isinstance(value, dict) and isinstance(_at(ours, path), (dict, type(None)))


def _judged(given: _Given, ours: Values) -> tuple[str, Level] | None:
    value, mine = given.value, _at(ours, given.path)
    if rule := _broken(_dotted(given.path), mine, value):
        return rule.said, rule.level
    if isinstance(mine, dict) and mine and not isinstance(value, (dict, list)):
        # The whole section is replaced by null or by another value, so all values in it are lost.
        return "the section is removed, with all generated values in it", "error"
    if names := _kept_out(given, ours):
        return f"{', '.join(names)}: {_NAMES}", "error"
    if _is_twice(given.path, value, ours):
        return "a generated volume or mount has the same, so no pod could start; choose another", "error"
    return ("replaces the generated value", "note") if mine is not None and mine != value else None


def _broken(path: str, mine: Any, value: Any) -> Rule | None:
    rule = next((rule for rule in RULES if fnmatchcase(path, rule.path)), None)
    return rule if rule and rule.bad(mine, value) else None


def _kept_out(given: _Given, ours: Values) -> list[str]:
    """Return the users in a list of the admin's who do not match the generated pattern of user names."""
    pattern = _at(ours, ("hub", "config", "Authenticator", "username_pattern"))
    if pattern is None or given.path[:2] != ("hub", "config") or given.path[-1] not in _USERS:
        return []
    names = map(str, given.value) if isinstance(given.value, list) else ()
    # As JupyterHub does: names are in lower case.
    return sorted(name for name in names if not re.match(pattern, name.lower()))


def _is_twice(path: Keys, value: Any, ours: Values) -> bool:
    """Return whether an entry of the admin's has the name or the place of a generated one."""
    *above, _, key = ("", "", *path)
    if _UNIQUE.get(tuple(above[2:])) != key or _at(ours, path) is not None:
        return False
    return any(one.get(key) == value for one in items(_at(ours, tuple(above[2:]))))


def _path_of(trait: str | int) -> Keys:
    """Return the path of the value that sets a trait of KubeSpawner."""
    return tuple(TRAITS.get(str(trait), f"hub.config.KubeSpawner.{trait}").split("."))


def _at(values: Any, path: Keys) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _dotted(keys: Keys) -> str:
    return ".".join(map(str, keys))
