"""The rules by which an admin's own values for Zero to JupyterHub break something, by the value's path."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernelpod.findings.finding import Level


@dataclass(frozen=True)
class Rule:
    """What breaks if an admin's value is bad."""

    path: str
    """Dotted path of a value; `*` matches any text, including dots."""
    bad: Callable[[Any, Any], bool]
    """Returns whether the admin's value breaks something; gets the generated value or None, and the admin's."""
    said: str
    level: Level = "error"


def contains(yours: Any, ours: Any) -> bool:
    """Return whether a value holds everything of the generated one. Lists and mappings of items are alike."""
    if isinstance(ours, dict) and isinstance(yours, dict):
        return all(key in yours and contains(yours[key], value) for key, value in ours.items())
    if isinstance(ours, (dict, list)) and isinstance(yours, (dict, list)):
        return all(one in items(yours) for one in items(ours))
    return bool(yours == ours)


def items(value: Any) -> list[Any]:
    """Return the items of a list, or of a mapping that the chart takes in its place."""
    return list(value.values()) if isinstance(value, dict) else list(value or ())


def _lacks_ours(ours: Any, yours: Any) -> bool:
    return ours is not None and not contains(yours, ours)


def _differs(ours: Any, yours: Any) -> bool:
    return ours is not None and bool(ours != yours)


def _lacks_the_gateway(ours: Any, yours: Any) -> bool:
    """Return whether a list lacks the first generated entry. An admin may leave out the internet behind it."""
    return _lacks_ours(ours and ours[:1], yours)


def _smaller(ours: Any, yours: Any) -> bool:
    return ours is not None and (not isinstance(yours, (int, float)) or yours < ours)


def _is_null(_: Any, yours: Any) -> bool:
    return yours is None


def _is_given(_: Any, yours: Any) -> bool:
    return yours is not None


def _is_on(_: Any, yours: Any) -> bool:
    return bool(yours)


def _is_off(_: Any, yours: Any) -> bool:
    return not yours


def _is_another(name: str) -> Callable[[Any, Any], bool]:
    return lambda _, yours: yours != name


def _is_no_template(_: Any, yours: Any) -> bool:
    """Return whether KubeSpawner's str.format would fail on a text or replace something by accident."""
    if not isinstance(yours, str):
        return False
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(yours) if name is not None}
    except ValueError:
        return True
    return not fields <= {"username", "unescaped_username", "servername", "unescaped_servername", "userid"}


def _is_in_memory(_: Any, yours: Any) -> bool:
    return str(yours).rstrip("/") in ("sqlite:", "sqlite-memory") or ":memory:" in str(yours)


