"""Lint checks of a kernelspec's files: modes, names, sizes, links, logos and launchers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from kernelpod.base.shipped import launchers
from kernelpod.findings.finding import Finding
from kernelpod.kernelspecs.linting.kinds import finding
from kernelpod.kernelspecs.model import LARGEST_BYTES

BOM = b"\xef\xbb\xbf"
LOGOS = {"logo-32x32.png": 32, "logo-64x64.png": 64}
_PNG = b"\x89PNG\r\n\x1a\n"
EVERYBODY_READS, EVERYBODY_ENTERS, OTHERS_WRITE = 0o444, 0o555, 0o002


def check_folder(folder: Path) -> Iterator[Finding]:
    """Yield the findings of all files below a kernelspec's folder. Links are not followed."""
    yield from _mode(folder.name, folder.lstat().st_mode)
    for parent, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(parent, name)
            yield from _one(path, path.relative_to(folder.parent))
    yield from _logos(folder)
    yield from _launchers(folder)


def check_text(file: str, raw: bytes) -> Iterator[Finding]:
    """Yield findings about a text file's byte order mark and line endings."""
    if raw.startswith(BOM):
        yield finding("bom", file)
    if b"\r" in raw:
        yield finding("line-endings", file)


def _one(path: Path, shown: Path) -> Iterator[Finding]:
    file, status = str(shown), path.lstat()
    if not all(character.isprintable() for character in path.name):
        yield finding("file-name", ascii(file))
    if stat.S_ISLNK(status.st_mode):
        yield finding("symlink", file, said=f"It points to {path.readlink()}.")
        return
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        yield finding("special-file", file)
        return
    yield from _mode(file, status.st_mode)
    if stat.S_ISREG(status.st_mode) and status.st_size > LARGEST_BYTES:
        yield finding("large-file", file, said=f"It has {status.st_size:,} bytes.")


def _mode(file: str, mode: int) -> Iterator[Finding]:
    wanted = EVERYBODY_ENTERS if stat.S_ISDIR(mode) else EVERYBODY_READS
    if mode & wanted != wanted:
        yield finding("file-mode", file, said=f"Its mode is {stat.S_IMODE(mode):04o}.")
    if mode & OTHERS_WRITE:
        yield finding("writable", file, said=f"Its mode is {stat.S_IMODE(mode):04o}.")


def _logos(folder: Path) -> Iterator[Finding]:
    if not any((folder / name).exists() for name in ("logo-svg.svg", "logo-64x64.png")):
        yield finding("logo-missing", folder.name)
    for name, side in LOGOS.items():
        path = folder / name
        if path.is_file() and not path.is_symlink() and (size := _png_size(path)) != (side, side):
            said = f"It is {size[0]} x {size[1]}." if size else "It is not a PNG."
            yield finding("logo-size", f"{folder.name}/{name}", said=said)


def _png_size(path: Path) -> tuple[int, int] | None:
    with path.open("rb") as opened:
        head = opened.read(24)
    if len(head) < 24 or not head.startswith(_PNG):
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _launchers(folder: Path) -> Iterator[Finding]:
    """Yield findings for copied launchers in `scripts` of a stock kernelspec that differ from the shipped ones."""
    for shipped in launchers().iterdir():
        copy = folder / "scripts" / shipped.name
        if shipped.is_file() and copy.is_file() and copy.read_bytes() != shipped.read_bytes():
            yield finding("launcher-drift", f"{folder.name}/scripts/{shipped.name}")
