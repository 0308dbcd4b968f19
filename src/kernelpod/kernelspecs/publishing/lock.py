"""A lock file that lets only one administrator publish at a time, and names its owner and age."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from kernelpod.errors import KernelpodError

NAME = ".sync.lock"


class LockedError(KernelpodError):
    """Somebody else holds the lock."""


@contextmanager
def locked(folder: Path, by: str) -> Iterator[None]:
    """Hold the lock of a folder. Raises LockedError with its owner and age.

    If the lock's process ran on this machine and has ended, the lock is taken over. Processes of other machines
    cannot be checked.
    """
    path = folder / NAME
    if _abandoned(_text(path)):
        path.unlink(missing_ok=True)
    own = folder / f"{NAME}-{secrets.token_hex(6)}"
    own.write_text(new_lock(by), encoding="utf-8")
    try:
        # Creating a hard link is atomic, even on NFS.
        path.hardlink_to(own)
    except (FileExistsError, FileNotFoundError):
        raise LockedError(whose(_text(path), path)) from None
    finally:
        own.unlink(missing_ok=True)
    try:
        # Remove files of processes that were interrupted or did not get the lock.
        for other in folder.glob(f"{NAME}-*"):
            other.unlink(missing_ok=True)
        yield
    finally:
        path.unlink(missing_ok=True)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _started(pid: int) -> str:
    """Return the start time of a process on this machine in clock ticks. Empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def new_lock(by: str) -> str:
    """Return the content of a lock file of this process."""
    about = {"by": by, "host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}
    return json.dumps({**about, "since": _now().isoformat()})


def whose(text: str, path: object) -> str:
    """Return a sentence with owner and age of the lock at `path` with the content `text`, and what to do."""
    about, age = _read(text), ""
    if isinstance(since := about.get("since"), str):
        age = f", for {(_now() - datetime.fromisoformat(since)).total_seconds():.0f} s"
    who = f"{about['by']} on {about.get('host')}{age}" if "by" in about else "somebody"
    return f"{who} is publishing here. Wait until it has finished. If it was interrupted, remove {path}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _read(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _abandoned(text: str) -> bool:
    about = _read(text)
    pid = about.get("pid")
    ours = about.get("host") == socket.gethostname()
    return ours and isinstance(pid, int) and _started(pid) != about.get("started")
