"""Imports a kernelspec of a stock gateway, or of a kernel that is installed on a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from pydantic import ValidationError

from kernelpod.findings.jsonfile import JsonFile
from kernelpod.findings.secrets import is_secret, shown
from kernelpod.findings.yamlfile import Keys, Spot, YamlTree
from kernelpod.importers.kernelspecs.commands import word_of
from kernelpod.importers.kernelspecs.runners import move_runners
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Account, Change, ImportingError, Note
from kernelpod.kernelspecs.linting.rules import interrupted_by
from kernelpod.kernelspecs.linting.variables import variables_in
from kernelpod.kernelspecs.model import NATIVE_NAMES, SPEC_NAME
from kernelpod.kernelspecs.resources import Resources
from kernelpod.kernelspecs.stock import form as stockform

# The kernel commands that the launchers in Enterprise Gateway's images run.
_COMMANDS = {
    "python": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "r": ["R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}"],
}
# What only a launcher takes.
_LAUNCHERS = re.compile(r"\{(kernel_id|response_address|port_range|public_key)\}")
_GATEWAYS = re.compile(r"(KERNEL|EG|GP|JUPYTER|JPY)_")
_AMOUNTS = {
    "KERNEL_CPUS": ("requests", "cpu"),
    "KERNEL_MEMORY": ("requests", "memory"),
    "KERNEL_CPUS_LIMIT": ("limits", "cpu"),
    "KERNEL_MEMORY_LIMIT": ("limits", "memory"),
}
_JUPYTERS = ("display_name", "language", "argv", "env", "interrupt_mode", "metadata")
_STANZA: Keys = ("metadata", "kernelpod")
# Where the image is asked to have files that lay beside kernel.json, by the kernelspec's name.
_FILES = "/opt/kernels"


@dataclass(frozen=True)
class Given:
    """What the admin says beside an old kernel.json, and instead of it."""

    name: str
    """The new kernelspec's name."""
    image: str = ""
    command: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """The hub groups that may use it."""


@dataclass
class ImportedKernelspec(Account):
    """A new kernel.json, and the fate of each value of the old one."""

    kernel_json: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    """Where the image is asked to have files that lay beside the old kernel.json."""

    def names(self, file: str) -> bool:
        """Return whether the new command line names a file that lay beside the old kernel.json, or all of them."""
        return any(
            word.endswith(self.folder) or f"{self.folder}/{file}" in word for word in self.kernel_json["argv"]
        )

    def note_file(self, name: str, change: Change, why: str = "") -> None:
        """Give a file beside the old kernel.json its fate."""
        file, place = self.tree.spot(())
        self.others.append(Note(Spot(file.with_name(name), place), name, change, why))


def import_kernelspec(file: Path, source: JsonFile, given: Given) -> ImportedKernelspec:
    """Return a kernelspec for pods, made from another kernel.json; `file` is its path, as shown in notes.

    Raises ImportingError if the image or the command is neither in kernel.json nor given by the admin.
    """
    spots = {
        (): Spot(file, source.place(())),
        **{keys: Spot(file, place) for keys, place in source.places.items()},
    }
    made = ImportedKernelspec(YamlTree(source.data, spots), folder=f"{_FILES}/{given.name}")
    for keys in source.repeated:
        why = "the key occurs again, and readers of JSON take the last one"
        made.others.append(Note(made.tree.spot(keys), shown(keys), "dropped", why))
    values = Values(made)
    _objects(values)
    ours = stockform.is_stock(source.data)
    if ours:
        _from_stock(values)
    moved = move_runners(values, given.image, given.groups)
    _argv(values, given.command, launched=moved and not ours)
    if not (ours or given.command):
        _paths(values, made.folder)
    _environment(values, ours)
    _resources(values)
    _secrets(values)
    _interrupts(values, ours)
    if not values.get((*_STANZA, "image")):
        raise ImportingError("kernel.json names no image; set an image with this kernel with --image")
    for key in sorted(values.data.keys() - {*_JUPYTERS}):
        values.drop((key,), "the gateway does not read it")
    made.unchanged |= set(values.unchanged())
    made.kernel_json = {key: values.data[key] for key in _JUPYTERS if key in values.data}
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


def _objects(values: Values) -> None:
    """Drop what is no object where one is expected."""
    for keys in (("metadata",), _STANZA, ("env",)):
        if values.has(keys) and not isinstance(values.get(keys), dict):
            values.drop(keys, "an object of keys was expected here")


