"""What a kernel is for, as its client says: a notebook's path. A label for its owner; nothing is decided by it."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

LONGEST_PATH = 1000
_TYPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
DEFAULT_TYPE = "notebook"


class Session(BaseModel):
    """The session that a kernel was started for: its path in the user's server, and its type."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    type: str = DEFAULT_TYPE


def named(path: str, kind: str) -> Session | None:
    """Return the session of these words of a client; None if they cannot be shown as they are, or are too long."""
    if not path or len(path) > LONGEST_PATH or not path.isprintable():
        return None
    return Session(path=path, type=kind if _TYPE.fullmatch(kind) else DEFAULT_TYPE)
