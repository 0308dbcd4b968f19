"""Builds kernelspecs for an unmodified Enterprise Gateway, each with its own copy of the launchers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.base.shipped import launchers
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.model import SPEC_NAME, KernelSpec, read_folder
from kernelpod.kernelspecs.publishing.tree import Tree, read_tree
from kernelpod.kernelspecs.stock import form as stockform
from kernelpod.settings.sections import Settings

KERNEL_JSON = "kernel.json"
# Keys of a stanza and its profiles that a stock gateway supports.
_KEPT = frozenset({"image", "resources", "profiles", "display_name"})
_KEPT_RESOURCES = frozenset({"requests", "limits"})
_WHY = {
    "groups": "a stock gateway shows every kernelspec to everybody",
    "network": "the pod has no label for network policies to select",
    "resources.bounds": "users cannot request resources",
    "transport": "pods always use tcp",
}
_NO_PLACE = "a stock gateway and its launcher do not support it"


class StockError(KernelpodError):
    """A kernelspec cannot be built for a stock gateway."""


class Dropped(NamedTuple):
    """A key that a stock gateway does not support, and why."""

    spec: str
    key: str
    why: str


@dataclass(frozen=True)
class Built:
    """The built folders, and the keys that were dropped."""

    tree: Tree
    dropped: tuple[Dropped, ...]


def build(source: Path, settings: Settings) -> Built:
    """Build all kernelspecs of a folder. Each profile becomes a kernelspec. Raises StockError, TreeError."""
    given = read_tree(source)
    files: dict[str, bytes] = {}
    dropped: list[Dropped] = []
    taken = set(given.specs)
    for name in sorted(given.specs):
        try:
            specs = read_folder(source / name)
        except ValueError as error:
            raise StockError(f"{name}: {error}") from error
        data: dict[str, Any] = json.loads(given.files[f"{name}/{KERNEL_JSON}"])
        beside = {path: content for path, content in given.files.items() if path.startswith(f"{name}/")}
        for spec in specs:
            folder = _folder(spec, taken) if spec.profile else name
            taken.add(folder)
            files |= {f"{folder}{path.removeprefix(name)}": content for path, content in beside.items()}
            files[f"{folder}/{KERNEL_JSON}"] = _written(_kernel_json(data, spec, settings))
            files |= {f"{folder}/scripts/{script}": content for script, content in _scripts(settings).items()}
            dropped += [Dropped(spec.address, key, _WHY.get(key, _NO_PLACE)) for key in _lost(data, spec)]
    return Built(Tree(dict(sorted(files.items()))), tuple(dropped))


def _folder(spec: KernelSpec, taken: Iterable[str]) -> str:
    """Return the name of a profile's kernelspec: `<spec>-<profile>`, shortened with a hash if it is not valid."""
    name = f"{spec.spec}-{spec.profile}"
    if name in taken or not SPEC_NAME.match(name):
        name = f"{name[:30].rstrip('-')}-{hashlib.sha256(spec.address.encode()).hexdigest()[:8]}"
    return name


def _kernel_json(data: dict[str, Any], spec: KernelSpec, settings: Settings) -> dict[str, Any]:
    amounts = {
        name: {"cpu": format_millicores(part.cpu), "memory": format_bytes(part.memory)}
        for name, part in (("requests", spec.resources.requests), ("limits", spec.resources.limits))
    }
    stanza = {"argv": list(spec.argv), "env": spec.env, "resources": amounts}
    proxy = {"class_name": stockform.PROXY, "config": {"image_name": spec.image}}
    return {
        **data,
        "display_name": spec.display_name,
        "argv": stockform.ARGV,
        "env": {stockform.NAMESPACE: settings.runtime.kubernetes.namespace},
        "metadata": {**data["metadata"], "process_proxy": proxy, "kernelpod": stanza},
    }


def _scripts(settings: Settings) -> dict[str, bytes]:
    """Return the files of each `scripts` folder: the launchers and their settings."""
    homes = settings.homes
    if homes.volume.own:
        raise KernelpodError("homes.volume: a stock gateway needs homes in one claim or one NFS folder")
    volume = {"kind": "nfs", "server": homes.volume.server}
    if homes.volume.kind == "pvc":
        volume = {"kind": "pvc", "claim": homes.volume.claim}
    site = {
        "homes": {"root": homes.root, "mount_path": homes.mount_path, "volume": volume},
        "grace_period_seconds": round(settings.start.grace_period_seconds),
    }
    found = {name: (launchers() / name).read_bytes() for name in stockform.SCRIPTS}
    return {**found, stockform.SETTINGS: _written(site)}


def _lost(data: dict[str, Any], spec: KernelSpec) -> list[str]:
    """Return the keys of a kernelspec or its profile that a stock gateway does not support."""
    stanza: dict[str, Any] = data["metadata"]["kernelpod"]
    own = stanza["profiles"][spec.profile] if spec.profile else stanza
    resources = [f"resources.{key}" for key in own.get("resources", {}) if key not in _KEPT_RESOURCES]
    return sorted([*(key for key in own if key not in _KEPT), *resources])


def _written(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
