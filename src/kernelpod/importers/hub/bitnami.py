"""Converts values of Bitnami's chart of JupyterHub to those of Zero to JupyterHub."""

from __future__ import annotations

from typing import Any

from kernelpod.base.chartkeys import KEYS, SECTIONS
from kernelpod.base.quantities import parse_bytes, parse_millicores
from kernelpod.importers.moves import Values

# Where the chart mounts homes if the values do not say it.
NOTEBOOK_DIR = "/opt/bitnami/jupyterhub-singleuser"
_OWN_SECTIONS = (
    "imagePuller",
    "postgresql",
    "externalDatabase",
    "diagnosticMode",
    "commonLabels",
    "clusterDomain",
)
_SINGLEUSER = {
    "singleuser.persistence.size": "singleuser.storage.capacity",
    "singleuser.persistence.storageClass": "singleuser.storage.dynamic.storageClass",
    "singleuser.notebookDir": "singleuser.storage.homeMountPath",
    "singleuser.extraEnvVars": "singleuser.extraEnv",
    "singleuser.containerSecurityContext.runAsUser": "singleuser.uid",
    "singleuser.tolerations": "singleuser.extraTolerations",
    "singleuser.podLabels": "singleuser.extraLabels",
    "singleuser.podAnnotations": "singleuser.extraAnnotations",
}
_RESOURCES = {
    "singleuser.resources.limits.memory": "singleuser.memory.limit",
    "singleuser.resources.limits.cpu": "singleuser.cpu.limit",
    "singleuser.resources.requests.memory": "singleuser.memory.guarantee",
    "singleuser.resources.requests.cpu": "singleuser.cpu.guarantee",
}
_LEFT = {
    "postgresql": "the database stays as it is; set hub.db.url and hub.db.password to it",
    "externalDatabase": "set hub.db.url and hub.db.password to it",
    "hub": "the other chart has no such key of the hub; look for what takes its place",
    "proxy": "the other chart has no such key of the proxy; look for what takes its place",
    "singleuser": "the other chart has no such key of servers; look for what takes its place",
}


def is_bitnami(data: dict[str, Any]) -> bool:
    """Return whether values are those of Bitnami's chart, by keys that only it has."""
    hub, servers = (one if isinstance(one := data.get(key), dict) else {} for key in ("hub", "singleuser"))
    return bool(
        data.keys() & set(_OWN_SECTIONS)
        or hub.keys() & {"adminUser", "configuration", "existingConfigmap"}
        or servers.keys() & {"persistence", "notebookDir", "extraEnvVars"}
    )


def move_bitnami(values: Values) -> None:
    """Move the values to their places in the other chart; what has none is left to the admin."""
    admin = values.pop("hub.adminUser")
    if admin is not None:
        values.put("hub.config.Authenticator.admin_users", [admin], "hub.adminUser")
        values.note("hub.adminUser", "changed", "it is hub.config.Authenticator.admin_users now")
    values.move("hub.password", "hub.config.DummyAuthenticator.password")
    values.drop(
        "hub.configuration", "it is a template of the hub's values; import what it gives when rendered", "left"
    )
    _image(values)
    _persistence(values)
    _resources(values)
    given = values.get("singleuser.notebookDir")
    if not isinstance(given, str) or not given:
        values.drop("singleuser.notebookDir", "it is not a path: the chart's default counts")
    for old, new in _SINGLEUSER.items():
        values.move(old, new)
    _usual_folder(values)
    for key in [key for key in values.data if key not in SECTIONS]:
        values.drop((key,), _LEFT.get(key, "the other chart has no such section"), "left")
    for section in ("hub", "proxy", "singleuser"):
        for key in [key for key in values.section((section, "networkPolicy")) if key != "enabled"]:
            values.drop((section, "networkPolicy", key), _LEFT[section], "left")
        for key in [key for key in values.section((section,)) if key not in KEYS[section]]:
            values.drop((section, key), _LEFT[section], "left")


def _usual_folder(values: Values) -> None:
    """Keep the folder where the chart mounts homes by default: notebooks name files by it."""
    place, kept = "singleuser.storage.homeMountPath", values.get("singleuser.storage.type") != "none"
    if kept and values.put(place, NOTEBOOK_DIR, place):
        why = f"homes are mounted at {NOTEBOOK_DIR}, the default of Bitnami's chart, in servers and kernels"
        values.note("singleuser.notebookDir", "added", why)


def _image(values: Values) -> None:
    """Join the parts of the image of servers."""
    image = values.section("singleuser.image")
    words = [image.get(key) for key in ("registry", "repository")]
    named: list[Any] = [word for word in words if isinstance(word, str) and word]
    if not named:
        return
    for key in ("registry", "repository"):
        if values.has(f"singleuser.image.{key}"):
            values.drop(f"singleuser.image.{key}", "it is in singleuser.image.name now", "changed")
    values.put("singleuser.image.name", "/".join(named), "singleuser.image.repository")


def _resources(values: Values) -> None:
    """Write amounts as KubeSpawner takes them: bytes, where its `G` is Kubernetes' `Gi`, and CPUs as numbers."""
    for old, new in _RESOURCES.items():
        if not values.has(old):
            continue
        amount = values.pop(old)
        try:
            made: float = parse_bytes(str(amount)) if new.startswith("singleuser.memory") else _cpus(str(amount))
        except ValueError:
            values.note(old, "dropped", "it is not an amount")
            continue
        values.put(new, made, old)
        values.note(old, "changed", f"it is {new} now, {made}")


def _cpus(amount: str) -> float:
    return parse_millicores(amount) / 1000


def _persistence(values: Values) -> None:
    """Say how homes are stored: a claim for each user, unless that is switched off."""
    keys = "singleuser.persistence.enabled"
    enabled = values.pop(keys)
    if enabled is not None:
        values.note(keys, "changed", "it is singleuser.storage.type now")
    values.put("singleuser.storage.type", "none" if enabled is False else "dynamic", keys)
    values.drop("singleuser.persistence.accessModes", "claims are for several pods (ReadWriteMany)")
