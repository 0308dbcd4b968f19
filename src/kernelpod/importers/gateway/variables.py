"""Converts the variables of a stock Enterprise Gateway, most of which are its settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from kernelpod.base.merging import merged
from kernelpod.findings.secrets import shown
from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.gateway.made import NewGateway
from kernelpod.importers.kernelspecs.taking import legal_name
from kernelpod.importers.report import ImportingError
from kernelpod.settings.sections import Settings

# The second prefix is Kernel Gateway's, whose names Enterprise Gateway took, too.
_OURS = re.compile(r"(?:EG|KG)_(?P<name>\w+)")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# Amounts, by the settings that have them.
_SETTINGS = {
    "CULL_IDLE_TIMEOUT": "culling.idle_seconds",
    "KERNEL_LAUNCH_TIMEOUT": "start.launch_timeout_seconds",
    "MAX_KERNELS": "policy.max_kernels",
    "MAX_KERNELS_PER_USER": "policy.max_kernels_per_user",
    "WS_PING_INTERVAL_SECS": "gateway.ping_interval_seconds",
}
# Below zero these mean no limit.
_LIMITS = ("MAX_KERNELS", "MAX_KERNELS_PER_USER")
_WHO = ("AUTHORIZED_USERS", "UNAUTHORIZED_USERS")
# As many kernels as somebody may have who has no limit, where others have the limit 0.
_MANY = 50
PROVEN = "no token is shared: each user shows what the hub gave to their server, and others are refused"
_PUBLISHED = "the gateway offers what is published: take over only these, with `kernelpod specs import`"
ONE_NAMESPACE = "all kernels have one namespace, kernels.namespace.name, and network policies keep them apart"
_SERVED = "no browser asks the gateway; users' servers do"
_GIVEN = "ids are those of policy in the settings, never 0, and no client can ask for others"
_FIXED = "kernels get the variables of their kernelspec, and what the gateway sets"
_ON_ITS_OWN = "the gateway answers at the root of its service, and the chart sets its port and addresses"
_CERTIFICATE = "mount a Secret with it (extraVolumes), and set gateway.cert_file and gateway.key_file of settings"
_FOR_IT = "it is for Enterprise Gateway's own code"
_BY_PREFIX: tuple[tuple[str, str], ...] = (
    ("AUTH_TOKEN|AUTH_TYPE|AUTHORIZER_CLASS|IMPERSONATION_ENABLED", PROVEN),
    ("ALLOW_(?!ED)|EXPOSE_|MAX_AGE|AUTHORIZED_ORIGIN|TRUST_XHEADERS", _SERVED),
    ("PROHIBITED_[UG]IDS|[UG]ID_BLACKLIST", _GIVEN),
    ("CLIENT_ENVS|INHERITED_ENVS|ENV_WHITELIST|ENV_PROCESS_WHITELIST", _FIXED),
    ("BASE_URL|IP$|PORT|RESPONSE_", _ON_ITS_OWN),
    ("NAMESPACE|SHARED_NAMESPACE|KERNEL_CLUSTER_ROLE|DEFAULT_KERNEL_SERVICE_ACCOUNT", ONE_NAMESPACE),
    ("LIST_KERNELS", "each user lists their own kernels, and only those"),
    ("CULL_CONNECTED", "a kernel with a page ends with its server, when that is idle"),
    ("CULL_INTERVAL", "it follows from culling.idle_seconds"),
    ("MIRROR_WORKING_DIRS", "servers and kernels mount homes at one place"),
    ("KERNEL_SESSION_PERSISTENCE|AVAILABILITY_MODE|PERSISTENCE_ROOT", "kernels are found in the cluster again"),
    ("KERNELSPEC_CACHE", "a new release of kernelspecs is seen at once"),
)


def take_variables(new: NewGateway, given: list[tuple[Keys, Any]]) -> None:
    """Convert lists of variables as containers have them, or mappings of them by name.

    Of two variables of one name the last one counts, and of two that are one setting that with EG_.
    """
    found: dict[str, tuple[Keys, dict[str, Any]]] = {}
    for place, variable in (one for keys, value in given for one in _listed(new, keys, value)):
        if variable["name"] in found:
            new.made.note(found[variable["name"]][0], "dropped", f"{shown(place)} sets it again")
        found[variable["name"]] = place, variable
    lists: dict[str, tuple[Keys, list[str]]] = {}
    kept: list[dict[str, Any]] = []
    for place, variable in found.values():
        ours = _OURS.fullmatch(variable["name"])
        name = ours["name"] if ours else ""
        if not ours:
            kept.append(variable)
            new.made.note(place, "changed", "it is in extraEnv now")
        elif f"EG_{name}" in found and variable["name"] != f"EG_{name}":
            new.made.note(place, "dropped", f"EG_{name} takes precedence")
        elif "value" not in variable:
            limits = name in (*_WHO, *_LIMITS)
            why = "see policy of the settings" if limits else _why(name)
            new.made.note(place, "left", f"its value is not in this file; {why}")
            if limits:
                new.made.ask("everybody", place, f"{variable['name']} limits who starts how much, and is not read")
        else:
            _take(new, place, name, str(variable["value"]), lists)
    _who(new, lists)
    if kept:
        new.values["extraEnv"] = kept


def _listed(new: NewGateway, keys: Keys, given: Any) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Yield variables as containers have them, each with its place."""
    if not isinstance(given, list | dict):
        why = "nothing is set" if given is None else "variables are a list, or a mapping by name"
        new.made.note(keys, "dropped", why)
        return
    for key, one in given.items() if isinstance(given, dict) else enumerate(given):
        if (variable := _as_container(key, one)) is None:
            new.made.note((*keys, key), "dropped", "a variable needs a name and a value")
        else:
            yield (*keys, key), variable


