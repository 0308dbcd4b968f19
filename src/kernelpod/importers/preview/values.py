"""Shows what a user has by values of Zero to JupyterHub, and by what is made of them."""

from __future__ import annotations

import posixpath
from typing import Any

import yaml

from kernelpod.base.merging import merged
from kernelpod.importers.helm.files import HelmValues
from kernelpod.importers.hub.bitnami import NOTEBOOK_DIR, is_bitnami
from kernelpod.importers.hub.secrets import SECRETS, SETTINGS, VALUES
from kernelpod.importers.preview.pods import Names, at, by_name, items, mounted
from kernelpod.importers.preview.rows import CPU, MEMORY, PAGE, Row, Seen, amount, of_settings, page_of, rows_of
from kernelpod.importers.report import Imported
from kernelpod.settings.sections import Settings

# What the chart sets where the values say nothing.
_HOME, _GUARANTEE = "/home/jovyan", "1G"


def values_preview(given: HelmValues, made: Imported, version: str, user: str) -> list[Row]:
    """Return what a user sees of both hubs; `version` is the version of the old hub's chart, empty if unknown."""
    values, secrets = (yaml.safe_load(made.files.get(name, b"")) or {} for name in (VALUES, SECRETS))
    after = of_settings(Settings.model_validate(yaml.safe_load(made.files.get(SETTINGS, b"{}"))), user)
    after.facts = _facts(merged(values, secrets))
    old = given.tree.data
    return rows_of(Seen("", _mounts(old, version or given.version, user), _facts(old)), after)


def _trait(values: Any, *names: str, value: Any = None) -> Any:
    """Return a trait of the spawner, by one of its names.

    The section KubeSpawner of `hub.config` has the last word; the chart's `value` precedes the section Spawner.
    """
    own, base = (
        [at(values, "hub", "config", section, name) for name in names] for section in ("KubeSpawner", "Spawner")
    )
    return next((one for one in (*own, value, *base) if one is not None), None)


def _mounts(values: Any, version: str, user: str) -> dict[str, str]:
    """Return what the old hub mounted, by its place in servers."""
    storage, names = at(values, "singleuser", "storage"), Names(version, user)
    volumes = by_name(_trait(values, "volumes", "singleuser_volumes", value=at(storage, "extraVolumes")))
    if mounts := _trait(values, "volume_mounts", "singleuser_volume_mounts"):  # instead of all mounts of the chart
        return mounted(volumes, items(mounts), names)
    usual = NOTEBOOK_DIR if is_bitnami(values) else _HOME
    said = at(values, "singleuser", "notebookDir")
    place = at(storage, "homeMountPath") or (said if isinstance(said, str) else "") or usual
    home = names.path(str(place)).rstrip("/")
    kind = str(at(storage, "type") or "dynamic")
    if at(values, "singleuser", "persistence", "enabled") is False:
        kind = "none"
    found: dict[str, str] = {}
    if kind == "static":
        below = names.path(str(at(storage, "static", "subPath") or "{username}"))
        found[home] = posixpath.join(f"claim {at(storage, 'static', 'pvcName')}", below)
        volumes.setdefault("home", {"persistentVolumeClaim": {"claimName": at(storage, "static", "pvcName")}})
    elif kind == "dynamic":
        template = _trait(values, "pvc_name_template", value=at(storage, "dynamic", "pvcNameTemplate"))
        found[home] = f"claim {names.path(str(template or 'claim-{username}'))}"
    return {**mounted(volumes, items(at(storage, "extraVolumeMounts")), names), **found}


def _facts(values: Any) -> dict[str, str]:
    own = at(values, "singleuser", "resources")  # of Bitnami's chart, which guarantees nothing by itself

    def said(key: str, trait: str, usual: str) -> str:
        least, most = (
            _trait(
                values,
                f"{trait}_{which}",
                value=at(values, "singleuser", key, which) or at(own, where, key),
            )
            for which, where in (("guarantee", "requests"), ("limit", "limits"))
        )
        return amount(least or usual, most)

    usual = "" if own or is_bitnami(values) else _GUARANTEE
    page = _trait(values, "default_url", value=at(values, "singleuser", "defaultUrl"))
    return {MEMORY: said("memory", "mem", usual), CPU: said("cpu", "cpu", ""), PAGE: page_of(page)}
