"""What an admin's own values for Zero to JupyterHub change of ours, and what that breaks.

Helm lays the admin's file over ours: mappings are merged, everything else, lists too, is replaced, `null` removes.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import yaml

from kernelpod.errors import SettingsError

Values = dict[str, Any]


@dataclass(frozen=True, order=True)
class Override:
    """One value of the admin's file that changes or adds to what servers and kernels rely on."""

    path: str
    said: str
    level: Literal["error", "warning", "note"] = "error"


@dataclass(frozen=True)
class _Rule:
    path: str
    """Dotted path of a value; `*` is any text, dots included."""
    bad: Callable[[Any, Any], bool]
    """Whether the admin's value breaks something; asked with ours, None where we say nothing, and the admin's."""
    said: str
    level: Literal["error", "warning"] = "error"


def _differs(ours: Any, yours: Any) -> bool:
    return ours is not None and bool(ours != yours)


def _lacks_ours(ours: Any, yours: Any) -> bool:
    return ours is not None and (not isinstance(yours, list) or any(one not in yours for one in ours))


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
    """Return whether KubeSpawner's str.format would fail on a text, or fill something in by accident."""
    if not isinstance(yours, str):
        return False
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(yours) if name is not None}
    except ValueError:
        return True
    return not fields <= {"username", "unescaped_username", "servername", "unescaped_servername", "userid"}


_HOME = "server and kernels would have different homes; change homes in the settings instead"
_ARGUMENTS = "our arguments are lost: Lab would show every kernel as Unknown; leave cmd out"
_OTHER_NAMES = "with this chart other than plain names have different homes in server and kernel; leave it out"
_RULE = "the list replaces ours, and our entries are not in it; copy them"
_CULLING = "set culling.idle_seconds instead"
# The first rule that fits a path speaks.
RULES = (
    _Rule("hub.loadRoles.*.scopes", _lacks_ours, "servers may not use the gateway without our scopes; add them"),
    _Rule("hub.loadRoles.user", _is_null, "without this role the hub does not start"),
    _Rule("hub.loadRoles.*", _is_null, "a role that is null keeps the hub from starting"),
    _Rule("hub.config.Spawner.server_token_scopes", _lacks_ours, "servers' tokens need our scopes; add them"),
    _Rule("hub.config.Authenticator.username_pattern", _replaced, _OTHER_NAMES),
    _Rule("hub.config.KubeSpawner.delete_grace_period", _smaller, "servers end before they deleted their kernels"),
    _Rule("hub.config.KubeSpawner.container_security_context", _differs, "servers may get privileges", "warning"),
    _Rule("hub.db.type", lambda _, yours: yours == "sqlite-memory", "a restarted hub forgets servers and kernels"),
    _Rule("hub.networkPolicy.ingress", _lacks_ours, f"{_RULE}: the gateway asks the hub who somebody is"),
    _Rule("hub.extraFiles.kernelpod*", _differs, "the hub needs this file for its courses"),
    _Rule("hub.extraConfig.90-kernelpod", _differs, "the hub needs these lines for its courses"),
    _Rule("hub.extraVolume*", _lacks_ours, f"{_RULE}: the hub reads its courses there"),
    _Rule("hub.services.*", _is_null, "the gateway is a service of the hub"),
    _Rule("singleuser.cmd", _differs, _ARGUMENTS),
    _Rule("singleuser.extraEnv.KERNEL_PATH", lambda ours, yours: ours != yours, _HOME),
    _Rule("singleuser.extraEnv.JUPYTER_GATEWAY_*", _differs, "servers would not find or not enter the gateway"),
    _Rule("singleuser.extraEnv.*_ACTIVITY_*", _differs, f"servers say too late that kernels compute; {_CULLING}"),
    _Rule("singleuser.extraEnv.HOME", _differs, _HOME),
    _Rule("singleuser.extraEnv.*", _is_no_template, "KubeSpawner fills in braces: double those that are meant"),
    _Rule("singleuser.storage.type", _differs, _HOME),
    _Rule("singleuser.storage.homeMountPath", _differs, _HOME),
    _Rule("singleuser.storage.extraVolume*", _lacks_ours, f"{_RULE}: the home is among them"),
    _Rule("singleuser.initContainers", _lacks_ours, f"{_RULE}: one of them makes homes"),
    _Rule("singleuser.uid", _differs, "server and kernels would have different ids; set policy.uid instead"),
    _Rule("singleuser.fsGid", _differs, "server and kernels would have different ids; set policy.gid instead"),
    _Rule("singleuser.networkPolicy.enabled", _is_off, "servers reach everything, also nodes and NFS", "warning"),
    _Rule("singleuser.networkPolicy.egress", _lacks_ours, f"{_RULE}: servers reach the gateway by it"),
    _Rule(
        "singleuser.networkPolicy.egressAllowRules.privateIPs",
        _is_on,
        "servers reach private addresses, also nodes and NFS; name what they need in egress",
        "warning",
    ),
    _Rule("cull.enabled", _differs, f"the gateway's kernels follow another number; {_CULLING}"),
    _Rule("cull.timeout", _smaller, f"servers end before their kernels; {_CULLING}"),
    _Rule("cull.every", _is_null, f"the culler looks by a number of its own; {_CULLING}", "warning"),
    _Rule("cull.maxAge", _is_on, "servers end while their kernels compute", "warning"),
    _Rule("singleuser.allowPrivilegeEscalation", _is_on, "servers may get privileges", "warning"),
)


def overrides(ours: Values, yours: Values) -> list[Override]:
    """Return what the admin's values break or change of ours, by path."""
    return sorted(_found(ours, yours, ""))


def read_values(path: Path) -> Values:
    """Return an admin's values. Raises SettingsError for what is no mapping of sections."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data or {}, dict):
        raise SettingsError(f"{path} must hold a mapping of sections such as hub: and singleuser:")
    return data or {}


def _found(ours: Any, yours: Values, before: str) -> Iterator[Override]:
    for key, value in yours.items():
        path = f"{before}{key}"
        mine = ours.get(key) if isinstance(ours, dict) else None
        if isinstance(value, dict):
            yield from _found(mine, value, f"{path}.")
            continue
        if isinstance(mine, dict) and mine:
            # A whole section replaced by null, or by something that is no section: all in it is lost.
            yield from _lost(mine, value, path)
        else:
            yield from _one(path, mine, value)


def _lost(mine: dict[str, Any], value: Any, path: str) -> Iterator[Override]:
    rule = _broken(path, mine, value)
    said = rule.said if rule else "the section is removed, and all that we say in it"
    yield Override(path, said, rule.level if rule else "error")


def _one(path: str, mine: Any, value: Any) -> Iterator[Override]:
    if rule := _broken(path, mine, value):
        yield Override(path, rule.said, rule.level)
    elif mine is not None and mine != value:
        yield Override(path, "replaces ours", "note")


def _broken(path: str, mine: Any, value: Any) -> _Rule | None:
    rule = next((rule for rule in RULES if fnmatchcase(path, rule.path)), None)
    return rule if rule and rule.bad(mine, value) else None
