"""The keys of receipts, read from one file: the one that signs, and former ones, which only verify.

A file holds one key as it is, or, once it was rotated, a first line that says so and then a line for each key: the
key in hexadecimal digits, and for former keys the time until which they signed.
"""

from __future__ import annotations

import secrets
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from kernelpod.base.files import read_ordinary, replace_file
from kernelpod.grading.submissions.receipt import Receipt, moment
from kernelpod.grading.submissions.walk import SubmissionError

MIN_KEY_BYTES, MAX_KEY_BYTES = 32, 4096
MAX_FORMER = 50
MAX_FILE_BYTES = 2**20
FIRST_LINE = "kernelpod receipt keys 1"
# No key has this in it: a file of another version, or that an editor has changed, is not taken for one.
NAME = b"kernelpod receipt keys"
# Collecting goes on with the key that it began with.
COLLECTING = timedelta(hours=1)


@dataclass(frozen=True)
class FormerKey:
    """A key that no longer signs."""

    key: bytes
    until: datetime


@dataclass(frozen=True)
class ReceiptKeys:
    """All keys that receipts may be signed with."""

    key: bytes
    """The key that signs."""
    former: tuple[FormerKey, ...] = ()
    """Former keys, the latest first."""

    def fault(self, receipt: Receipt) -> str | None:
        """Return why a receipt is not genuine, or None if it is.

        Whoever has learned a former key can still make receipts, but none that says a later time.
        """
        if receipt.genuine(self.key):
            return None
        for one in self.former:
            if receipt.genuine(one.key):
                late = receipt.collected > one.until + COLLECTING
                return f"is signed with a key that was replaced on {one.until:%Y-%m-%d}, earlier" if late else None
        return "is not signed with this key, or was changed"

    def rotated(self, now: datetime) -> ReceiptKeys:
        """Return a new key, and the others as former ones. Raises SubmissionError if there are too many."""
        if len(self.former) >= MAX_FORMER:
            raise SubmissionError(
                f"there are {MAX_FORMER} former keys; remove lines from the end of the file whose receipts nobody "
                "needs to verify"
            )
        return ReceiptKeys(secrets.token_bytes(32), (FormerKey(self.key, now), *self.former))

    def to_text(self) -> str:
        """Return the text of the file."""
        lines = [f"{one.key.hex()} {one.until.isoformat(timespec='seconds')}" for one in self.former]
        return "\n".join([FIRST_LINE, self.key.hex(), *lines, ""])


def read_keys(path: Path) -> ReceiptKeys:
    """Return the keys of receipts. Raises SubmissionError if others may read them, or if they are none."""
    try:
        raw, status = read_ordinary(path, MAX_FILE_BYTES)
    except OSError as error:
        raise SubmissionError(f"the key {path} cannot be read: {error.strerror}") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SubmissionError(f"other users have access to the key {path}: run chmod 600 {path}")
    text = raw.strip()
    if NAME in text:
        return _parsed(path, text)
    if not MIN_KEY_BYTES <= len(text) <= MAX_KEY_BYTES:
        raise SubmissionError(
            f"{path} is not a key of at least {MIN_KEY_BYTES} bytes: make one with `openssl rand -hex 32`"
        )
    return ReceiptKeys(text)


def _parsed(path: Path, text: bytes) -> ReceiptKeys:
    try:
        head, first, *rest = text.decode("ascii").splitlines()
        former = (line.split(" ") for line in rest)
        keys = tuple(FormerKey(bytes.fromhex(key), moment(until)) for key, until in former)
        made = ReceiptKeys(bytes.fromhex(first), keys) if head == FIRST_LINE else None
    except ValueError:
        made = None
    if made is None or not all(MIN_KEY_BYTES <= len(one) <= MAX_KEY_BYTES for one in _all(made)):
        # The error of a parser would hold a key.
        raise SubmissionError(f"{path} is damaged: take a copy of it, or remove the lines that are not whole")
    return made


def _all(keys: ReceiptKeys) -> list[bytes]:
    return [keys.key, *(one.key for one in keys.former)]


def rotate(path: Path) -> None:
    """Put a new key that signs into a file, and keep the others for verifying. Raises SubmissionError, OSError."""
    replace_file(path, read_keys(path).rotated(datetime.now(timezone.utc)).to_text())