def take_setting(new: NewGateway, keys: Keys, name: str, value: Any) -> None:
    """Convert what a variable of this name, or a value of the chart, says."""
    if name == "DEFAULT_KERNEL_NAME":
        _default(new, keys, str(value))
        return
    text = str(value).strip()
    if not text:
        new.made.note(keys, "dropped", "nothing is set")
        return
    number: float | None = float(text) if _NUMBER.fullmatch(text) else None
    if number is None:
        new.made.note(keys, "dropped", f"settings.{_SETTINGS[name]} is a number, and this is none")
    elif number < 0 and name in _LIMITS:
        new.set(keys, _SETTINGS[name], None, "no limit")
    elif name == "CULL_IDLE_TIMEOUT":
        new.set(keys, _SETTINGS[name], max(_plain(number), 0), "kernels end when they are idle, then servers")
    else:
        new.set(keys, _SETTINGS[name], _plain(number))
    if name in _LIMITS and not new.has(keys):
        new.made.ask("everybody", keys, f"it limits kernels, and settings.{_SETTINGS[name]} does not take it")


def take_kernels(new: NewGateway, keys: Keys, value: Any) -> None:
    """Say what becomes of a list of the kernelspecs that may be used; an empty one allowed all."""
    if value is not None and not isinstance(value, list | str):
        new.made.note(keys, "dropped", "a list of names was expected here")
        return
    some = words_of(value)
    new.made.note(keys, "left" if some else "dropped", _PUBLISHED if some else "it is empty: all were allowed")


def words_of(value: Any) -> list[str]:
    """Return the words of a list, or of a text that has them between commas or as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.lstrip().startswith("[") else value.split(",")
        except ValueError:
            value = value.strip("[] ").split(",")
    words = [str(word).strip(" '\"") for word in value] if isinstance(value, list) else []
    return [word for word in words if word]


def _plain(number: float) -> float:
    return int(number) if number.is_integer() else number


def _as_container(key: Any, one: Any) -> dict[str, Any] | None:
    """Return a variable as containers have it; None if it is none."""
    if isinstance(key, str):
        return {"name": key, **one} if isinstance(one, dict) else {"name": key, "value": _text(one)}
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        return None
    # What is encrypted has no value here.
    if not {"value", "valueFrom"} & one.keys() and not _OURS.fullmatch(one["name"]):
        return None
    return {**one, "value": _text(one["value"])} if "value" in one else one


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else "" if value is None else str(value)


def _take(new: NewGateway, keys: Keys, name: str, value: str, lists: dict[str, tuple[Keys, list[str]]]) -> None:
    if name in _WHO:
        if users := words_of(value):
            lists[name] = keys, users
        else:
            new.made.note(keys, "dropped", "nothing is set")
    elif name in ("ALLOWED_KERNELS", "KERNEL_WHITELIST"):
        take_kernels(new, keys, value)
    elif name == "CULL_BUSY":
        new.set(keys, "culling.busy", "cull" if value.lower() == "true" else "keep")
    elif name == "DEFAULT_KERNEL_NAME" or name in _SETTINGS:
        take_setting(new, keys, name, value)
    elif name in ("CERTFILE", "KEYFILE", "CLIENT_CA"):
        new.made.note(keys, "left", _CERTIFICATE)
    else:
        new.made.note(keys, "dropped", _why(name))
        _ids(new, keys, name, words_of(value))


def _why(name: str) -> str:
    return next((why for form, why in _BY_PREFIX if re.match(form, name)), _FOR_IT)


def _ids(new: NewGateway, keys: Keys, name: str, words: list[str]) -> None:
    """Warn of an id that the old gateway refused, and that is the usual one here."""
    policy = Settings().policy
    for kind, usual in (("UID", policy.uid), ("GID", policy.gid)):
        if kind in name and ("PROHIBITED" in name or "BLACKLIST" in name) and str(usual) in words:
            new.made.note(
                keys, "warning", f"{usual} was refused: set policy.{kind.lower()} of settings to another"
            )


def _who(new: NewGateway, lists: dict[str, tuple[Keys, list[str]]]) -> None:
    """Make rules of who may start kernels: a limit of 0 kernels starts none. The first rule for a user counts."""
    refused, allowed = lists.get("UNAUTHORIZED_USERS", ((), [])), lists.get("AUTHORIZED_USERS", ((), []))
    usual = new.settings.get("policy", {}).get("max_kernels_per_user", Settings().policy.max_kernels_per_user)
    # A rule without a number would leave to these users the limit of all others.
    usual = _MANY if usual is None else usual
    made = [
        (keys, {"users": users, "max_kernels_per_user": most}, why)
        for (keys, users), most, why in (
            (refused, 0, "these users start no kernels"),
            (allowed, usual, f"they start at most {usual} kernels each, and nobody else starts one"),
        )
        if users
    ]
    if not made:
        return
    policy: dict[str, Any] = {"rules": [rule for _, rule, _ in made]}
    if allowed[1]:
        policy["max_kernels_per_user"] = 0
    new.settings = merged(new.settings, {"policy": policy})
    for keys, _, why in made:
        new.made.note(keys, "changed", f"it is settings.policy.rules now: {why}")


def _default(new: NewGateway, keys: Keys, name: str) -> None:
    try:
        legal, _ = legal_name(name)
    except ImportingError:
        new.made.note(keys, "dropped", "no kernelspec has such a name")
        return
    new.set(keys, "kernelspecs.default", legal, "as `kernelpod specs import` names it")