_HOME = "servers and kernels would have different homes; set homes in the settings instead"
_ARGUMENTS = "the generated arguments are lost, so Lab would show every kernel as Unknown; remove cmd"
_OTHER_NAMES = "in this chart's version, other names have different homes in servers and kernels; remove it"
_LIST = "this replaces the generated entries and lacks some; copy them, because"
_ORIGIN = "servers would share an origin, or have no addresses; set hubs[].subdomain_host in the settings instead"
_COOKIES = "a server's page could log somebody in as another user"
_CULLING = "set culling.idle_seconds instead"
_METADATA = "this opens metadata services of some clouds; the generated egress allows the rest"
_PLACE = "the gateway asks the hub at another URL"
_IDS = "servers and kernels would have different ids; set policy.uid and policy.gid instead"
_MEMORY = "a restarted hub loses all running servers"
_SPAWNER = "another spawner does not use the generated values; remove it"
_ELSEWHERE = "the network policies of servers do not hold in other namespaces; remove it"
_PRIVILEGED = "servers get all privileges of their node"
_CONTAINER = "this replaces a field of the server's container, which may be a generated one"
_ROLES = "this replaces the chart's roles, which servers and gateway need; add yours to hub.loadRoles instead"
_SERVICES = "this replaces the chart's services, such as the gateway; add yours to hub.services instead"
# The first rule whose path matches is used. Traits of KubeSpawner have the paths of the values that set them.
RULES = (
    Rule("fullnameOverride", _is_another(""), f"{_PLACE}, that of the Service `hub`; remove it"),
    Rule(
        "hub.baseUrl", _differs, f"{_PLACE}; in the settings, set hubs[].api_url to one with this path and hub/api"
    ),
    Rule("hub.config.JupyterHub.base_url", _is_another("/"), "the chart needs it, too; set hub.baseUrl instead"),
    Rule("hub.config.JupyterHub.load_roles", _is_given, _ROLES),
    Rule("hub.config.JupyterHub.services", _is_given, _SERVICES),
    Rule("hub.config.JupyterHub.spawner_class", _is_another("kubespawner.KubeSpawner"), _SPAWNER),
    Rule("hub.config.JupyterHub.db_url", _is_in_memory, _MEMORY),
    Rule("hub.loadRoles.*.scopes", _lacks_ours, "servers need the generated scopes to use the gateway; add them"),
    Rule("hub.loadRoles.user", _is_null, "without this role the hub does not start"),
    Rule("hub.loadRoles.*", _is_null, "if a role is null, the hub does not start"),
    Rule("hub.config.Spawner.server_token_scopes", _lacks_ours, "servers need the generated scopes; add them"),
    Rule("hub.config.Authenticator.username_pattern", _differs, _OTHER_NAMES),
    Rule("hub.config.KubeSpawner.delete_grace_period", _smaller, "servers end before their kernels are deleted"),
    Rule("hub.config.KubeSpawner.*_security_context.runAsUser", _is_given, _IDS),
    Rule("hub.config.KubeSpawner.*_security_context.runAsGroup", _is_given, _IDS),
    Rule("hub.config.KubeSpawner.*_security_context.privileged", _is_on, _PRIVILEGED, "warning"),
    Rule(
        "hub.config.KubeSpawner.*_security_context.capabilities.add",
        _is_on,
        "servers may get privileges",
        "warning",
    ),
    Rule("hub.config.KubeSpawner.extra_container_config.*", _is_given, _CONTAINER, "warning"),
    Rule(
        "hub.config.KubeSpawner.container_security_context*", _lacks_ours, "servers may get privileges", "warning"
    ),
    Rule("hub.config.KubeSpawner.pod_security_context*", _lacks_ours, "servers may get privileges", "warning"),
    Rule("hub.config.KubeSpawner.privileged", _is_on, _PRIVILEGED, "warning"),
    Rule("hub.config.KubeSpawner.working_dir", _differs, "servers would not start in their home; remove it"),
    Rule("hub.config.KubeSpawner.gid", _differs, _IDS),
    Rule(
        "hub.config.KubeSpawner.supplemental_gids", _is_on, f"{_IDS}, and policy.rules for more groups", "warning"
    ),
    Rule("hub.config.KubeSpawner.slug_scheme", _is_another("safe"), _HOME),
    Rule(
        "hub.config.KubeSpawner.args", _is_on, "these may override the generated ones in singleuser.cmd", "warning"
    ),
    Rule("hub.config.KubeSpawner.enable_user_namespaces", _is_on, _ELSEWHERE),
    Rule("hub.config.KubeSpawner.namespace", _is_given, _ELSEWHERE),
    Rule("hub.config.KubeSpawner.pvc_name_template", _differs, _HOME),
    Rule("hub.config.KubeSpawner.storage_pvc_ensure", _differs, _HOME),
    Rule("hub.config.JupyterHub.subdomain_host", _differs, _ORIGIN),
    Rule("hub.config.JupyterHub.cookie_host_prefix_enabled", _differs, _COOKIES, "warning"),
    Rule("proxy.chp.extraCommandLineFlags", _lacks_ours, f"{_LIST} the proxy must tell the servers' hosts apart"),
    Rule("hub.db.type", _is_in_memory, _MEMORY),
    Rule("hub.db.url", _is_in_memory, _MEMORY),
    Rule("hub.networkPolicy.ingress", _lacks_ours, f"{_LIST} the gateway must reach the hub"),
    Rule("hub.networkPolicy.egress", _lacks_ours, f"{_LIST} the hub must reach servers and the API server"),
    Rule(
        "hub.consecutiveFailureLimit", _differs, "any user whose server fails to start can end the hub", "warning"
    ),
    Rule("hub.extraFiles.kernelpod*", _differs, "the hub needs this file for its courses"),
    Rule("hub.extraConfig.90-kernelpod", _differs, "the hub needs these lines for its courses"),
    Rule("hub.extraVolume*", _lacks_ours, f"{_LIST} the hub reads its courses or database there"),
    Rule("hub.initContainers", _lacks_ours, f"{_LIST} one of them makes the folder of the database"),
    Rule("hub.services.*", _is_null, "the gateway must be a service of the hub"),
    Rule("singleuser.cmd", _differs, _ARGUMENTS),
    Rule(
        "singleuser.extraEnv",
        _lacks_ours,
        "the generated variables are lost, so servers could not use the gateway",
    ),
    Rule("singleuser.extraEnv.KERNEL_PATH", lambda ours, yours: ours != yours, _HOME),
    Rule("singleuser.extraEnv.JUPYTER_GATEWAY_*", _differs, "servers could not reach or use the gateway"),
    Rule("singleuser.extraEnv.*_ACTIVITY_*", _differs, f"servers report busy kernels too late; {_CULLING}"),
    Rule("singleuser.extraEnv.HOME", _differs, _HOME),
    Rule("singleuser.extraEnv.*", _is_no_template, "KubeSpawner replaces {...}; double literal braces"),
    Rule("singleuser.storage.type", _differs, _HOME),
    Rule("singleuser.storage.homeMountPath", _differs, _HOME),
    Rule("singleuser.storage.extraVolume*", _lacks_ours, f"{_LIST} one of them is the home"),
    Rule("singleuser.initContainers", _lacks_ours, f"{_LIST} one of them creates homes"),
    Rule("singleuser.extraPodConfig.hostUsers", _differs, "servers may get privileges", "warning"),
    Rule("singleuser.extraPodConfig", _lacks_ours, "the generated fields of the pod are lost; add yours instead"),
    Rule(
        "singleuser.extraPodConfig.*ontainers",
        _is_on,
        "this replaces those of the pod; use initContainers instead",
    ),
    Rule("singleuser.extraPodConfig.volumes", _is_on, "this replaces the home; use storage.extraVolumes instead"),
    Rule("singleuser.startTimeout", _smaller, "a server that stops may still be deleting its kernels", "warning"),
    Rule("singleuser.uid", _differs, _IDS),
    Rule("singleuser.fsGid", _is_on, "on some volumes the owners of all homes would change; remove it"),
    Rule("singleuser.networkPolicy.enabled", _is_off, "servers can reach all addresses, even NFS", "warning"),
    Rule("singleuser.networkPolicy.egress", _lacks_the_gateway, f"{_LIST} servers must reach the gateway"),
    Rule(
        "singleuser.networkPolicy.egressAllowRules.privateIPs",
        _is_on,
        "servers can reach private addresses, even nodes and NFS; list those that they need in egress",
        "warning",
    ),
    Rule("*.networkPolicy.egressAllowRules.nonPrivateIPs", _is_on, _METADATA, "warning"),
    Rule("*.networkPolicy.egressAllowRules.cloudMetadataServer", _is_on, _METADATA, "warning"),
    Rule("cull.enabled", _differs, f"kernels are culled by another setting; {_CULLING}"),
    Rule("cull.timeout", _smaller, f"servers are culled before their kernels; {_CULLING}"),
    Rule("cull.every", _is_null, f"the culler uses its own default interval; {_CULLING}", "warning"),
    Rule("cull.maxAge", _is_on, "servers are culled while their kernels are busy", "warning"),
    Rule("singleuser.allowPrivilegeEscalation", _is_on, "servers may get privileges", "warning"),
)
