"""Releases at the other end of a shell, where the other end is this machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kernelpod.kernelspecs.publishing.releases import Release, Target
from kernelpod.kernelspecs.publishing.remote.shell import asked
from kernelpod.kernelspecs.publishing.remote.target import remote_target
from kernelpod.kernelspecs.publishing.tree import Tree


@dataclass(frozen=True)
class LocalShell:
    """A shell of this machine, in a process group of its own."""

    command: tuple[str, ...] = ("sh",)

    def run(self, script: str, *words: str, given: bytes = b"") -> bytes:
        """Return what the script prints. Raises RemoteError."""
        return asked(["setsid", *self.command, "-c", script, "sh", *words], given, 60)


@dataclass(frozen=True)
class Elsewhere:
    """What `Target` offers, each time through the shell."""

    folder: Path
    shell: LocalShell = LocalShell()

    def live(self) -> Path | None:
        """Return the folder of the live release."""
        return Target(self.folder).live()

    def tree(self) -> Tree:
        """Return the files of the live release."""
        with remote_target(self.shell, str(self.folder)) as there:
            return there.tree()

    def history(self) -> list[Release]:
        """Return all releases."""
        with remote_target(self.shell, str(self.folder)) as there:
            return there.history()

    def publish(self, tree: Tree, by: str, keep: int, now: datetime | None = None) -> str:
        """Make a release live."""
        with remote_target(self.shell, str(self.folder)) as there:
            return there.publish(tree, by, keep, now)

    def rollback(self, by: str, to: str = "") -> str:
        """Make another release live."""
        with remote_target(self.shell, str(self.folder)) as there:
            return there.rollback(by, to)
