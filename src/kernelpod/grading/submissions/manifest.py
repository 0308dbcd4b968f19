"""The hashes of a submitted folder, in the format of `sha256sum`, and the short code derived from them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kernelpod.grading.submissions.walk import SubmissionError, entries, read_small, shown

MANIFEST = "SHA256SUMS"
CODE_NOTE = "SUBMISSION-CODE.txt"
RECEIPT = "RECEIPT.json"
TIMESTAMP = "timestamp.txt"
# Files at the top of a submission that are written after the student's files are hashed, or by the collector.
NOT_HASHED = frozenset({MANIFEST, CODE_NOTE, RECEIPT, TIMESTAMP})
MAX_MANIFEST_BYTES = 32 * 2**20
CODE_DIGITS = 20  # 80 bits
_GROUP = 4
_LINE = re.compile(rb"(\\?)([0-9a-f]{64})  (.+)\Z", re.DOTALL)
# sha256sum begins a line that contains one of these with a backslash, and escapes them.
_ESCAPES = {b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r"}
_ESCAPED = re.compile(rb"\\(.?)", re.DOTALL)
_MEANT = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}


@dataclass(frozen=True)
class Checksums:
    """SHA-256 in hex of each file, by its path relative to the folder."""

    files: Mapping[str, str]

    def as_bytes(self) -> bytes:
        """Return the text of SHA256SUMS. The same files always give the same bytes."""
        named = sorted((os.fsencode(path), digest) for path, digest in self.files.items())
        return b"".join(_line(name, digest) for name, digest in named)


def manifest_of(folder: Path) -> tuple[Checksums, dict[str, str]]:
    """Return the manifest of a folder's current files, and the kinds of its other entries by path.

    Raises SubmissionError if a file cannot be read.
    """
    files: dict[str, str] = {}
    others: dict[str, str] = {}
    for entry in entries(folder):
        if entry.kind == "other":
            others[entry.path] = entry.why
        elif entry.kind == "file" and entry.path not in NOT_HASHED:
            try:
                with entry.open() as file:
                    files[entry.path] = file_digest(file)
            except OSError as error:
                raise SubmissionError(f"{shown(entry.path)} cannot be read: {error.strerror or error}") from error
    return Checksums(files), others


def file_digest(file: BinaryIO) -> str:
    """Return the SHA-256 of a file in hex, read piece by piece."""
    digest = hashlib.sha256()
    while piece := file.read(2**20):
        digest.update(piece)
    return digest.hexdigest()


def stored(folder: Path) -> bytes | None:
    """Return the text of the folder's SHA256SUMS, or None if it has none."""
    return read_small(folder, MANIFEST, MAX_MANIFEST_BYTES)


def parsed(text: bytes) -> Checksums:
    """Return the manifest in the text of a SHA256SUMS. Raises SubmissionError, which names the invalid line."""
    files: dict[str, str] = {}
    for number, line in enumerate(text.split(b"\n")[:-1], start=1):
        found = _LINE.match(line)
        name = _unescaped(found[3], bool(found[1])) if found else None
        if found is None or name is None or name in files:
            raise SubmissionError(f"{MANIFEST}, line {number}: not a hash and a path, or a repeated path")
        files[name] = found[2].decode()
    if text and not text.endswith(b"\n"):
        raise SubmissionError(f"{MANIFEST}: its last line is cut off")
    return Checksums(files)


def digest_of(manifest: bytes) -> str:
    """Return the SHA-256 of a manifest's text in hex."""
    return hashlib.sha256(manifest).hexdigest()


def code_of(manifest: bytes) -> str:
    """Return the short code of a manifest's text: the first 20 digits of what `sha256sum SHA256SUMS` prints."""
    digits = digest_of(manifest)[:CODE_DIGITS].upper()
    return "-".join(digits[start : start + _GROUP] for start in range(0, CODE_DIGITS, _GROUP))


def same_code(one: str, other: str) -> bool:
    """Return whether two codes are the same; case, dashes and spaces do not matter."""
    return _digits(one) == _digits(other)


def is_code(text: str) -> bool:
    """Return whether a text has the form of a code."""
    return re.fullmatch(r"[0-9A-F]{20}", _digits(text)) is not None


def _digits(code: str) -> str:
    return re.sub(r"[\s-]", "", code).upper()


def _line(name: bytes, digest: str) -> bytes:
    escaped = re.sub(rb"[\\\n\r]", lambda found: _ESCAPES[found[0]], name)
    return (b"\\" if escaped != name else b"") + digest.encode() + b"  " + escaped + b"\n"


def _unescaped(name: bytes, escaped: bool) -> str | None:
    """Return the path of a line; None if it is malformed or could lead out of the folder."""
    if escaped:
        if any(found[1] not in _MEANT for found in _ESCAPED.finditer(name)):
            return None
        name = _ESCAPED.sub(lambda found: _MEANT[found[1]], name)
    path = os.fsdecode(name)
    return None if "\0" in path or {"", ".", ".."} & set(path.split("/")) else path
