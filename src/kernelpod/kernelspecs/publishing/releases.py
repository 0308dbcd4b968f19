"""Stores releases as folders side by side, with one symbolic link to the live release.

```text
<target>/kernelspecs -> releases/20260101T120000Z-0123456789ab
<target>/releases/20260101T120000Z-0123456789ab/python-pod/kernel.json
                                               /.release.json
```

A reader that follows the link once sees either the old or the new release, never a mix. If publishing is
interrupted, the old release stays live, and the next `publish` removes the incomplete one.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.publishing.lock import locked
from kernelpod.kernelspecs.publishing.tree import EMPTY, Tree, TreeError, read_tree

LINK = "kernelspecs"
RELEASES = "releases"
MANIFEST = ".release.json"
PARTIAL = ".partial-"
STAMP = "%Y%m%dT%H%M%SZ"
# Readers may still use a release for a while after it is no longer live.
KEPT_FOR = timedelta(hours=1)


class ReleaseError(KernelpodError):
    """Publishing or switching failed. The live release is unchanged."""


@dataclass(frozen=True)
class Release:
    """One published release."""

    name: str
    created: datetime
    by: str
    digest: str
    live: bool
    damage: str = ""
    """How the files differ from the manifest. Empty if they do not."""


@dataclass(frozen=True)
class Target:
    """A folder of releases, as gateways mount it. It holds the link `kernelspecs`."""

    folder: Path

    def live(self) -> Path | None:
        """Return the folder of the live release, or None if there is none yet. Raises ReleaseError."""
        link = self.folder / LINK
        if not link.is_symlink():
            if link.exists():
                raise ReleaseError(f"{link} is a folder, not a release. Move it away: mv {link} {link}.old")
            return None
        return self.folder / link.readlink()

    def tree(self) -> Tree:
        """Return the files of the live release. Empty if it is damaged. Raises ReleaseError."""
        live = self.live()
        try:
            return read_tree(live) if live else EMPTY
        except TreeError:
            return EMPTY

    def history(self) -> list[Release]:
        """Return all releases, newest first, and check each for damage."""
        live = self.live()
        return [self._release(path, live) for path in reversed(self._folders())]

    def publish(self, tree: Tree, by: str, keep: int, now: datetime | None = None) -> str:
        """Publish these files as the live release and return its name. The `keep` newest releases are kept.

        Raises ReleaseError or LockedError. Then nothing has changed for readers.
        """
        now = now or datetime.now(timezone.utc)
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder, by):
                self.live()
                self._clean()
                name = self._new_name(tree, now)
                self._write(name, tree, by)
                self._switch(name)
                self._prune(keep, now)
        return name

    def rollback(self, by: str, to: str = "") -> str:
        """Make the previous release or the release `to` live, and return its name.

        Raises ReleaseError if there is no such release or it is damaged, and LockedError.
        """
        with _explained(self.folder), locked(self.folder, by):
            history = self.history()
            live = next((number for number, release in enumerate(history) if release.live), None)
            if live is None:
                raise ReleaseError(f"{self.folder} has no live release; publish one")
            older = history[live + 1 : live + 2]
            chosen = [release for release in history if release.name == to] if to else older
            if not chosen:
                said = f"there is no release {to}" if to else f"{history[live].name} is the oldest release"
                raise ReleaseError(f"{said}; `kernelpod specs history` lists them")
            if chosen[0].damage:
                raise ReleaseError(f"the release {chosen[0].name} is damaged: {chosen[0].damage}")
            self._switch(chosen[0].name)
        return chosen[0].name

    def _folders(self) -> list[Path]:
        found = self.folder / RELEASES
        return sorted(path for path in found.glob("[!.]*") if path.is_dir()) if found.is_dir() else []

    def _release(self, folder: Path, live: Path | None) -> Release:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            created, by, digest = datetime.fromisoformat(manifest["created"]), manifest["by"], manifest["digest"]
            damage = _damage(folder, manifest["files"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError, KernelpodError) as error:
            created, by, digest = _stamped(folder.name), "", ""
            damage = f"{MANIFEST}: {error}"
        return Release(folder.name, created, by, digest, folder == live, damage)

    def _new_name(self, tree: Tree, now: datetime) -> str:
        """Return a name that sorts after all others, even if the clock was set back."""
        newest = max((_stamped(path.name) for path in self._folders()), default=now - timedelta(seconds=1))
        return f"{max(now, newest + timedelta(seconds=1)).strftime(STAMP)}-{tree.digest[:12]}"

    def _write(self, name: str, tree: Tree, by: str) -> None:
        """Write a release under a temporary name, verify it, and rename it."""
        releases = self.folder / RELEASES
        releases.mkdir(exist_ok=True)
        with _partial(releases) as partial:
            for path, content in tree.files.items():
                _put(partial / path, content)
            sums = {path: hashlib.sha256(content).hexdigest() for path, content in tree.files.items()}
            about = {"created": _stamped(name).isoformat(), "by": by, "digest": tree.digest, "files": sums}
            _put(partial / MANIFEST, json.dumps(about, indent=1).encode())
            if damage := _damage(partial, sums):
                raise ReleaseError(f"the written release cannot be read back: {damage}. Check the storage")
            for parent, _, _ in os.walk(partial):
                Path(parent).chmod(0o755)
                _fsync(Path(parent))
            partial.rename(releases / name)
        _fsync(releases)

    def _switch(self, name: str) -> None:
        """Make a release live atomically."""
        new = self.folder / f".{LINK}-{secrets.token_hex(4)}"
        new.symlink_to(Path(RELEASES, name))
        try:
            new.replace(self.folder / LINK)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        _fsync(self.folder)

    def _clean(self) -> None:
        """Remove files that an interrupted `publish` left behind."""
        for left in (self.folder / RELEASES).glob(f"{PARTIAL}*"):
            shutil.rmtree(left)
        for left in self.folder.glob(f".{LINK}-*"):
            left.unlink()

    def _prune(self, keep: int, now: datetime) -> None:
        """Remove all but the newest `keep` releases, except those that were the newest within the last hour."""
        folders, live = self._folders(), self.live()
        for folder, successor in list(pairwise(folders))[: max(0, len(folders) - keep)]:
            if folder != live and now - _stamped(successor.name) > KEPT_FOR:
                shutil.rmtree(folder)


def _stamped(name: str) -> datetime:
    """Return the creation time of a release from its name, or 1970 if the name has another form."""
    try:
        return datetime.strptime(name.partition("-")[0], STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)


def _damage(folder: Path, sums: dict[str, str]) -> str:
    """Return how a release's files differ from their checksums. Empty if they do not."""
    there = {path: hashlib.sha256(content).hexdigest() for path, content in read_tree(folder).files.items()}
    for path in sorted({*there, *sums}):
        if path not in there:
            return f"{path} is missing"
        if path not in sums:
            return f"{path} is not of this release"
        if there[path] != sums[path]:
            return f"{path} was changed"
    return ""


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn an OSError into a ReleaseError."""
    try:
        yield
    except OSError as error:
        raise ReleaseError(f"{error.filename or folder}: {error.strerror}. Nothing was published.") from error


@contextmanager
def _partial(releases: Path) -> Iterator[Path]:
    """Yield a new folder, and remove it afterwards unless it was renamed."""
    folder = releases / f"{PARTIAL}{secrets.token_hex(6)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(path: Path, content: bytes) -> None:
    """Write a file that everybody can read, and flush it to the storage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())


def _fsync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
