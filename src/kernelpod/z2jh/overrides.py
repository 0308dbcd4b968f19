"""Finds which generated values an admin's own values for Zero to JupyterHub override, and what that breaks.

Helm merges the admin's file over the generated one: mappings are merged, all other values, lists included, are
replaced, and `null` removes a key.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kernelpod.findings.finding import Finding, Level
from kernelpod.findings.yamlfile import Keys, YamlTree

Values = dict[str, Any]


@dataclass(frozen=True)
class _Rule:
    path: str
    """Dotted path of a value; `*` matches any text, including dots."""
    bad: Callable[[Any, Any], bool]
    """Returns whether the admin's value breaks something; gets the generated value or None, and the admin's."""
    said: str
    level: Level = "error"


def _differs(ours: Any, yours: Any) -> bool:
    return ours is not None and bool(ours != yours)


def _lacks_ours(ours: Any, yours: Any) -> bool:
    return ours is not None and (not isinstance(yours, list) or any(one not in yours for one in ours))


def _lacks_the_gateway(ours: Any, yours: Any) -> bool:
    """Return whether a list lacks the first generated entry. An admin may leave out the internet behind it."""
    return _lacks_ours(ours and ours[:1], yours)


def _smaller(ours: Any, yours: Any) -> bool:
    return ours is not None and (not isinstance(yours, (int, float)) or yours < ours)


def _is_null(_: Any, yours: Any) -> bool:
    return yours is None


def _is_on(_: Any, yours: Any) -> bool:
    return bool(yours)


def _replaced(ours: Any, yours: Any) -> bool:
    return ours is not None and ours != yours


def _is_off(_: Any, yours: Any) -> bool:
    return not yours


def _is_no_template(_: Any, yours: Any) -> bool:
    """Return whether KubeSpawner's str.format would fail on a text or replace something by accident."""
    if not isinstance(yours, str):
        return False
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(yours) if name is not None}
    except ValueError:
        return True
    return not fields <= {"username", "unescaped_username", "servername", "unescaped_servername", "userid"}


