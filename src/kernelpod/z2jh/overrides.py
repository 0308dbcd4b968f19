"""Finds which generated values an admin's own values for Zero to JupyterHub override, and what that breaks.

Helm merges the admin's file over the generated one: mappings are merged, all other values, lists included, are
replaced, and `null` removes a key. The chart then sets traits from its own values, and those of `hub.config` over
them. Each trait is judged as spawner, hub or authenticator get it, whichever value sets it, and so are profiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernelpod.findings.finding import Finding
from kernelpod.findings.yamlfile import Keys, YamlTree
from kernelpod.hub.needs.judge import Judge, Said, as_tree, at, effective
from kernelpod.hub.needs.traits import KUBESPAWNER, OF_KUBESPAWNER, OF_PODSPAWNER, SPAWNER, Setting, settings_of
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.chartfile import strays, twice
from kernelpod.z2jh.rules import RULES
from kernelpod.z2jh.values import OUR_BLOCK, z2jh_values
from kernelpod.z2jh.versions import NEWEST

Values = dict[str, Any]

# Traits by the path of the chart's value that sets them, with the class in whose section the chart does so.
TRAITS: dict[str, tuple[str, str, int]] = {
    **{
        f"singleuser.{value}": ("Spawner", trait, KUBESPAWNER)
        for value, trait in {
            "allowPrivilegeEscalation": "allow_privilege_escalation",
            "extraAnnotations": "extra_annotations",
            "extraEnv": "environment",
            "extraLabels": "extra_labels",
            "extraPodConfig": "extra_pod_config",
            "extraResource.guarantees": "extra_resource_guarantees",
            "extraResource.limits": "extra_resource_limits",
            "extraTolerations": "tolerations",
            "fsGid": "fs_gid",
            "initContainers": "init_containers",
            "profileList": "profile_list",
            "startTimeout": "start_timeout",
            "storage.extraVolumeMounts": "volume_mounts",
            "storage.extraVolumes": "volumes",
            "uid": "uid",
        }.items()
    },
    "singleuser.cmd": ("Spawner", "cmd", SPAWNER),
    "hub.consecutiveFailureLimit": ("Spawner", "consecutive_failure_limit", SPAWNER),
    "hub.db.url": ("JupyterHub", "db_url", 4),
    "hub.templateVars": ("JupyterHub", "template_vars", 4),
}
_CONFIG = ("hub", "config")
_OF_THE_CLUSTER = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:0"}},
}


def overrides(ours: Values, yours: YamlTree, chart_version: str = NEWEST) -> list[Finding]:
    """Return the generated values that the admin's values break or change, sorted by their places in the file."""
    spawners = _spawners(ours)
    said: list[Said] = [
        *strays(yours.data, chart_version, spawners),
        *twice(ours, yours.data),
        *_judged(ours, yours.data),
    ]
    return sorted({one.finding(yours) for one in said})


def generated_for(settings: Values) -> Values:
    """Return the values that are generated for settings which do not know their cluster yet; none depends on it.

    Raises pydantic.ValidationError.
    """
    return z2jh_values(Settings.model_validate(settings | _OF_THE_CLUSTER), "gateway")


def breaking(values: Values, settings: Values) -> list[tuple[Keys, str, Any]]:
    """Return the values that break what is generated for these settings, what each breaks, and what is there."""
    ours = generated_for(settings)
    return [(one.keys, one.text, at(ours, one.keys)) for one in _judged(ours, values) if one.level == "error"]


def _judged(ours: Values, yours: Values) -> Iterator[Said]:
    """Yield what is said of the admin's values by the rules."""
    spawners = _spawners(ours)
    # A value that is null is not set by the chart.
    before = [one for one in _settings(ours, spawners) if one.value is not None]
    judge = Judge({**ours, **as_tree(effective(before))}, RULES)
    yield from judge.settings(before, [*_settings(yours, spawners)])
    for keys, value in _others(yours, (), ours):
        yield from judge.judged(keys, keys, value, joined=True)


def _spawners(ours: Values) -> dict[str, int]:
    with_courses = at(ours, ("hub", "extraConfig", OUR_BLOCK)) is not None
    return OF_PODSPAWNER if with_courses else OF_KUBESPAWNER


def _settings(values: Values, spawners: dict[str, int]) -> Iterator[Setting]:
    """Yield the traits that values set, in the order in which the chart sets them."""
    for name, (kind, trait, rank) in TRAITS.items():
        *above, key = name.split(".")
        section = at(values, tuple(above))
        if isinstance(section, dict) and key in section:
            yield Setting((*above, key), (kind, trait), (rank, 0), section[key])
    yield from settings_of(at(values, _CONFIG), _CONFIG, spawners)


def _others(value: Any, keys: Keys, ours: Values) -> Iterator[tuple[Keys, Any]]:
    """Yield the admin's values that set no trait, as far as Helm merges the mappings above them."""
    if ".".join(map(str, keys)) in TRAITS or (len(keys) == 4 and keys[:2] == _CONFIG):
        return
    if isinstance(value, dict) and isinstance(at(ours, keys), dict | None):
        for key, inner in value.items():
            yield from _others(inner, (*keys, key), ours)
    else:
        yield keys, value
