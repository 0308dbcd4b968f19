"""Reads the files of a folder of kernelspecs into memory, and compares two such trees."""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.model import LARGEST_BYTES


class TreeError(KernelpodError):
    """A folder is not a valid folder of kernelspecs."""


@dataclass(frozen=True)
class Tree:
    """The content of files by their path relative to the folder, sorted by path."""

    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 over paths and contents, in hexadecimal digits."""
        whole = hashlib.sha256()
        for path, content in self.files.items():
            whole.update(f"{len(path.encode())}:{path}\0{len(content)}:".encode() + content)
        return whole.hexdigest()

    @property
    def specs(self) -> frozenset[str]:
        """The names of the kernelspecs."""
        return frozenset(path.partition("/")[0] for path in self.files)


EMPTY = Tree({})


def read_tree(folder: Path) -> Tree:
    """Return the files of all kernelspecs in a folder. Hidden folders are left out.

    Raises TreeError for links, special files, files over 1 MiB, and files that cannot be read.
    """
    try:
        files = {str(path.relative_to(folder)): _content(path) for path in _files(folder)}
    except OSError as error:
        raise TreeError(f"{error.filename}: {error.strerror}") from error
    return Tree(dict(sorted(files.items())))


def _files(folder: Path) -> Iterator[Path]:
    for spec in sorted(folder.iterdir()):
        if not spec.name.startswith(".") and (spec.is_dir() or spec.is_symlink()):
            if spec.is_symlink():
                raise TreeError(f"{spec} is a symbolic link; replace it with the folder itself")
            for parent, folders, names in os.walk(spec, onerror=_raise):
                linked = [name for name in folders if Path(parent, name).is_symlink()]
                yield from (Path(parent, name) for name in sorted([*names, *linked]))


def _raise(error: OSError) -> None:
    raise error


def _content(path: Path) -> bytes:
    """Return a file's content. Checks and reads the same open file, so that it cannot be swapped in between."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise TreeError(f"{path} is a symbolic link; replace it with the file itself") from error
        raise
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise TreeError(f"{path} is neither a file nor a folder")
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise TreeError(f"{path} is larger than 1 MiB")
    return content


def changes(old: Tree, new: Tree) -> dict[str, str]:
    """Return "added", "changed" or "removed" for each file that differs, sorted by path."""
    paths = sorted({*old.files, *new.files})
    found = {path: (old.files.get(path), new.files.get(path)) for path in paths}
    return {
        path: "added" if before is None else "removed" if after is None else "changed"
        for path, (before, after) in found.items()
        if before != after
    }


def difference(old: Tree, new: Tree) -> str:
    """Return a unified diff from old to new. Empty if they are equal."""
    parts: list[str] = []
    for path in changes(old, new):
        before, after = old.files.get(path), new.files.get(path)
        shown = path if path.isprintable() else ascii(path)
        names = ("/dev/null" if before is None else f"a/{shown}", "/dev/null" if after is None else f"b/{shown}")
        try:
            old_lines, new_lines = (
                (content or b"").decode("utf-8").splitlines(keepends=True) for content in (before, after)
            )
        except UnicodeDecodeError:
            parts.append(f"Binary files {names[0]} and {names[1]} differ\n")
            continue
        for line in difflib.unified_diff(old_lines, new_lines, *names):
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)
