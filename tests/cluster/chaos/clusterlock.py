"""The cluster is made to fail by one program at a time."""

from __future__ import annotations

import fcntl
import os

from rig.layout import Layout


class ClusterLock:
    """Of the programs that break things on one cluster at once.

    Who makes the cluster itself fail holds it alone; who asks the cluster shares it. Users do neither: they feel
    what all the programs break.
    """

    def __init__(self) -> None:
        state = Layout.from_environment().state
        state.mkdir(parents=True, exist_ok=True)
        # Never closed, so that it is held until the program has removed all.
        self._file = os.open(state / "chaos.lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def take(self, *, alone: bool = False) -> None:
        """Wait for it, and hold it until `release` or the program's end."""
        self.release()
        fcntl.flock(self._file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)

    def release(self) -> None:
        """Let others have it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)
