"""Notes of a server's sessions in the user's home, for the next server: what was renamed since the kernel started.

Lab starts a session under a path of its own making and renames it, and people rename notebooks. Without
the notes, only what the gateway was told at the start is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_core.paths import jupyter_data_dir

MOST_BYTES = 1024 * 1024


class Note(NamedTuple):
    """One session: its path in the server, its name and type, and its kernel."""

    path: str
    name: str
    type: str
    kernel_id: str


def place(server: str) -> Path:
    """Return the file of the notes of the server with this name."""
    return (
        Path(jupyter_data_dir())
        / "kernelpod"
        / f"sessions-{hashlib.sha256(server.encode()).hexdigest()[:16]}.json"
    )


def read(file: Path) -> list[Note]:
    """Return the notes; none if there are none, or what is there is something else."""
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return []
    return [made for one in found if (made := _note(one))] if isinstance(found, list) else []


def _note(found: Any) -> Note | None:
    fields = [found.get(name) for name in Note._fields] if isinstance(found, dict) else []
    texts = [one for one in fields if isinstance(one, str)]
    return Note(*texts) if len(texts) == len(Note._fields) else None


def write(file: Path, notes: Iterable[Note]) -> None:
    """Replace the notes. Raises OSError, for instance if the home is full."""
    file.parent.mkdir(0o700, parents=True, exist_ok=True)
    made = file.with_suffix(f".{os.getpid()}")
    try:
        made.write_text(json.dumps([note._asdict() for note in notes]), encoding="utf-8")
        made.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            made.unlink()
        raise
