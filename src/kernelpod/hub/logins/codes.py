"""One-time codes of an exam: makes them, stores their hashes in a list, and records which are used.

The list is a JSON file that the hub only reads. A used code is recorded as an empty file in a folder of the hub,
named after the code's hash. A code issued again has another hash, so older records no longer apply.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from kernelpod.base.files import read_ordinary
from kernelpod.errors import SettingsError

# Crockford's base 32, which has no I, L, O and U. A typed I or L counts as 1, and O as 0.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIKE = str.maketrans("ILO", "110")
GROUPS, GROUP_LENGTH = 3, 5
BITS = GROUPS * GROUP_LENGTH * 5
MAX_CODE = 100
MAX_LIST_BYTES = 16 * 1024 * 1024
_FORM = 1
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class ListError(SettingsError):
    """A list of codes cannot be used. The message names the list and the remedy."""


class _UnfitError(Exception):
    """A file is not a list of codes. The text says why, without the file's content."""


def _no_list(path: Path, why: str) -> ListError:
    return ListError(f"{path}: this is not a list of codes ({why}); make one: kernelpod hub one-time issue")


@dataclass(frozen=True)
class StoredCode:
    """The hash of one user's code, and when the code is valid."""

    salt: bytes
    digest: bytes
    opens: datetime
    closes: datetime

    @property
    def note(self) -> str:
        """The name of the file that records that the code is used."""
        return self.digest.hex()

    def matches(self, code: str) -> bool:
        """Return whether a typed code is this one. The time does not depend on the code."""
        return hmac.compare_digest(_digest(code, self.salt), self.digest)


def new_code() -> str:
    """Return a code of 75 bits, such as 7XK2M-9PQRT-4HJKW."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


def new_entry(code: str, opens: datetime, closes: datetime) -> StoredCode:
    """Return a code's entry in a list."""
    salt = secrets.token_bytes(16)
    return StoredCode(salt, _digest(code, salt), opens, closes)


def _digest(code: str, salt: bytes) -> bytes:
    letters = "".join(code[:MAX_CODE].upper().replace("-", "").split()).translate(_ALIKE)
    return hashlib.scrypt(letters.encode("utf-8", "surrogatepass"), salt=salt, dklen=32, **_SCRYPT)


def read_list(path: Path) -> dict[str, StoredCode]:
    """Return the entries of a list by user name. Raises ListError."""
    try:
        raw, _ = read_ordinary(path, MAX_LIST_BYTES + 1)
    except OSError as error:
        raise ListError(f"{path}: the list of codes cannot be read: {error.strerror}") from error
    try:
        if len(raw) > MAX_LIST_BYTES:
            raise _UnfitError(f"it is larger than {MAX_LIST_BYTES} bytes")
        data = json.loads(raw)
        if data["form"] != _FORM or data["scrypt"] != _SCRYPT:
            raise _UnfitError("it has another version")
        return {name: _entry(one) for name, one in data["users"].items()}
    except _UnfitError as error:
        raise _no_list(path, str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_list(path, "damaged") from error


def _entry(data: Mapping[str, Any]) -> StoredCode:
    opens, closes = (datetime.fromisoformat(data[key]) for key in ("from", "until"))
    if opens.tzinfo is None or closes.tzinfo is None:
        raise _UnfitError("a time has no time zone")
    return StoredCode(bytes.fromhex(data["salt"]), bytes.fromhex(data["digest"]), opens, closes)


def write_list(path: Path, entries: Mapping[str, StoredCode]) -> None:
    """Replace a list atomically: readers see either the old or the new one. Raises ListError."""
    users = {
        name: {
            "from": one.opens.isoformat(),
            "until": one.closes.isoformat(),
            "salt": one.salt.hex(),
            "digest": one.digest.hex(),
        }
        for name, one in sorted(entries.items())
    }
    text = json.dumps({"form": _FORM, "scrypt": _SCRYPT, "users": users}, indent=1, ensure_ascii=False) + "\n"
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        _write_new(beside, text, 0o640)
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise ListError(f"{path}: the list of codes cannot be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def changing(path: Path) -> Iterator[None]:
    """Lock the list's folder, so that nobody else changes lists in it. Raises ListError."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ListError(f"{path.parent}: {error.strerror}; make this folder first") from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write_slips(path: Path, text: str) -> None:
    """Write codes in plain text to a new file that only its owner can read. Raises ListError."""
    try:
        _write_new(path, text, 0o600)
    except FileExistsError:
        raise ListError(f"{path} exists already; codes are never overwritten, so name a new file") from None
    except OSError as error:
        raise ListError(f"{path}: {error.strerror}") from error


def use(folder: Path, entry: StoredCode) -> bool:
    """Record on disk that a code is used. Return False if it was used before.

    The record survives a power failure. If several processes use a code at the same time, exactly one of them gets
    True. Raises OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _write_new(folder / entry.note, "", 0o600)
    except FileExistsError:
        return False
    _sync_folder(folder)
    return True


def _write_new(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def issued(
    names: Iterable[str], opens: datetime, closes: datetime
) -> tuple[dict[str, str], dict[str, StoredCode]]:
    """Return a new code for each user, in plain text and as an entry of a list."""
    codes = {name: new_code() for name in sorted(names)}
    return codes, {name: new_entry(code, opens, closes) for name, code in codes.items()}
