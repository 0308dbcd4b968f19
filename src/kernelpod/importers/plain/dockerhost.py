"""Converts `extra_host_config` of DockerSpawner: its limits, and what becomes of what else Docker gave to servers.

It takes precedence over the other traits of the spawner.
"""

from __future__ import annotations

import re
from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Change

_TRAIT = "extra_host_config"
_SPAWNER: Keys = ("hub", "config", "Spawner")
_MEMORY = re.compile(r"(?P<number>\d{1,15}(\.\d{1,9})?)(?P<unit>[bkmgt]?)b?", re.IGNORECASE)
_NANO = 10**9
# What Docker takes where a period is not named, and what it takes at all.
_PERIOD, _PERIODS, _LEAST_QUOTA = 100_000, range(1_000, 1_000_001), 1_000
_CPU = ("nano_cpus", "cpu_quota", "cpu_period")
_OWN_NODE = "servers are pods, which have nothing of their node"
_NONE_OF_ITS = "pods of servers never have this; what needs it does not work in them"
_POLICY = "the network of servers is that of the cluster, and its policies say what they reach"
_FATES: dict[str, tuple[Change, str]] = {
    "memswap_limit": ("dropped", "pods have no swap: a server has mem_limit and no more"),
    "memswap": ("dropped", "pods have no swap: a server has mem_limit and no more"),
    "mem_swappiness": ("dropped", "pods have no swap"),
    "mem_reservation": ("left", "no server was guaranteed it: write Spawner.mem_guarantee, if it shall be"),
    "cpu_shares": ("left", "it is a weight beside other containers: write Spawner.cpu_guarantee"),
    "cpuset_cpus": ("left", "pods do not choose CPUs of a node: write Spawner.cpu_limit"),
    "cap_drop": ("dropped", "pods of servers have no capabilities at all"),
    **dict.fromkeys(("cap_add", "privileged", "devices", "device_cgroup_rules"), ("dropped", _NONE_OF_ITS)),
    **dict.fromkeys(("pid_mode", "ipc_mode", "uts_mode", "userns_mode", "cgroup_parent"), ("dropped", _OWN_NODE)),
    **dict.fromkeys(
        ("port_bindings", "publish_all_ports", "auto_remove", "restart_policy", "log_config", "init"),
        ("dropped", "Kubernetes, or the spawner of kernelpod, decides it"),
    ),
    "security_opt": (
        "left",
        "pods of servers get no new privileges; write another profile into pods of the settings",
    ),
    "pids_limit": ("left", "kubelet limits processes, for all pods of a node (podPidsLimit)"),
    "ulimits": ("left", "the container runtime of nodes decides it"),
    "shm_size": ("left", "servers have the usual 64 MiB; kernelspecs give shared memory to kernels (shm)"),
    "group_add": ("left", "write policy.supplemental_groups of the settings"),
    "device_requests": ("left", "kernelspecs give GPUs to kernels (gpus)"),
    "runtime": ("left", "kernelspecs give GPUs to kernels; a runtime of nodes is runtimeClassName of pods"),
    **dict.fromkeys(("mounts", "tmpfs", "volumes_from"), ("left", "write homes or mounts of the settings")),
    **dict.fromkeys(
        ("dns", "dns_opt", "dns_search", "extra_hosts", "links"), ("left", "the cluster's DNS names hosts")
    ),
}
_UNKNOWN: tuple[Change, str] = (
    "left",
    "it is about Docker, and the import has no rule for it: look whether it is needed",
)
# Networks in which a server reached at least what it reaches now.
_OPEN_NETWORKS = ("host", "bridge", "default", "")


def take_host_config(values: Values, where: Keys, *, is_read: bool) -> tuple[Keys, Any] | None:
    """Take `extra_host_config`; return the place and the value of its `binds`, if it has some.

    `is_read` is whether the spawner's class reads it. What a server could do less is told, and what it could do
    more is asked.
    """
    keys: Keys = (*where, _TRAIT)
    given = values.get(keys)
    if not isinstance(given, dict):
        values.drop(keys, "a mapping of keys was expected here")
        return None
    if not is_read:
        values.drop(keys, "services of Docker do not read it")
        return None
    _memory(values, keys)
    _cpu(values, keys)
    _network(values, keys)
    _read_only(values, keys)
    binds = (values.came_from((*keys, "binds")), values.pop((*keys, "binds"))) if given.get("binds") else None
    for name in list(values.section(keys)):
        change, why = _FATES.get(name, _UNKNOWN)
        if given[name] in (None, False, [], {}):
            change, why = "dropped", "it is off, as in pods of servers"
        values.drop((*keys, name), why, change)
    return binds


