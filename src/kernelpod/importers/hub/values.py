"""Converts values of any version of Zero to JupyterHub to additional values and settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kernelpod.base.chartkeys import SECTIONS
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.sentences import sentences
from kernelpod.findings.yamlfile import read_tree
from kernelpod.importers.hub.auth import move_auth
from kernelpod.importers.hub.homes import homes_of
from kernelpod.importers.hub.moves import Values
from kernelpod.importers.hub.secrets import leave_out_secrets
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.culling import MOST_IDLE_SECONDS
from kernelpod.settings.sections import Settings

_RENAMED = {
    # Names before JupyterHub 1.2, and names that people used by mistake.
    "hub.config.Authenticator.whitelist": "hub.config.Authenticator.allowed_users",
    "hub.config.Authenticator.allowlist": "hub.config.Authenticator.allowed_users",
    "hub.config.Authenticator.blacklist": "hub.config.Authenticator.blocked_users",
    "hub.config.Authenticator.blocklist": "hub.config.Authenticator.blocked_users",
    "hub.extraConfigMap": "custom",
    "hub.uid": "hub.containerSecurityContext.runAsUser",
    "proxy.containerSecurityContext": "proxy.chp.containerSecurityContext",
    "proxy.networkPolicy": "proxy.chp.networkPolicy",
    "proxy.pdb": "proxy.chp.pdb",
}
_MAPPINGS = ("auth", "cull", "hub", "proxy", "singleuser")
# The chart's default of `cull.timeout`.
_CULL_SECONDS = 3600
_PULL = ("registry", "username", "email", "password")


def imported_values(file: Path, keep_secrets: bool = False) -> Imported:
    """Return `values.yaml` for use after `kernelpod hub values`, and `settings.yaml`. Raises ImportingError."""
    try:
        made = Imported(read_tree(file))
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error
    values = Values(made)
    if not values.data.keys() & {*SECTIONS, "auth", "https"}:
        raise ImportingError(f"{file}: the file has no section of the chart, such as hub or singleuser")
    _strays(values)
    for old, new in _RENAMED.items():
        values.move(old, new)
    move_auth(values)
    _pull_secrets(values)
    _hub(values)
    settings = homes_of(values)
    _environment(values)
    _network(values)
    settings |= _ids(values) | _culling(values)
    leave_out_secrets(values, keep_secrets)
    _kept(values)
    made.write_yaml("values.yaml", values.data)
    try:
        Settings.model_validate(settings)
    except ValidationError as error:
        raise ImportingError("\n".join(f"{file}: settings.{one}" for one in sentences(error, Settings))) from error
    if settings:
        made.write_yaml("settings.yaml", settings)
    return made


def _strays(values: Values) -> None:
    """Move `https` beside `proxy` into it, and drop sections that the chart does not have."""
    values.move("https", "proxy.https", "outside of proxy it had no effect")
    for key in list(values.data):
        if key not in SECTIONS and key != "auth":
            values.drop((key,), "the chart has no such section and would reject it")
        elif values.data[key] is None:
            values.data.pop(key)
        elif key in _MAPPINGS and not isinstance(values.data[key], dict):
            values.drop((key,), "a mapping of keys was expected here")


def _pull_secrets(values: Values) -> None:
    for where in ("hub", "singleuser"):
        old = f"{where}.imagePullSecret"
        if values.has(old):
            values.move(f"{old}.enabled", "imagePullSecret.create")
            for key in _PULL:
                values.move(f"{old}.{key}", f"imagePullSecret.{key}")
            values.drop(old, "imagePullSecret is now for hub and servers")


def _hub(values: Values) -> None:
    inverted = values.pop("singleuser.cloudMetadata.enabled")
    if isinstance(inverted, bool):
        values.put("singleuser.cloudMetadata.blockWithIptables", not inverted, "singleuser.cloudMetadata.enabled")
        why = "it is singleuser.cloudMetadata.blockWithIptables now, with the opposite value"
        values.note("singleuser.cloudMetadata.enabled", "changed", why)
    elif inverted is not None:
        values.note("singleuser.cloudMetadata.enabled", "dropped", "true or false was expected here")
    code = values.get("hub.extraConfig")
    if isinstance(code, (str, list)):
        blocks = [code] if isinstance(code, str) else code
        values.pop("hub.extraConfig")
        numbered = {f"{number:02}-imported": block for number, block in enumerate(blocks)}
        values.put("hub.extraConfig", numbered, "hub.extraConfig")
        values.note("hub.extraConfig", "changed", "it is a mapping by name now")
    if code:
        why = "Python code is copied unchecked: look for secrets, mounts, commands and KERNEL_... variables"
        values.note("hub.extraConfig", "warning", why)
    values.drop("singleuser.initContainers", "it would replace the container that creates homes")


def _environment(values: Values) -> None:
    for name, value in list(values.section("singleuser.extraEnv").items()):
        keys = ("singleuser", "extraEnv", name)
        if name in ("KERNEL_VOLUMES", "KERNEL_VOLUME_MOUNTS"):
            values.drop(keys, "mounts of kernels come from the gateway's settings (homes, mounts)")
        elif name.startswith("KERNEL_"):
            values.drop(keys, "kernelspecs and policy decide what kernels get")
        elif name.startswith("JUPYTER_GATEWAY_"):
            values.drop(keys, "the values of kernelpod set it")
        elif name == "JUPYTERHUB_SINGLEUSER_APP":
            values.drop(keys, "Jupyter Server is the default")
        elif isinstance(value, str) and set(value) & set("{}"):
            why = "since 3.0.0 KubeSpawner replaces {...}: double literal braces"
            values.note(keys, "warning", why)


def _network(values: Values) -> None:
    policy = "singleuser.networkPolicy"
    if values.get(f"{policy}.enabled") is False:
        why = (
            "DANGER: without it servers can reach each other and the whole cluster. "
            "The policy is on now, and the values of kernelpod let servers reach the gateway"
        )
        values.drop(f"{policy}.enabled", why)
    if values.has(f"{policy}.egress"):
        why = f"it would replace the rule to the gateway {_shown(values.get(f'{policy}.egress'))}"
        values.drop(f"{policy}.egress", why)
    if values.get(f"{policy}.egressAllowRules.privateIPs") is True:
        values.drop(
            f"{policy}.egressAllowRules.privateIPs", "the gateway's is the only private address that servers need"
        )


def _shown(egress: Any) -> str:
    if egress:
        return "of `kernelpod hub values`; add rules to those"
    return "of `kernelpod hub values`; to block the internet set egressAllowRules.nonPrivateIPs: false"


def _ids(values: Values) -> dict[str, Any]:
    policy: dict[str, int] = {}
    for old, new in (("uid", "uid"), ("fsGid", "gid")):
        key = f"singleuser.{old}"
        number = values.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and number > 0:
            values.drop(key, f"it is policy.{new} of the settings now, for servers and kernels", "changed")
            policy[new] = number
        else:
            values.drop(key, f"policy.{new} of the settings is used for servers and kernels")
    return {"policy": policy} if policy else {}


def _culling(values: Values) -> dict[str, Any]:
    """Return the idle time after which kernels and servers are culled; the generated values have the rest."""
    if not values.section("cull"):
        return {}
    on = not any(values.get(key) is False for key in ("cull.enabled", "cull.enable"))
    seconds = values.get("cull.timeout")
    fits = type(seconds) in (int, float) and 0 < seconds <= MOST_IDLE_SECONDS
    if on and not fits:
        values.made.note(("cull",), "added", f"culling.idle_seconds is {_CULL_SECONDS}, the chart's default")
    for key in ("enable", "enabled", "timeout"):
        values.drop(f"cull.{key}", "it is culling.idle_seconds of the settings now, also for kernels", "changed")
    for key in ("every", "concurrency"):
        values.drop(f"cull.{key}", "it is computed from culling.idle_seconds of the settings")
    values.drop("cull.maxAge", "servers would be culled while their kernels are busy")
    return {"culling": {"idle_seconds": (seconds if fits else _CULL_SECONDS) if on else 0}}


def _kept(values: Values) -> None:
    """Report the values that are unchanged."""
    for section, inner in values.data.items():
        for keys in [(section, key) for key in inner] if isinstance(inner, dict) else [(section,)]:
            if keys in values.made.tree.spots:
                values.note(keys, "kept")
