"""Lint checks of the values in kernel.json that its schema cannot express."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import JsonFile, Path
from kernelpod.findings.secrets import is_secret
from kernelpod.kernelspecs.linting.kinds import finding
from kernelpod.kernelspecs.linting.variables import variables_in
from kernelpod.kernelspecs.model import KernelSpec, image_is_allowed
from kernelpod.kernelspecs.resources import excesses
from kernelpod.settings.culling import Culling
from kernelpod.settings.kernels import Kernelspecs

_SOMEBODYS = re.compile(r"(^|[\s:=])(/home/|/Users/|/root/|/private/|/tmp/|/mnt/|~/|[A-Za-z]:[\\/])")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_OURS = re.compile(r"(KERNEL|JUPYTER|JPY)_")
_TAGGED = re.compile(r"(@sha256:[0-9a-f]{64}|:(?!latest$)[\w][\w.-]*)$")
# How known kernels, recognised by a word of their command, are interrupted. "message": by `interrupt_request`.
_INTERRUPTED_BY: dict[str, Literal["message", "signal"]] = {
    "ipykernel": "message",
    "ipython_kernel": "message",
    "bash_kernel": "message",
    "jjava": "message",
    "ijava": "message",
    "IRkernel": "signal",
    "IJulia": "signal",
}
_LANGUAGES = """
ansible apl bash c c++ clojure csharp elixir erlang f# fortran gap go groovy haskell java javascript julia kotlin
lua matlab maxima ocaml octave perl php powershell prolog python R ruby rust sage sas scala scheme sql stata swift
tcl typescript
"""
LANGUAGES = frozenset(_LANGUAGES.split())


def interrupted_by(argv: Sequence[str]) -> Literal["message", "signal"] | None:
    """Return how the kernel with this command is interrupted, or None if the kernel is unknown."""
    command = " ".join(argv)
    return next((mode for word, mode in _INTERRUPTED_BY.items() if word in command), None)


def check_form(file: str, read: JsonFile) -> Iterator[Finding]:
    """Yield findings of single values in a kernel.json, which need not be valid as a whole."""
    for path, value in _leaves(read.data, ()):
        for code, said in _of_value(path, value):
            yield finding(code, file, read.place(path), said)
    metadata = read.data.get("metadata") if isinstance(read.data, dict) else None
    for key in ("process_proxy", "kernel_provisioner"):
        if isinstance(metadata, dict) and key in metadata:
            yield finding("process-proxy", file, read.place(("metadata", key)))


def check_spec(
    file: str, read: JsonFile, spec: KernelSpec, settings: Kernelspecs, culling: Culling
) -> Iterator[Finding]:
    """Yield findings of a valid kernelspec, or of the keys that a profile overrides."""
    stanza: Path = ("metadata", "kernelpod")
    inner = (*stanza, "profiles", spec.profile)
    if not spec.profile:
        yield from _of_the_kernel(file, read, spec)
    if not spec.profile or (*inner, "image") in read.places:
        place = read.place((*(inner if spec.profile else stanza), "image"))
        if not _TAGGED.search(spec.image):
            yield finding("image-tag", file, place, spec.image)
        if not image_is_allowed(spec.image, settings.allowed_images):
            yield finding("image-not-allowed", file, place, spec.image)
    if spec.service_account and spec.service_account not in settings.service_accounts:
        own = (*inner, "service_account")
        place = read.place(own if own in read.places else (*stanza, "service_account"))
        yield finding("service-account", file, place, spec.service_account)
    if not spec.profile or (*inner, "resources") in read.places:
        place = read.place((*(inner if spec.profile else stanza), "resources"))
        for excess in excesses(spec.resources, settings.bounds, wishes=True):
            said = f"{excess.given} {excess.resource}; the bound is {excess.bound}."
            yield finding("over-house-bounds", file, place, said)
    if not spec.profile or (*inner, "cull_idle_seconds") in read.places:
        place = read.place((*(inner if spec.profile else stanza), "cull_idle_seconds"))
        if contradiction := culling.contradiction(spec.cull_idle_seconds):
            yield finding("culled-late", file, place, f"{contradiction[0].upper()}{contradiction[1:]}.")


def _of_the_kernel(file: str, read: JsonFile, spec: KernelSpec) -> Iterator[Finding]:
    if spec.language not in LANGUAGES:
        near = difflib.get_close_matches(spec.language, LANGUAGES, n=1)
        yield finding(
            "language", file, read.place(("language",)), f"{spec.language!r}; {near[0]!r}?" if near else ""
        )
    known = interrupted_by(spec.argv)
    if spec.interrupt_mode == "message" and known == "signal":
        yield finding("interrupt-lost", file, read.place(("interrupt_mode",)))
    unsaid = ("metadata", "supported_encryption") not in read.places
    if unsaid and any("ipykernel" in word for word in spec.argv):
        yield finding("not-encrypted", file, read.place(("metadata",)))
    if spec.interrupt_mode == "signal" and known != "signal":
        yield finding("interrupt-mode", file, read.place(("interrupt_mode",)))


def _of_value(path: Path, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the code and message of each finding of one value."""
    key = str(path[-1]) if path else ""
    in_env = len(path) == 2 and path[0] == "env"
    if key == "hostPath":
        yield "host-path", ""
    if key in ("privileged", "allowPrivilegeEscalation") and value is True:
        yield "privileged", ""
    if in_env and _OURS.match(key):
        yield "kernel-variable", key
    if isinstance(value, str):
        if is_secret(key if in_env else "", value):
            yield "secret", key
        if in_env and (found := variables_in(key, value)):
            yield "not-replaced", f"${found[0]}"
        yield from _of_text(path, value)


def _of_text(path: Path, text: str) -> Iterator[tuple[str, str]]:
    if path[:1] in (("argv",), ("env",)) and (found := _SOMEBODYS.search(text)):
        yield "machine-path", text[found.start(2) :][:80]
    if path[:1] == ("argv",):
        unknown = [name for name in _PLACEHOLDER.findall(text) if name != "connection_file"]
        yield from (("substitution", f"{{{name}}}") for name in unknown)


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield every value with its path, including objects and lists."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
