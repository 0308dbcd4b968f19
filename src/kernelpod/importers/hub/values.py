"""Converts values of any version of Zero to JupyterHub to additional values and settings of the gateway."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from kernelpod.base.chartkeys import KEYS, SECTIONS
from kernelpod.findings.secrets import secrets_in, shown
from kernelpod.findings.sentences import sentences
from kernelpod.findings.yamlfile import Keys, dotted, leaves_of
from kernelpod.importers.helm.files import HelmValues, others_of
from kernelpod.importers.hub.auth import move_auth, move_renamed
from kernelpod.importers.hub.bitnami import is_bitnami, move_bitnami
from kernelpod.importers.hub.broken import (
    Judge,
    ask_of_containers,
    ask_of_lost,
    drop_broken,
    nothing_broken,
    take_spawner,
)
from kernelpod.importers.hub.chartkeys import GENERATED, drop_other_shapes
from kernelpod.importers.hub.commands import keep_options
from kernelpod.importers.hub.containers import take_init_containers
from kernelpod.importers.hub.culling import take_culling
from kernelpod.importers.hub.homes import homes_of
from kernelpod.importers.hub.ids import take_ids
from kernelpod.importers.hub.network import ask_of_internet, take_network
from kernelpod.importers.hub.older import take_older
from kernelpod.importers.hub.roles import move_roles
from kernelpod.importers.hub.secrets import HEAD, SECRETS, SETTINGS, VALUES, take_secrets
from kernelpod.importers.hub.spawner import clean_profiles, move_traits
from kernelpod.importers.hub.variables import clean_variables, list_as_mapping
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Imported, ImportingError, Note
from kernelpod.settings.sections import Settings

_MAPPINGS = ("auth", "cull", "hub", "proxy", "singleuser")
# What stands for itself in a path of a URL.
_IN_PATHS = "/%!$&'()*+,;=:@~"
_KERNELSPEC = "of servers; kernels have what their kernelspec says"
# What is true of a kept value since kernels are pods of their own.
_KEPT = {
    **dict.fromkeys(("cpu", "extraResource", "image", "memory"), _KERNELSPEC),
    "extraEnv": "in servers; kernels have the variables of their kernelspec",
    "extraFiles": "in servers; kernels do not see these files: put what they need into the images of kernels",
    "lifecycleHooks": "it runs in servers; kernels see what it leaves in the home, and nothing else of it",
    "nodeSelector": "of servers; nodes of kernels are kernels.nodeSelector of the gateway's chart",
    "profileList": "users choose their server; what a kernel may use is a profile of its kernelspec",
}
_PULL = ("registry", "username", "email", "password")


@dataclass(frozen=True)
class Options:
    """What the values do not say."""

    version: str = ""
    """The version of the chart that ran with these values; empty if nobody knows."""
    nfs: str = ""
    """`SERVER:/FOLDER` where a storage class makes the claims of users."""
    broken: Judge = nothing_broken


def imported_values(given: HelmValues, options: Options = Options()) -> Imported:
    """Return values for use after `kernelpod hub values`, their secrets, and settings. Raises ImportingError."""
    made = Imported(given.tree, others_of(given, "the hub"))
    values = Values(made)
    values.leave_encrypted()
    # Versions of Bitnami's chart have other numbers.
    version = "" if is_bitnami(values.data) else options.version or given.version
    ask_of_internet(values, version)
    _nulls(values)
    if is_bitnami(values.data):
        move_bitnami(values)
    _strays(values)
    move_renamed(values)
    take_older(values, version)
    drop_other_shapes(values)
    move_auth(values, version)
    _pull_secrets(values)
    take_spawner(values)
    move_traits(values)
    keep_options(values)
    ask_of_containers(values)
    settings = settings_of(values, version, options.nfs)
    settings |= _base_path(values)
    take_network(values)
    move_roles(values)
    _unknown(values)
    check_settings(made, settings)
    ask_of_lost(values, settings)
    drop_broken(values, settings, options.broken)
    secrets = take_secrets(values)
    _kept(values)
    made.write_yaml(VALUES, values.data)
    if secrets:
        made.write_yaml(SECRETS, secrets, HEAD)
        made.private.add(SECRETS)
    write_settings(made, settings)
    return made


def settings_of(values: Values, version: str, nfs: str) -> dict[str, Any]:
    """Take what settings say for servers and kernels out of the values; return it."""
    _hub(values)
    list_as_mapping(values)
    clean_profiles(values)
    settings = homes_of(values, version, nfs)
    clean_variables(values)
    return settings | take_init_containers(values) | take_ids(values) | take_culling(values)


def check_settings(made: Imported, settings: dict[str, Any]) -> None:
    """Raise ImportingError if settings are invalid."""
    try:
        Settings.model_validate(settings)
    except ValidationError as error:
        file = made.tree.spot(()).file
        raise ImportingError("\n".join(f"{file}: settings.{one}" for one in sentences(error, Settings))) from error


def write_settings(made: Imported, settings: dict[str, Any]) -> None:
    """Add `settings.yaml`, if there is something in it. Raises ImportingError if they are invalid."""
    check_settings(made, settings)
    if settings:
        made.write_yaml(SETTINGS, settings)
    if any(secrets_in(settings)):
        made.private.add(SETTINGS)
        made.note((), "warning", f"{SETTINGS} has a secret: keep it out of repositories, too")


def _nulls(values: Values) -> None:
    """Drop each null, which unsets a default, where the new values would lose something or the hub not start."""
    for keys, value in list(leaves_of(values.data)):
        path = dotted(keys)
        if value is not None or not keys:
            continue
        if path in GENERATED:
            values.drop(keys, "null would remove what `kernelpod hub values` makes there")
        elif keys[:2] == ("hub", "config"):
            values.drop(keys, "null: the hub uses its default")
        elif keys[0] in ("auth", "cull", "https", "imagePullSecret") or len(keys) == 1:
            values.drop(keys, "null: nothing is set")


def _strays(values: Values) -> None:
    """Move `https` beside `proxy` into it, and drop sections that the chart does not have."""
    values.move("https", "proxy.https", "outside of proxy it had no effect")
    for key in list(values.data):
        if key not in SECTIONS and key != "auth":
            values.drop((key,), "the chart has no such section and would reject it")
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
    where: Keys = ("hub", "extraConfig")
    code = values.get(where)
    if isinstance(code, (str, list)):
        values.pop(where)
        for number, block in enumerate([code] if isinstance(code, str) else code):
            began = where if isinstance(code, str) else (*where, number)
            values.put((*where, f"{number:02}-imported"), block, began)
        values.note("hub.extraConfig", "changed", "it is a mapping by name now")
    if code:
        why = "Python code is copied unchecked: look for secrets, mounts, commands and KERNEL_... variables"
        values.note("hub.extraConfig", "warning", why)


def _unknown(values: Values) -> None:
    for section, known in KEYS.items():
        for key in [key for key in values.section((section,)) if key not in known]:
            values.drop((section, key), "the chart has no such key and would refuse the file")


def _base_path(values: Values) -> dict[str, Any]:
    """Return the settings for a hub below a path, by which the values of `kernelpod hub values` have it, too."""
    values.move("hub.config.JupyterHub.base_url", "hub.baseUrl")
    bound = "hub.config.JupyterHub.bind_url"
    if (
        isinstance(address := values.get(bound), str)
        and (below := _path_of(address))
        and not values.has("hub.baseUrl")
    ):
        values.pop(bound)
        values.put("hub.baseUrl", below, bound)
    path = values.get("hub.baseUrl")
    if not isinstance(path, str) or not path.strip("/"):
        return {}
    url = f"http://hub.hub:8081/{quote(path.strip('/'), safe=_IN_PATHS)}/hub/api"
    values.drop("hub.baseUrl", f"it is the path of hubs[0].api_url of the settings now: {url}", "changed")
    values.made.note((), "added", "hubs[0].api_url names the namespace `hub`; change it if the hub's is another")
    return {"hubs": [{"api_url": url}]}


def _path_of(url: str) -> str:
    """Return the path of a URL; empty if it is the root, or if this is no URL."""
    with contextlib.suppress(ValueError):
        return urlsplit(url).path.strip("/")
    return ""


def _kept(values: Values) -> None:
    """Report the values that are unchanged."""
    values.made.unchanged |= set(values.unchanged())
    for section, inner in values.data.items():
        for keys in [(section, key) for key in inner] if isinstance(inner, dict) and inner else [(section,)]:
            if keys in values.made.tree.spots:
                why = _KEPT.get(keys[-1], "") if section == "singleuser" else ""
                values.made.means[keys] = why
                values.made.notes.append(Note(values.made.tree.spot(keys), shown(keys), "kept", why))
