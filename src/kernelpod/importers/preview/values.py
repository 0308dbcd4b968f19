"""Shows what a user has by values of Zero to JupyterHub, and by what is made of them."""

from __future__ import annotations

import posixpath
from typing import Any

import yaml

from kernelpod.base.merging import merged
from kernelpod.importers.helm.files import HelmValues
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


def _mounts(values: Any, version: str, user: str) -> dict[str, str]:
    """Return what the old hub mounted, by its place in servers."""
    storage = at(values, "singleuser", "storage")
    volumes = by_name(at(storage, "extraVolumes"))
    names = Names(version, user)
    home = names.path(str(at(storage, "homeMountPath") or _HOME))
    kind = str(at(storage, "type") or "dynamic")
    found: dict[str, str] = {}
    if kind == "static":
        below = names.path(str(at(storage, "static", "subPath") or "{username}"))
        found[home] = posixpath.join(f"claim {at(storage, 'static', 'pvcName')}", below)
        volumes.setdefault("home", {"persistentVolumeClaim": {"claimName": at(storage, "static", "pvcName")}})
    elif kind == "dynamic":
        template = str(at(storage, "dynamic", "pvcNameTemplate") or "claim-{username}")
        found[home] = f"claim {names.path(template)}"
    return {**mounted(volumes, items(at(storage, "extraVolumeMounts")), names), **found}


def _facts(values: Any) -> dict[str, str]:
    def said(key: str, usual: str) -> str:
        least, most = (at(values, "singleuser", key, one) for one in ("guarantee", "limit"))
        return amount(least or usual, most)

    page = at(values, "singleuser", "defaultUrl")
    return {MEMORY: said("memory", _GUARANTEE), CPU: said("cpu", ""), PAGE: page_of(page)}
