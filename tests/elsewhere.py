"""Releases at the other end of a shell, where the other end is this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from kernelpod.base.shells import asked
from kernelpod.kernelspecs.publishing.releases import MANIFEST, RELEASES, Release, Target
from kernelpod.kernelspecs.publishing.remote.target import remote_target
from kernelpod.kernelspecs.publishing.tree import Tree

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def tree(text: str = "one", **more: str) -> Tree:
    """Return two kernelspecs whose files all hold one text."""
    files = {"a-pod/kernel.json": text, "b-pod/kernel.json": text, "b-pod/scripts/größe 1.txt": text, **more}
    return Tree({path: content.encode() for path, content in sorted(files.items())})


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


def seen(target: Target | Elsewhere) -> set[str]:
    """Return the texts that a reader sees who follows the link once."""
    root = Path(os.path.realpath(target.folder / "kernelspecs"))
    return {path.read_text() for path in root.rglob("*") if path.is_file() and path.name != MANIFEST}


def leftovers(target: Target | Elsewhere) -> list[str]:
    """Return what is neither link nor release."""
    inside = [path.name for path in target.folder.iterdir() if path.name not in ("kernelspecs", RELEASES)]
    return inside + [path.name for path in (target.folder / RELEASES).iterdir() if path.name.startswith(".")]