_HOME = "servers and kernels would have different homes; set homes in the settings instead"
_ARGUMENTS = "the generated arguments are lost, so Lab would show every kernel as Unknown; remove cmd"
_OTHER_NAMES = "in this chart's version, other names have different homes in servers and kernels; remove it"
_LIST = "this list replaces the generated one and lacks its entries; copy them, because"
_ORIGIN = "servers would share an origin, or have no addresses; set hubs[].subdomain_host in the settings instead"
_COOKIES = "a server's page could log somebody in as another user"
_CULLING = "set culling.idle_seconds instead"
_METADATA = "this opens metadata services of some clouds; the generated egress allows the rest"
# The first rule whose path matches is used.
RULES = (
    _Rule("hub.loadRoles.*.scopes", _lacks_ours, "servers need the generated scopes to use the gateway; add them"),
    _Rule("hub.loadRoles.user", _is_null, "without this role the hub does not start"),
    _Rule("hub.loadRoles.*", _is_null, "if a role is null, the hub does not start"),
    _Rule("hub.config.Spawner.server_token_scopes", _lacks_ours, "servers need the generated scopes; add them"),
    _Rule("hub.config.Authenticator.username_pattern", _replaced, _OTHER_NAMES),
    _Rule("hub.config.KubeSpawner.delete_grace_period", _smaller, "servers end before their kernels are deleted"),
    _Rule("hub.config.KubeSpawner.container_security_context", _differs, "servers may get privileges", "warning"),
    _Rule("hub.config.JupyterHub.subdomain_host", _differs, _ORIGIN),
    _Rule("hub.config.JupyterHub.cookie_host_prefix_enabled", _differs, _COOKIES, "warning"),
    _Rule("proxy.chp.extraCommandLineFlags", _lacks_ours, f"{_LIST} the proxy must tell the servers' hosts apart"),
    _Rule("hub.db.type", lambda _, yours: yours == "sqlite-memory", "a restarted hub loses all running servers"),
    _Rule("hub.networkPolicy.ingress", _lacks_ours, f"{_LIST} the gateway must reach the hub"),
    _Rule("hub.networkPolicy.egress", _lacks_ours, f"{_LIST} the hub must reach servers and the API server"),
    _Rule("hub.consecutiveFailureLimit", _differs, "a user whose starts are refused can end the hub", "warning"),
    _Rule("hub.extraFiles.kernelpod*", _differs, "the hub needs this file for its courses"),
    _Rule("hub.extraConfig.90-kernelpod", _differs, "the hub needs these lines for its courses"),
    _Rule("hub.extraVolume*", _lacks_ours, f"{_LIST} the hub reads its courses there"),
    _Rule("hub.services.*", _is_null, "the gateway must be a service of the hub"),
    _Rule("singleuser.cmd", _differs, _ARGUMENTS),
    _Rule("singleuser.extraEnv.KERNEL_PATH", lambda ours, yours: ours != yours, _HOME),
    _Rule("singleuser.extraEnv.JUPYTER_GATEWAY_*", _differs, "servers could not reach or use the gateway"),
    _Rule("singleuser.extraEnv.*_ACTIVITY_*", _differs, f"servers report busy kernels too late; {_CULLING}"),
    _Rule("singleuser.extraEnv.HOME", _differs, _HOME),
    _Rule("singleuser.extraEnv.*", _is_no_template, "KubeSpawner replaces {...}; double literal braces"),
    _Rule("singleuser.storage.type", _differs, _HOME),
    _Rule("singleuser.storage.homeMountPath", _differs, _HOME),
    _Rule("singleuser.storage.extraVolume*", _lacks_ours, f"{_LIST} one of them is the home"),
    _Rule("singleuser.initContainers", _lacks_ours, f"{_LIST} one of them creates homes"),
    _Rule("singleuser.uid", _differs, "servers and kernels would have different ids; set policy.uid instead"),
    _Rule("singleuser.fsGid", _differs, "servers and kernels would have different ids; set policy.gid instead"),
    _Rule("singleuser.networkPolicy.enabled", _is_off, "servers can reach all addresses, even NFS", "warning"),
    _Rule("singleuser.networkPolicy.egress", _lacks_the_gateway, f"{_LIST} servers must reach the gateway"),
    _Rule(
        "singleuser.networkPolicy.egressAllowRules.privateIPs",
        _is_on,
        "servers can reach private addresses, even nodes and NFS; list those that they need in egress",
        "warning",
    ),
    _Rule("*.networkPolicy.egressAllowRules.nonPrivateIPs", _is_on, _METADATA, "warning"),
    _Rule("*.networkPolicy.egressAllowRules.cloudMetadataServer", _is_on, _METADATA, "warning"),
    _Rule("cull.enabled", _differs, f"kernels are culled by another setting; {_CULLING}"),
    _Rule("cull.timeout", _smaller, f"servers are culled before their kernels; {_CULLING}"),
    _Rule("cull.every", _is_null, f"the culler uses its own default interval; {_CULLING}", "warning"),
    _Rule("cull.maxAge", _is_on, "servers are culled while their kernels are busy", "warning"),
    _Rule("singleuser.allowPrivilegeEscalation", _is_on, "servers may get privileges", "warning"),
)


def overrides(ours: Values, yours: YamlTree) -> list[Finding]:
    """Return the generated values that the admin's values break or change, sorted by their places in the file."""
    return sorted(_found(ours, yours.data, yours, ()))


def _found(ours: Any, yours: Values, tree: YamlTree, above: Keys) -> Iterator[Finding]:
    for key, value in yours.items():
        keys = (*above, key)
        mine = ours.get(key) if isinstance(ours, dict) else None
        if isinstance(value, dict):
            yield from _found(mine, value, tree, keys)
        elif found := _said(".".join(map(str, keys)), mine, value):
            said, level = found
            file, place = tree.spot(keys)
            yield Finding(file, place, f"{'.'.join(map(str, keys))}: {said}", level)


def _said(path: str, mine: Any, value: Any) -> tuple[str, Level] | None:
    if rule := _broken(path, mine, value):
        return rule.said, rule.level
    if isinstance(mine, dict) and mine:
        # The whole section is replaced by null or by another value, so all values in it are lost.
        return "the section is removed, with all generated values in it", "error"
    return ("replaces the generated value", "note") if mine is not None and mine != value else None


def _broken(path: str, mine: Any, value: Any) -> _Rule | None:
    rule = next((rule for rule in RULES if fnmatchcase(path, rule.path)), None)
    return rule if rule and rule.bad(mine, value) else None
