"""Reads kernelspecs that were built for an unmodified Enterprise Gateway.

In these, argv starts our launcher, and the kernel's own command is in the stanza. They are converted back, so that
`lint` and `images` need only one set of rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as Folder
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import JsonFile, Path
from kernelpod.findings.sentences import sentences
from kernelpod.kernelspecs.linting.kinds import finding
from kernelpod.kernelspecs.linting.rules import interrupted_by
from kernelpod.kernelspecs.model import KernelJson, KernelSpec, read_folder, variants

PROXY = "enterprise_gateway.services.processproxies.k8s.KubernetesProcessProxy"
LAUNCHER = "{resource_dir}/scripts/launch_kubernetes.py"
ARGV = ["python3", LAUNCHER, "{resource_dir}", "{kernel_id}", "{response_address}", "{public_key}"]
NAMESPACE = "KERNEL_NAMESPACE"
SCRIPTS = ("launch_kubernetes.py", "kernel_launcher.py", "signed_identity.py", "kernel-pod.yaml.j2")
SETTINGS = "settings.json"
# Paths of keys in the stock form, and where our own form has them.
_MOVED: dict[Path, Path] = {
    ("metadata", "kernelpod", "argv"): ("argv",),
    ("metadata", "kernelpod", "env"): ("env",),
    ("metadata", "process_proxy", "config", "image_name"): ("metadata", "kernelpod", "image"),
}


def is_stock(data: Any) -> bool:
    """Return whether a kernel.json starts our launcher under a stock gateway."""
    try:
        return data["metadata"]["process_proxy"]["class_name"] == PROXY and LAUNCHER in data["argv"]
    except (KeyError, TypeError):
        return False


def as_ours(data: dict[str, Any]) -> dict[str, Any]:
    """Return the stock kernel.json converted to the form of Kernelpod's own gateway."""
    metadata = dict(data["metadata"])
    config = metadata.pop("process_proxy").get("config")
    stanza = metadata.get("kernelpod")
    inner = dict(stanza) if isinstance(stanza, dict) else {}
    argv, env, outer = inner.pop("argv", None), inner.pop("env", {}), data.get("env")
    if isinstance(config, dict) and "image_name" in config:
        inner["image"] = config["image_name"]
    if isinstance(outer, dict) and isinstance(env, dict):
        env = {**{name: value for name, value in outer.items() if name != NAMESPACE}, **env}
    # The launcher forwards signals, so both interrupt modes work.
    known = interrupted_by([word for word in argv if isinstance(word, str)]) if isinstance(argv, list) else None
    changed = {"argv": argv, "env": env, "interrupt_mode": known or "message"}
    return {**data, **changed, "metadata": {**metadata, "kernelpod": inner}}


def with_places(read: JsonFile) -> JsonFile:
    """Return `as_ours` of a file, with the location of each value in the original file."""
    places = {path: place for path, place in read.places.items() if path[:1] != ("argv",)}
    for path, place in read.places.items():
        for old, new in _MOVED.items():
            if path[: len(old)] == old:
                places[new + path[len(old) :]] = place
    return JsonFile(as_ours(read.data), places)


def check(folder: Folder, file: str, read: JsonFile) -> Iterator[Finding]:
    """Yield findings about keys and files that only the stock form has."""
    env = read.data.get("env")
    if not isinstance(env, dict) or not isinstance(env.get(NAMESPACE), str):
        yield finding("missing-key", file, read.place(("env",)), f"{NAMESPACE}, the namespace of the kernel's pod")
    for name in (*SCRIPTS, SETTINGS):
        if not (folder / "scripts" / name).is_file():
            yield finding("launcher-missing", f"{folder.name}/scripts/{name}")


def read_any(folder: Folder) -> tuple[KernelSpec, ...]:
    """Return the kernelspec of a folder and its profiles, in our own or the stock form. Raises ValueError."""
    try:
        data = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        data = None
    if not is_stock(data):
        return read_folder(folder)
    try:
        return variants(folder, KernelJson.model_validate(as_ours(data)))
    except ValidationError as error:
        raise ValueError(f"kernel.json: {'; '.join(sentences(error, KernelJson))}") from error
