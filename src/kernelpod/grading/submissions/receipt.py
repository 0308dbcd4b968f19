"""The receipt that the collector adds to a submission: its student, time and content, signed with a key."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from kernelpod.base.files import read_ordinary
from kernelpod.grading.submissions.manifest import RECEIPT
from kernelpod.grading.submissions.walk import SubmissionError, read_small

MAX_RECEIPT_BYTES = 2**20
MIN_KEY_BYTES, MAX_KEY_BYTES = 32, 4096
FORM: Literal[1] = 1
# Separates these signatures from others that are made with the same key.
_PURPOSE = b"kernelpod submission receipt 1\n"


class Receipt(BaseModel):
    """One collected submission."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = FORM
    course: str
    assignment: str
    student: str
    """The student, by the folder that only this user can write."""
    submission: str
    """The name of the collected folder, which the student chose."""
    arrived: AwareDatetime
    """When its content last changed."""
    clock: Literal["storage", "student"] = "storage"
    """The source of `arrived`."""
    collected: AwareDatetime
    closed: AwareDatetime | None = None
    """When submitting closed, if the collector knows it."""
    code: str | None = None
    """The code of the submission's own manifest, or None if it has none."""
    files: str
    """SHA-256 of the manifest of the collected files."""
    left_out: dict[str, str] = {}
    """Why files were not collected, by path."""
    hmac: str | None = None
    """HMAC-SHA256 over all of the above, in hex."""

    @property
    def late(self) -> bool:
        """Whether it arrived after submitting had closed."""
        return self.closed is not None and self.arrived > self.closed

    def signed(self, key: bytes) -> Receipt:
        """Return the receipt with its HMAC."""
        return self.model_copy(update={"hmac": self._hmac(key)})

    def genuine(self, key: bytes) -> bool:
        """Return whether it was signed with this key and has not changed since."""
        return self.hmac is not None and hmac.compare_digest(self.hmac.encode(), self._hmac(key).encode())

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"

    def _hmac(self, key: bytes) -> str:
        plain = json.dumps(self.model_dump(mode="json", exclude={"hmac"}), sort_keys=True, separators=(",", ":"))
        return hmac.new(key, _PURPOSE + plain.encode(), hashlib.sha256).hexdigest()


def receipt_of(folder: Path) -> Receipt | None:
    """Return the receipt in a folder, or None if there is none. Raises SubmissionError if it cannot be read."""
    text = read_small(folder, RECEIPT, MAX_RECEIPT_BYTES)
    if text is None:
        return None
    try:
        return Receipt.model_validate_json(text)
    except ValidationError as error:
        raise SubmissionError(f"{RECEIPT} {_why(error)}") from error


def _why(error: ValidationError) -> str:
    for one in error.errors(include_url=False):
        if one["loc"] == ("version",) and isinstance(one["input"], int):
            old = one["input"] < FORM
            age, remedy = ("an older", "collect the submission again") if old else ("a newer", "upgrade kernelpod")
            return f"is of {age} form than {FORM}, which is read here: {remedy}"
    return "is damaged"


def read_key(path: Path) -> bytes:
    """Return the key of receipts. Raises SubmissionError if other users have access to it, or it is too short."""
    try:
        raw, status = read_ordinary(path, MAX_KEY_BYTES + 1)
    except OSError as error:
        raise SubmissionError(f"the key {path} cannot be read: {error.strerror}") from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SubmissionError(f"other users have access to the key {path}: run chmod 600 {path}")
    key = raw.strip()
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise SubmissionError(
            f"{path} is not a key of at least {MIN_KEY_BYTES} bytes: make one with `openssl rand -hex 32`"
        )
    return key


def moment(text: str) -> datetime:
    """Return a point in time from ISO 8601 with a zone. Raises ValueError."""
    made = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if made.tzinfo is None:
        raise ValueError("it has no time zone")
    return made
