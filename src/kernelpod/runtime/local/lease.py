"""The lease of gateways on one machine: a lock on a file, which ends with the process that has it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from kernelpod.errors import KernelpodError


class FileLease:
    """The lock, beside the state folder. Its file holds the address of the gateway that leads.

    A gateway that is stopped without ending (SIGSTOP) keeps it.
    """

    def __init__(self, path: Path, address: str) -> None:
        self._path, self._address, self._file = path, address, -1
        self.leader = ""
        self.term = 0

    @property
    def expired(self) -> bool:
        """Whether this gateway does not have the lock."""
        return self._file < 0

    def lost(self, term: int) -> None:
        """Do nothing: the lock is this process's until it ends."""

    async def hold(self, is_gone: Callable[[], Awaitable[bool]]) -> bool:
        """Take the lock if it is free; see `Lease`."""
        del is_gone  # the kernel knows
        if self._file >= 0:
            return True
        try:
            return self._take(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            raise KernelpodError(f"the lock {self._path} cannot be used: {error.strerror}") from error

    def _take(self, file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(file, 0)
            os.pwrite(file, self._address.encode("ascii"), 0)
        except BlockingIOError:
            self.leader = os.read(file, 100).decode("ascii", "replace")
            os.close(file)
            return False
        except OSError:
            os.close(file)
            raise
        self._file, self.leader = file, ""
        return True

    async def release(self) -> None:
        """Unlock the file. It stays, because another gateway may have opened it."""
        if self._file >= 0:
            os.truncate(self._file, 0)
            os.close(self._file)
        self._file, self.leader = -1, ""
