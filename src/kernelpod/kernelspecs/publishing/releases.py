"""Kernelspecs as releases: whole folders side by side, and one symbolic link that says which is live.

```text
<target>/kernelspecs -> releases/20260101T120000Z-0123456789ab
<target>/releases/20260101T120000Z-0123456789ab/python-pod/kernel.json
                                               /.release.json
```

A reader that follows the link once sees the old or the new release, never a mix. Whatever is interrupted leaves
the old one live; the next `publish` removes what is left of it.
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
# A reader may still be at work on a release that is no longer live.
KEPT_FOR = timedelta(hours=1)


class ReleaseError(KernelpodError):
    """Nothing was published or switched; the release that was live still is."""


@dataclass(frozen=True)
class Release:
    """One published release."""

    name: str
    created: datetime
    by: str
    digest: str
    live: bool
    damage: str = ""
    """What differs from the manifest; empty if nothing does."""


@dataclass(frozen=True)
class Target:
    """The folder above `kernelspecs`, as gateways mount it."""

    folder: Path

    def live(self) -> Path | None:
        """Return the folder of the live release; None if there is none yet. Raises ReleaseError."""
        link = self.folder / LINK
        if not link.is_symlink():
            if link.exists():
                raise ReleaseError(f"{link} is a folder, not a release. Move it away: mv {link} {link}.old")
            return None
        return self.folder / link.readlink()

    def tree(self) -> Tree:
        """Return the files of the live release; none if somebody damaged it. Raises ReleaseError."""
        live = self.live()
        try:
            return read_tree(live) if live else EMPTY
        except TreeError:
            return EMPTY

    def history(self) -> list[Release]:
        """Return all releases, the newest first, each looked at for damage."""
        live = self.live()
        return [self._release(path, live) for path in reversed(self._folders())]

    def publish(self, tree: Tree, by: str, keep: int, now: datetime | None = None) -> str:
        """Make a release of these files live and return its name; the `keep` newest ones stay.

        Raises ReleaseError or LockedError, and then nothing has changed for readers.
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
        """Make the release before the live one live again, or the one named; return its name.

        Raises ReleaseError if there is none or if it is damaged, LockedError.
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
        """Return a name after all others, also when the clock went backwards."""
        newest = max((_stamped(path.name) for path in self._folders()), default=now - timedelta(seconds=1))
        return f"{max(now, newest + timedelta(seconds=1)).strftime(STAMP)}-{tree.digest[:12]}"

    def _write(self, name: str, tree: Tree, by: str) -> None:
        """Write a release beside the others, look at it again, and give it its name."""
        releases = self.folder / RELEASES
        releases.mkdir(exist_ok=True)
        with _partial(releases) as partial:
            for path, content in tree.files.items():
                _put(partial / path, content)
            sums = {path: hashlib.sha256(content).hexdigest() for path, content in tree.files.items()}
            about = {"created": _stamped(name).isoformat(), "by": by, "digest": tree.digest, "files": sums}
            _put(partial / MANIFEST, json.dumps(about, indent=1).encode())
            if damage := _damage(partial, sums):
                raise ReleaseError(f"what was written is not what can be read: {damage}. Look at the storage")
            for parent, _, _ in os.walk(partial):
                Path(parent).chmod(0o755)
                _fsync(Path(parent))
            partial.rename(releases / name)
        _fsync(releases)

    def _switch(self, name: str) -> None:
        """Make a release live in one step."""
        new = self.folder / f".{LINK}-{secrets.token_hex(4)}"
        new.symlink_to(Path(RELEASES, name))
        try:
            new.replace(self.folder / LINK)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        _fsync(self.folder)

    def _clean(self) -> None:
        """Remove what an interrupted `publish` left behind."""
        for left in (self.folder / RELEASES).glob(f"{PARTIAL}*"):
            shutil.rmtree(left)
        for left in self.folder.glob(f".{LINK}-*"):
            left.unlink()

    def _prune(self, keep: int, now: datetime) -> None:
        """Remove releases beyond the newest `keep`, if they have not been the newest for an hour."""
        folders, live = self._folders(), self.live()
        for folder, successor in list(pairwise(folders))[: max(0, len(folders) - keep)]:
            if folder != live and now - _stamped(successor.name) > KEPT_FOR:
                shutil.rmtree(folder)


def _stamped(name: str) -> datetime:
    """Return when a release was made, by its name; long ago if that is no name of ours."""
    try:
        return datetime.strptime(name.partition("-")[0], STAMP).replace(tzinfo=timezone.utc)
    except ValueError:
        return datetime.fromtimestamp(0, timezone.utc)


def _damage(folder: Path, sums: dict[str, str]) -> str:
    """Return what differs between a release's files and their checksums; empty if nothing does."""
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
    """Turn what the storage says into a sentence."""
    try:
        yield
    except OSError as error:
        raise ReleaseError(f"{error.filename or folder}: {error.strerror}. Nothing was published.") from error


@contextmanager
def _partial(releases: Path) -> Iterator[Path]:
    """Give a new folder; if it is still there at the end, it is removed."""
    folder = releases / f"{PARTIAL}{secrets.token_hex(6)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put(path: Path, content: bytes) -> None:
    """Write a file that everybody may read, and return when it is stored."""
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
