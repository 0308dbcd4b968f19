"""Publishes releases to a folder that is reached through a remote shell.

The remote folder is copied into a temporary folder, where `Target` works as on any local folder. One script then
repeats the changes in the remote folder, while it holds the remote lock.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from kernelpod.base.shells import RemoteError, Shell
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.publishing.lock import NAME as LOCK
from kernelpod.kernelspecs.publishing.lock import LockedError, new_lock, whose
from kernelpod.kernelspecs.publishing.releases import LINK, RELEASES, Target
from kernelpod.kernelspecs.publishing.tree import Tree

NAMES = ".names"
LOCKED = 75
_STATE, _CHANGE = (Path(__file__).with_name(f"{name}.sh") for name in ("state", "change"))


@dataclass(frozen=True)
class RemoteTarget(Target):
    """A local copy of a remote folder of releases. `publish` and `rollback` also change the original."""

    shell: Shell
    original: str

    def publish(self, tree: Tree, by: str, keep: int, now: datetime | None = None) -> str:
        """Publish these files as the live release and return its name. The `keep` newest releases are kept."""
        return self._repeat(by, lambda: Target.publish(self, tree, by, keep, now))

    def rollback(self, by: str, to: str = "") -> str:
        """Make the previous release or the release `to` live, and return its name."""
        return self._repeat(by, lambda: Target.rollback(self, by, to))

    def _repeat(self, by: str, change: Callable[[], str]) -> str:
        """Make a change in the copy, then in the original."""
        left, seen, before = _text(self.folder / LOCK), self._link(), self._names()
        name = change()
        files, digest = (b"", "") if name in before else _packed(self.folder / RELEASES / name)
        gone = sorted(before - self._names())
        words = (secrets.token_hex(6), new_lock(by), left, seen, name, digest, *gone)
        try:
            self.shell.run(_CHANGE.read_text(encoding="utf-8"), self.original, *words, given=files)
        except RemoteError as error:
            if error.status == LOCKED:
                said = error.output.decode("utf-8", "replace")
                raise LockedError(whose(said, f"{self.original}/{LOCK}")) from error
            raise
        return name

    def _link(self) -> str:
        link = self.folder / LINK
        return str(link.readlink()) if link.is_symlink() else ""

    def _names(self) -> set[str]:
        return {path.name for path in self._folders()}


@contextmanager
def remote_target(shell: Shell, folder: str) -> Iterator[RemoteTarget]:
    """Yield the releases of a remote folder. Raises RemoteError."""
    with tempfile.TemporaryDirectory() as made:
        copy = Path(made)
        _unpack(shell.run(_STATE.read_text(encoding="utf-8"), folder), copy)
        try:
            yield RemoteTarget(copy, shell, folder)
        except KernelpodError as error:
            error.message = error.message.replace(made, folder)
            error.args = (error.message,)
            raise


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _unpack(tar: bytes, folder: Path) -> None:
    """Extract a tar archive into a folder. Links are created last, so that no file is written through a link.

    Raises RemoteError.
    """
    links: list[tuple[Path, str]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(tar or tarfile.NUL * 2 * tarfile.BLOCKSIZE)) as packed:
            for member in packed:
                path = folder / _inside(member.name)
                if member.issym():
                    links.append((path, member.linkname))
                elif member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif (file := packed.extractfile(member)) is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.read())
                else:
                    path.touch()
        for path, to in links:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(_inside(to) if path == folder / LINK else to)
    except (tarfile.TarError, OSError, ValueError, KeyError) as error:
        raise RemoteError(f"the copy of the remote folder is invalid: {error}; try again") from error


def _inside(name: str) -> PurePosixPath:
    """Return a relative path. Raises ValueError if it leaves its folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} leaves the folder")
    return path


def _packed(folder: Path) -> tuple[bytes, str]:
    """Return a release as a tar archive with a list of its files, and the checksum of their contents in order."""
    stored, whole = io.BytesIO(), hashlib.sha256()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    with tarfile.open(fileobj=stored, mode="w", format=tarfile.GNU_FORMAT) as packed:
        for parent in sorted(path for path in folder.rglob("*") if path.is_dir()):
            packed.addfile(_member(str(parent.relative_to(folder)), tarfile.DIRTYPE, 0o755))
        names = b"".join(bytes(path.relative_to(folder)) + b"\0" for path in paths)
        _add(packed, NAMES, names)
        for path in paths:
            content = path.read_bytes()
            whole.update(content)
            _add(packed, str(path.relative_to(folder)), content)
    return stored.getvalue(), whole.hexdigest()


def _add(packed: tarfile.TarFile, name: str, content: bytes) -> None:
    member = _member(name, tarfile.REGTYPE, 0o644)
    member.size = len(content)
    packed.addfile(member, io.BytesIO(content))


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, int(time.time())
    return member
