"""Imports kernelspecs of a stock Enterprise Gateway, or of a kernel that is installed on a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.jsonfile import JsonFile
from kernelpod.findings.yamlfile import Spot
from kernelpod.importers.report import Change, ImportingError, Note
from kernelpod.kernelspecs.linting.rules import interrupted_by
from kernelpod.kernelspecs.model import NATIVE_NAMES, SPEC_NAME
from kernelpod.kernelspecs.resources import Resources
from kernelpod.kernelspecs.stock import form as stockform

# The kernel commands that the launchers in Enterprise Gateway's images run.
_COMMANDS = {
    "python": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "r": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
}
_PYTHON = re.compile(r"python\d*(\.\d+)*")
_GATEWAYS = re.compile(r"(KERNEL|EG|JUPYTER|JPY)_")
_AMOUNTS = {
    "KERNEL_CPUS": ("requests", "cpu"),
    "KERNEL_MEMORY": ("requests", "memory"),
    "KERNEL_CPUS_LIMIT": ("limits", "cpu"),
    "KERNEL_MEMORY_LIMIT": ("limits", "memory"),
}
_JUPYTERS = ("display_name", "language", "argv", "env", "interrupt_mode", "metadata")


@dataclass
class ImportedKernelspec:
    """A new kernel.json, and notes on what happened to each value of the old one."""

    file: Path
    """Path of the old kernel.json, as shown in notes."""
    source: JsonFile
    kernel_json: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, key: str, change: Change, why: str) -> None:
        """Add a note on a key, such as `env.NAME` or `argv[0]`. Several keys get the place of the first one."""
        first = key.partition(",")[0].replace("[", ".").replace("]", "")
        keys = tuple(int(word) if word.isdecimal() else word for word in first.split("."))
        self.notes.append(Note(Spot(self.file, self.source.place(keys)), key, change, why))


def import_kernelspec(
    file: Path, source: JsonFile, image: str = "", command: list[str] | None = None
) -> ImportedKernelspec:
    """Return a kernelspec for pods, made from another kernel.json. `image` and `command` override its values.

    Raises ImportingError if the image or the command is neither in kernel.json nor given by the caller.
    """
    made, data = ImportedKernelspec(file, source), source.data
    if stockform.is_stock(data):
        made.note("metadata.process_proxy", "dropped", "the settings decide where kernels run; its image is kept")
        data = stockform.as_ours(data)
    metadata = _object(data, "metadata")
    proxy = _object(metadata, "process_proxy") if "process_proxy" in metadata else None
    made.kernel_json = {key: data[key] for key in ("display_name", "language") if key in data}
    made.kernel_json["argv"] = command or _argv(data, proxy is not None, made)
    _environment(data, made)
    _interrupts(data, made)
    made.kernel_json["metadata"] = _metadata(metadata, proxy, image, made)
    _resources(data, made)
    for key in sorted(data.keys() - {*_JUPYTERS}):
        made.note(key, "dropped", "the gateway does not read it")
    return made


def legal_name(name: str) -> tuple[str, str]:
    """Return a valid name for a kernelspec, and why it differs from `name`; empty if it does not."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-")
    if made in NATIVE_NAMES:
        made, why = "python-pod", f"jupyter_client maps {made} to the native kernel"
    else:
        why = "lower-case letters, digits and '-'" if made != name else ""
    if not SPEC_NAME.match(made):
        raise ImportingError(f"{name!r} cannot be converted to a kernelspec's name; set one with --name")
    return made, why


def _argv(data: dict[str, Any], proxied: bool, made: ImportedKernelspec) -> list[str]:
    argv, language = data.get("argv"), str(data.get("language", "")).lower()
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ImportingError("kernel.json has no argv; set the kernel's command with --command")
    if proxied and not any("{connection_file}" in word for word in argv):
        if language not in _COMMANDS:
            raise ImportingError(
                f"argv starts a launcher, and the {language or 'kernel'} command that it runs is unknown; "
                "set the kernel's own command with --command"
            )
        made.note("argv", "changed", f"it starts a launcher; the image's {language} kernel is started instead")
        return list(_COMMANDS[language])
    if "/" in argv[0]:
        name = PurePosixPath(argv[0]).name
        name = "python" if _PYTHON.fullmatch(name) else name
        made.note("argv[0]", "changed", f"{argv[0]} is a path of one machine; it is {name} now, found on PATH")
        return [name, *argv[1:]]
    return list(argv)


def _environment(data: dict[str, Any], made: ImportedKernelspec) -> None:
    kept = {}
    for name, value in _object(data, "env").items():
        if _GATEWAYS.match(name):
            if name not in _AMOUNTS:
                made.note(f"env.{name}", "dropped", "it configures the gateway or is a user's wish")
        elif name == "LAUNCH_OPTS":
            made.note(f"env.{name}", "dropped", "there is no launcher that reads it")
        elif "${" in str(value):
            made.note(f"env.{name}", "dropped", "it contains ${...}, which is not replaced")
        else:
            kept[name] = value
    if kept:
        made.kernel_json["env"] = kept


def _interrupts(data: dict[str, Any], made: ImportedKernelspec) -> None:
    if "interrupt_mode" in data:
        made.kernel_json["interrupt_mode"] = data["interrupt_mode"]
    elif interrupted_by(made.kernel_json["argv"]) == "message":
        made.kernel_json["interrupt_mode"] = "message"
        made.note("interrupt_mode", "added", "signals need pods/exec, and this kernel supports messages")


def _metadata(
    metadata: dict[str, Any], proxy: dict[str, Any] | None, image: str, made: ImportedKernelspec
) -> dict[str, Any]:
    stanza = _object(metadata, "kernelpod")
    if proxy is not None:
        config = _object(proxy, "config")
        stanza = {"image": config.get("image_name", ""), **stanza}
        made.note("metadata.process_proxy", "dropped", "the settings decide where kernels run; its image is kept")
        for key in sorted((config or {}).keys() - {"image_name"}):
            made.note(f"metadata.process_proxy.config.{key}", "dropped", "kernelspecs have no such setting")
    if image:
        stanza = {**stanza, "image": image}
    if not stanza.get("image"):
        raise ImportingError("kernel.json names no image; set an image with this kernel with --image")
    return {key: value for key, value in metadata.items() if key not in ("process_proxy", "kernelpod")} | {
        "kernelpod": stanza
    }


def _resources(data: dict[str, Any], made: ImportedKernelspec) -> None:
    """Import the resources that Enterprise Gateway reads from the environment."""
    found = {name: value for name, value in _object(data, "env").items() if name in _AMOUNTS}
    if not found:
        return
    resources: dict[str, dict[str, Any]] = {}
    for name, value in found.items():
        part, kind = _AMOUNTS[name]
        resources.setdefault(part, {})[kind] = value
    stanza = made.kernel_json["metadata"]["kernelpod"]
    try:
        Resources.model_validate(resources)
    except ValidationError:
        made.note(
            f"env.{', env.'.join(found)}", "dropped", "these amounts are not valid resources; write them again"
        )
    else:
        stanza.setdefault("resources", resources)
        made.note(f"env.{', env.'.join(found)}", "changed", "they are metadata.kernelpod.resources now")


def _object(data: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the object at a key; an empty one if there is none."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}