def _limit(values: Values, keys: Keys, trait: str, amount: Any) -> None:
    """Set a limit of servers, over that of the other traits; without an amount there is none."""
    place: Keys = (*_SPAWNER, trait)
    said = f"{_TRAIT} takes precedence"
    values.drop(place, said)
    values.pop(keys)
    if amount is None:
        values.note(keys, "dropped", "it is no limit")
    else:
        values.put(place, amount, keys)
        values.note(keys, "changed", f"it is hub.config.Spawner.{trait} now, {amount}")


def _memory(values: Values, keys: Keys) -> None:
    place: Keys = (*keys, "mem_limit")
    given = values.get(place)
    if given is None:
        return
    found = _MEMORY.fullmatch(given.strip()) if isinstance(given, str) else None
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        _limit(values, place, "mem_limit", given or None)
    elif found:
        power = "bkmgt".index(found["unit"].lower() or "b")
        _limit(values, place, "mem_limit", int(float(found["number"]) * 1024**power) or None)
    else:
        values.drop(place, "Docker takes no such amount", "left")


def _cpu(values: Values, keys: Keys) -> None:
    """Take the limit of CPU, which Docker is given as such, or as a quota in each period."""
    section = values.section(keys)
    given = {name: section[name] for name in _CPU if section.get(name) is not None}
    if not given:
        return
    base = values.get((*_SPAWNER, "cpu_limit"))
    if "cpu_period" in given and not given.keys() & {"nano_cpus", "cpu_quota"} and isinstance(base, (int, float)):
        given["cpu_quota"] = int(_PERIOD * base)  # what DockerSpawner makes of its own limit
    if (cpus := _cpus(given)) is None:
        for name in section.keys() & given.keys():
            values.drop((*keys, name), "Docker takes no such amounts together: write Spawner.cpu_limit", "left")
        return
    first, *others = [name for name in _CPU if name in section and section[name] is not None]
    for name in others:
        values.drop((*keys, name), f"it is in hub.config.Spawner.cpu_limit now, with {first}", "changed")
    _limit(values, (*keys, first), "cpu_limit", cpus or None)


def _cpus(given: dict[str, Any]) -> float | None:
    """Return how many CPUs amounts of Docker are; 0 for no limit, None if Docker refuses them."""
    if any(not isinstance(one, int) or isinstance(one, bool) for one in given.values()):
        return None
    nano, quota, period = given.get("nano_cpus", 0), given.get("cpu_quota", 0), given.get("cpu_period", 0)
    if nano < 0 or (nano and (quota or period)):
        return None
    if nano:
        return float(nano) / _NANO
    if period and period not in _PERIODS:
        return None
    if quota <= 0:
        return 0.0
    return float(quota) / (period or _PERIOD) if quota >= _LEAST_QUOTA else None


def _network(values: Values, keys: Keys) -> None:
    """Take the network. What one of Docker lets servers reach is not in the file."""
    place: Keys = (*keys, "network_mode")
    if (given := values.get(place)) is None:
        return
    if given == "none":
        values.ask("network-open", place, "servers had no network, and could reach more")
        values.drop(place, _POLICY)
    elif given in _OPEN_NETWORKS:
        values.drop(place, _POLICY)
    else:
        why = "it is not known what this network let servers reach; look whether policies keep them from the rest"
        values.drop(place, f"{_POLICY}; {why}", "left")


def _read_only(values: Values, keys: Keys) -> None:
    place: Keys = (*keys, "read_only")
    if given := values.get(place):
        values.ask(
            "writable", place, "files of the image were read-only in servers, and their copies are writable"
        )
        values.drop(place, f"servers write to their copy of the image's files; it was {given}")
