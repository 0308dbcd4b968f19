"""Files that admins name are read if they are ordinary ones; nothing else makes their reader wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernelpod.base.files import read_ordinary
from kernelpod.courses.load import load_courses
from kernelpod.courses.model import Lists
from kernelpod.courses.roster import read_list
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.linting.lint import lint_one
from kernelpod.kernelspecs.model import read_folder
from kernelpod.settings.culling import NO_CULLING
from kernelpod.settings.kernels import Kernelspecs
from kernelpod.start.userids import UserIdsFile


def lint(path: Path) -> None:
    (found,) = [one for one in lint_one(path.parent, Kernelspecs(), NO_CULLING, {}) if one.code == "unreadable"]
    raise ValueError(str(found))


READERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: read_ordinary(path, 10),
    "courses": load_courses,
    "a list": lambda path: read_list(path, Lists(), [path.parent]),
    "a folder of lists": lambda path: read_list(path.parent, Lists(), [path.parent.parent]),
    "ids of users": lambda path: UserIdsFile(path).read(),
    "a kernelspec": lambda path: read_folder(path.parent),
    "a kernelspec to check": lint,
}


@pytest.fixture(params=[False, True], ids=["nobody writes", "somebody writes"])
def pipe(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return a named pipe by a name that each of the readers takes."""
    folder = tmp_path / "a-pod"
    folder.mkdir()
    path = folder / "lists.csv"
    os.mkfifo(path)
    (folder / "kernel.json").symlink_to(path)
    writer = os.open(path, os.O_RDWR) if request.param else None
    yield path
    if writer is not None:
        os.close(writer)


@pytest.mark.parametrize("reader", READERS)
def test_a_named_pipe_is_refused_at_once(reader: str, pipe: Path) -> None:
    with pytest.raises((OSError, ValueError, KernelpodError), match=r"no.* ordinary file|neither a file"):
        READERS[reader](pipe)


def test_a_descriptor_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    descriptor = os.open(path, os.O_RDONLY)
    assert read_ordinary(descriptor, 2)[0] == b"ab"
    os.close(descriptor)
