"""Checks a folder of kernelspecs, and returns findings with code, location and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kernelpod.base.files import read_ordinary
from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import BadJson, JsonFile, read_json
from kernelpod.findings.sentences import sentence
from kernelpod.kernelspecs.linting import files, rules
from kernelpod.kernelspecs.linting.kinds import finding
from kernelpod.kernelspecs.model import LARGEST_BYTES, NATIVE_NAMES, SPEC_NAME, KernelJson, KernelSpec, variants
from kernelpod.kernelspecs.stock import form as stockform
from kernelpod.settings.culling import NO_CULLING, Culling
from kernelpod.settings.kernels import Kernelspecs

KERNEL_JSON = "kernel.json"
# Lint codes by the error types of pydantic and of our models.
CODES = {
    "extra_forbidden": "unknown-key",
    "missing": "missing-key",
    "over_bounds": "over-bounds",
    "connection_file": "connection-file",
}
# Errors that concern several keys are reported at this key.
OF_THE_WHOLE: dict[str, tuple[str, ...]] = {"connection_file": ("argv",)}


def lint(folder: Path, settings: Kernelspecs, culling: Culling = NO_CULLING) -> list[Finding]:
    """Return the findings of a folder of kernelspecs, sorted by file and line. Raises OSError."""
    found: list[Finding] = []
    names: dict[str, str] = {}
    for spec_folder in spec_folders(folder):
        found += lint_one(spec_folder, settings, culling, names)
    return sorted(found)


def spec_folders(folder: Path) -> list[Path]:
    """Return the folders of kernelspecs in a folder, sorted by name and without hidden ones. Raises OSError."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def lint_one(folder: Path, settings: Kernelspecs, culling: Culling, names: dict[str, str]) -> Iterable[Finding]:
    """Yield the findings of one kernelspec. `names` maps the display names seen so far to their kernelspecs."""
    if folder.name in NATIVE_NAMES or not SPEC_NAME.match(folder.name):
        yield finding("name", folder.name, said=folder.name)
    yield from files.check_folder(folder)
    file = f"{folder.name}/{KERNEL_JSON}"
    try:
        raw, _ = read_ordinary(folder / KERNEL_JSON, LARGEST_BYTES)
    except OSError as error:
        yield finding("unreadable", file, said=error.strerror or "cannot be read")
        return
    yield from files.check_text(file, raw)
    try:
        read = read_json(raw.removeprefix(files.BOM).decode("utf-8"))
    except UnicodeDecodeError as error:
        yield finding("encoding", file, said=f"Byte {error.start} is invalid.")
    except BadJson as error:
        yield finding("bad-json", file, error.place, said="The file is empty." if not raw.strip() else str(error))
    else:
        yield from _lint_json(folder, file, read, settings, culling, names)


def _lint_json(
    folder: Path, file: str, read: JsonFile, settings: Kernelspecs, culling: Culling, names: dict[str, str]
) -> Iterator[Finding]:
    for path in read.repeated:
        yield finding("duplicate-key", file, read.place(path), said=str(path[-1]))
    if stockform.is_stock(read.data):
        yield from stockform.check(folder, file, read)
        read = stockform.with_places(read)
    yield from rules.check_form(file, read)
    specs: tuple[KernelSpec, ...] = ()
    try:
        specs = variants(folder, KernelJson.model_validate(read.data))
    except ValidationError as error:
        yield from _of_the_model(file, read, error)
    for spec in specs:
        yield from rules.check_spec(file, read, spec, settings, culling)
        if (other := names.setdefault(spec.display_name, spec.address)) != spec.address:
            where = ("metadata", "kernelpod", "profiles", spec.profile) if spec.profile else ("display_name",)
            yield finding("same-name", file, read.place(where), said=f"{other} has {spec.display_name!r}, too.")


def _of_the_model(file: str, read: JsonFile, error: ValidationError) -> Iterator[Finding]:
    for one in error.errors(include_url=False):
        path: tuple[Any, ...] = tuple(one["loc"]) or OF_THE_WHOLE.get(one["type"], ())
        yield finding(
            CODES.get(one["type"], "value"), file, read.place(path), said=sentence(dict(one), KernelJson)
        )