def _from_stock(values: Values) -> None:
    """Undo what `kernelpod specs build --stock` did: the kernel's own command and variables are in the stanza."""
    values.drop(("argv",), "it starts the launcher; the kernel's own command is metadata.kernelpod.argv")
    values.move((*_STANZA, "argv"), ("argv",))
    values.drop(("env", stockform.NAMESPACE), "the settings name the namespace of kernels")
    for name in list(values.section((*_STANZA, "env"))):
        values.drop(("env", name), "metadata.kernelpod.env sets it again")
        values.move((*_STANZA, "env", name), ("env", name))
    values.drop((*_STANZA, "env"), "an object of keys was expected here")
    values.drop(("interrupt_mode",), "the launcher took both; the kernel's own is set")


def _argv(values: Values, command: tuple[str, ...], *, launched: bool) -> None:
    if command:
        values.drop(("argv",), "--command takes its place")
        values.put(("argv",), list(command), ("argv",))
        return
    argv, language = values.get(("argv",)), str(values.get(("language",)) or "").lower()
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ImportingError("kernel.json has no argv; set the kernel's command with --command")
    line = " ".join(argv)
    if launched and ("{connection_file}" not in line or _LAUNCHERS.search(line)):
        if language not in _COMMANDS:
            raise ImportingError(
                f"argv starts a launcher, and the {language or 'kernel'} command that it runs is unknown; "
                "set the kernel's own command with --command"
            )
        why = (
            f"it starts a launcher; it is the usual command of a {language} kernel now: see that the image has it"
        )
        values.note(("argv",), "changed", why)
        values.data["argv"] = list(_COMMANDS[language])


def _paths(values: Values, folder: str) -> None:
    """Decide which paths in the command line stay."""
    for number, old in enumerate(values.get(("argv",))):
        new = word_of(old, folder, first=number == 0)
        values.data["argv"][number] = new.text
        if new.change:
            values.note(("argv", number), new.change, new.why)


def _environment(values: Values, ours: bool) -> None:
    for name, value in list(values.section(("env",)).items()):
        keys = ("env", name)
        if _GATEWAYS.match(name):
            if name not in _AMOUNTS:
                values.drop(keys, _why_gateways(name))
        elif name == "LAUNCH_OPTS":
            values.drop(keys, "there is no launcher that reads it")
        elif isinstance(value, str) and "$" in value and not ours:
            _variables(values, name, value)


def _why_gateways(name: str) -> str:
    if name.endswith("_USERS"):
        return "gateways read it from their own environment; hub groups in metadata.kernelpod.groups are for that"
    return "it configures the gateway or is a user's wish"


def _variables(values: Values, name: str, value: str) -> None:
    """Leave to the admin what Jupyter would have filled in."""
    keys = ("env", name)
    if found := variables_in(name, value):
        why = (
            f"nothing replaces ${found[0]} in a pod: write the whole value into env, or `ENV {name}=...` with "
            "this value into the image's Dockerfile, which knows the image's variables"
        )
        values.drop(keys, why, "left")
    elif "$$" in value:
        values.data["env"][name] = Template(value).safe_substitute()
        values.note(keys, "changed", "Jupyter read $$ as $; it is $ now")


def _resources(values: Values) -> None:
    """Import the resources that Enterprise Gateway reads from the environment."""
    found = {name: value for name, value in values.section(("env",)).items() if name in _AMOUNTS}
    if not found:
        return
    resources: dict[str, dict[str, Any]] = {}
    for name, value in found.items():
        part, kind = _AMOUNTS[name]
        resources.setdefault(part, {})[kind] = value
    change: Change = "changed"
    why = "it is in metadata.kernelpod.resources now"
    try:
        Resources.model_validate(resources)
    except ValidationError:
        why, change = "these amounts are not valid resources; write them again", "dropped"
    else:
        if not values.put((*_STANZA, "resources"), resources, (*_STANZA, "resources")):
            why, change = "metadata.kernelpod.resources is set already", "dropped"
    for name in found:
        values.drop(("env", name), why, change)


def _secrets(values: Values) -> None:
    """Leave variables with a secret to the admin: everybody can read kernelspecs."""
    for name, value in list(values.section(("env",)).items()):
        if isinstance(value, str) and is_secret(name, value):
            why = (
                "it looks like a secret, and everybody can read kernelspecs: put it into a Secret that "
                "metadata.kernelpod.secret_env names, and revoke it if the old kernelspec was readable"
            )
            values.drop(("env", name), why, "left")


def _interrupts(values: Values, ours: bool) -> None:
    known = interrupted_by([str(word) for word in values.get(("argv",))])
    if values.has(("interrupt_mode",)):
        return
    if known == "message" or (ours and not known):
        values.put(("interrupt_mode",), "message", ("interrupt_mode",))
        values.note(("interrupt_mode",), "added", "signals need pods/exec, and this kernel supports messages")
