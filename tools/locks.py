"""Reads the locks, requirements/*.txt: what is pinned, for which Python, with which hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "requirements"
OVERRIDES = "overrides"  # lies beside the locks and is none
HASH = "--hash=sha256:"


class BadInput(Exception):
    """A file cannot be used; the message says which, and why."""


class Pin(NamedTuple):
    """One package of a lock."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def is_for(self, environment: Mapping[str, str]) -> bool:
        """Return whether an environment with these values of markers gets the package."""
        return self.marker is None or self.marker.evaluate(dict(environment))


def read_lock(file: Path) -> list[Pin]:
    """Return the pins of a lock. Raises BadInput for what is not pinned by version and hash."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    lines = (line.split("#", 1)[0].strip() for line in text.replace("\\\n", " ").splitlines())
    return [_pin(file, line) for line in lines if line]


def _pin(file: Path, line: str) -> Pin:
    words, *hashes = line.split(HASH)
    try:
        wanted = Requirement(words)
    except InvalidRequirement as error:
        raise BadInput(f"{file}: {words.strip()!r} is no requirement") from error
    exact = [one for one in wanted.specifier if one.operator == "==" and not one.version.endswith(".*")]
    if len(exact) != 1 or len(wanted.specifier) != 1 or not hashes:
        raise BadInput(f"{file}: {words.strip()!r} is not pinned by version and sha256; run make locks")
    found = tuple(sorted(one.strip() for one in hashes))
    return Pin(canonicalize_name(wanted.name), exact[0].version, wanted.marker, found)


def read_locks(folder: Path = LOCKS) -> dict[str, list[Pin]]:
    """Return the pins of all locks, by the locks' names. Raises BadInput."""
    files = sorted(file for file in folder.glob("*.txt") if file.stem != OVERRIDES)
    if not files:
        raise BadInput(f"{folder} has no locks")
    return {file.stem: read_lock(file) for file in files}
