"""The receipt that the collector adds to a submission: its student, time and content, signed with a key."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from kernelpod.grading.submissions.manifest import RECEIPT
from kernelpod.grading.submissions.walk import SubmissionError, read_small

MAX_RECEIPT_BYTES = 2**20
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


def moment(text: str) -> datetime:
    """Return a point in time from ISO 8601 with a zone. Raises ValueError."""
    made = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    if made.tzinfo is None:
        raise ValueError("it has no time zone")
    return made
