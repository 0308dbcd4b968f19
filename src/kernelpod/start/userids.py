"""Reads the ids that users have on the storage, from a file in the form of passwd(5), one for each hub."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kernelpod.base.files import read_ordinary
from kernelpod.base.logs import Seldom
from kernelpod.errors import Denied, SettingsError
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

MAX_BYTES = 16 * 1024 * 1024
MAX_ID = 2**31 - 1

# How long to wait for a file system that does not answer: the event loop waits, too.
PATIENCE_SECONDS = 1.0
# The same for the first time, before anything is served. A file of 400,000 users takes seconds to read.
FIRST_SECONDS = 20.0

log = logging.getLogger(__name__)


class UserIds(NamedTuple):
    """User id and group id of a user's processes and files."""

    uid: int
    gid: int


class UserIdsFile:
    """A file of ids, which is read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path, self._seldom = path, Seldom(log)
        self._stamp: tuple[int, ...] = ()
        self._ids: Mapping[str, UserIds] | None = None
        self._fault = ""
        self._look: threading.Thread | None = None

    def read(self) -> Mapping[str, UserIds]:
        """Return the ids by user name. If the file cannot be read now, what was read last counts.

        The first caller waits for a file system that does not answer: a second at most, or longer if the file was
        never read. Raises SettingsError if it never could be.
        """
        if self._look is None or not self._look.is_alive():
            self._look = threading.Thread(target=self._read_changed, daemon=True)
            self._look.start()
            self._look.join(FIRST_SECONDS if self._ids is None else PATIENCE_SECONDS)
        fault = "the file system does not answer" if self._look.is_alive() else self._fault
        if self._ids is None:
            raise SettingsError(f"hubs.user_ids {self._path}: {fault}")
        if fault:
            self._seldom.say(logging.WARNING, "%s is not read again: %s", self._path, fault)
        return self._ids

    def _read_changed(self) -> None:
        """Read the file if it has changed. A file of another form is not read again before it changes."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                raw, _ = read_ordinary(self._path, MAX_BYTES + 1)
                self._stamp = stamp
                self._ids, self._fault = parsed(raw), ""
        except OSError as error:
            self._stamp, self._fault = (), error.strerror or str(error)
        except ValueError as error:
            self._fault = str(error)

    def of(self, name: str, others: Collection[int] = ()) -> UserIds:
        """Return a user's ids. A user id in `others` is nobody's. Raises Denied (no_user_id), SettingsError."""
        if (found := self.read().get(name)) and found.uid not in others:
            return found
        raise Denied(
            "no_user_id",
            "You have no user id of your own, so nothing is started for you. Ask an admin to add you to the hub's "
            "file of user ids.",
            detail=f"{name!r} is not in {self._path}, or has the id 0, or an id of another line or of `policy`",
        )


@cache
def user_ids_file(path: Path) -> UserIdsFile:
    """Return the file of ids at this path, the same object each time."""
    return UserIdsFile(path)


def require_user_ids(settings: Settings, *hubs: Hub) -> None:
    """Raise SettingsError if a hub's file of ids cannot be read, or if this process can give nobody its ids."""
    for path in filter(None, (hub.user_ids for hub in hubs)):
        user_ids_file(path).read()
        if settings.runtime.kind == "local" and os.getuid() != 0:
            raise SettingsError(
                f"hubs.user_ids {path}: without a cluster, only root can give users ids of their own; run hub and "
                "gateway as root, or remove the key"
            )


def parsed(raw: bytes) -> dict[str, UserIds]:
    """Return the ids in the text of passwd(5): `name:password:uid:gid`, and more that is ignored.

    Of several lines for a name the first counts, as for the C library. Without ids are the names of the superuser
    and its group (0), and names that share a user id. Raises ValueError, with the line's number.
    """
    if len(raw) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES} bytes")
    found: dict[str, UserIds] = {}
    for number, line in enumerate(raw.decode("utf-8-sig").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, *ids = (line.rstrip("\r").split(":") + [""] * 4)[:4]
        if not name or not all(one.isascii() and one.isdigit() and int(one) <= MAX_ID for one in ids):
            raise ValueError(f"line {number} is not of the form name:x:uid:gid")
        found.setdefault(name, UserIds(*map(int, ids)))
    holders = Counter(one.uid for one in found.values())
    return {name: one for name, one in found.items() if one.uid and one.gid and holders[one.uid] == 1}
