"""Copying from a folder that a student can write while it is copied."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelpod.grading.submissions import copy
from kernelpod.grading.submissions.copy import Copied, Rules, copy_folder, last_change
from kernelpod.grading.submissions.walk import FolderEntry, SubmissionError

ROOMY = Rules(file_bytes=1000, all_bytes=5000)


def copied(tmp_path: Path, rules: Rules = ROOMY) -> tuple[dict[str, str], Copied]:
    """Copy `in` to `out`; return the texts of the files there, and what was said."""
    done = copy_folder(tmp_path / "in", tmp_path / "out", rules)
    found = (path for path in sorted((tmp_path / "out").rglob("*")) if not path.is_dir())
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    return {str(path.relative_to(tmp_path / "out")): path.read_text(encoding="utf-8") for path in found}, done


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in/sub/empty").mkdir(parents=True)
    (tmp_path / "in/a").write_text("a", encoding="utf-8")
    (tmp_path / "in/sub/b").write_text("bb", encoding="utf-8")
    return tmp_path / "in"


def test_files_and_empty_folders_with_plain_modes(tmp_path: Path, source: Path) -> None:
    (source / "a").chmod(0o6777)
    (source / "sub").chmod(0o777)
    files, done = copied(tmp_path)
    assert files == {"a": "a", "sub/b": "bb"}
    assert (done.bytes, done.left_out, done.full) == (3, {}, False)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out").rglob("*")}
    assert modes == {"a": 0o644, "sub": 0o755, "empty": 0o755, "b": 0o644}


def test_links_pipes_and_linked_folders_stay_behind(tmp_path: Path, source: Path) -> None:
    (tmp_path / "secret").write_text("bob's", encoding="utf-8")
    (source / "file").symlink_to(tmp_path / "secret")
    (source / "folder").symlink_to(tmp_path)
    (source / "sub/up").symlink_to("..")
    os.mkfifo(source / "pipe")
    files, done = copied(tmp_path)
    assert files == {"a": "a", "sub/b": "bb"}
    assert done.left_out == {
        "file": "a symbolic link",
        "folder": "a symbolic link",
        "sub/up": "a symbolic link",
        "pipe": "a named pipe",
    }


def test_a_file_that_becomes_a_link_before_it_is_opened_is_not_followed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("bob's", encoding="utf-8")
    stock = FolderEntry.open

    def swapped(entry: FolderEntry) -> Any:
        (source / entry.path).unlink()
        (source / entry.path).symlink_to(tmp_path / "secret")
        return stock(entry)

    monkeypatch.setattr(FolderEntry, "open", swapped)
    files, done = copied(tmp_path)
    assert files == {}
    assert set(done.left_out) == {"a", "sub/b"}


def test_a_file_that_becomes_a_pipe_before_it_is_opened_holds_nobody_up(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = FolderEntry.open

    def swapped(entry: FolderEntry) -> Any:
        (source / entry.path).unlink()
        os.mkfifo(source / entry.path)
        return stock(entry)

    monkeypatch.setattr(FolderEntry, "open", swapped)
    files, done = copied(tmp_path)
    assert files == {}
    assert set(done.left_out.values()) == {"it cannot be opened: no longer an ordinary file"}


def test_a_folder_that_becomes_a_link_while_it_is_read_is_not_followed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob/b").write_text("bob's", encoding="utf-8")
    stock = FolderEntry.open

    def swapped(entry: FolderEntry) -> Any:
        if entry.path == "sub/b":
            (source / "sub").rename(tmp_path / "away")
            (source / "sub").symlink_to(tmp_path / "bob")
        return stock(entry)

    monkeypatch.setattr(FolderEntry, "open", swapped)
    assert copied(tmp_path)[0] == {"a": "a", "sub/b": "bb"}


@pytest.mark.parametrize("sparse", [False, True])
def test_a_file_that_is_too_large_is_left_out(tmp_path: Path, source: Path, sparse: bool) -> None:
    with (source / "huge").open("wb") as file:
        file.truncate(10**12) if sparse else file.write(b"x" * 1001)
    files, done = copied(tmp_path)
    assert set(files) == {"a", "sub/b"}
    assert done.left_out == {"huge": "it is larger than 1000 bytes"}
    assert not done.full


def test_a_file_that_grows_while_it_is_read_is_left_out(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy, "_PIECE", 100)
    stock = FolderEntry.open

    class Growing:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: Any) -> None:
            self.file.close()

        def read(self, size: int) -> bytes:
            return b"x" * size

    monkeypatch.setattr(FolderEntry, "open", lambda entry: Growing(stock(entry)))
    files, done = copied(tmp_path)
    assert files == {}
    assert set(done.left_out.values()) == {"it is larger than 1000 bytes"}


def test_all_together_are_bounded(tmp_path: Path, source: Path) -> None:
    files, done = copied(tmp_path, Rules(file_bytes=1000, all_bytes=2))
    assert files == {"a": "a"}
    assert done.left_out == {"sub/b": "the folder is larger than 2 bytes"}
    assert done.full


def test_what_is_ignored_is_not_even_mentioned(tmp_path: Path, source: Path) -> None:
    (source / "sub/link").symlink_to("x")
    files, done = copied(tmp_path, Rules(1000, 1000, ignored=lambda path: path == "sub", included=lambda _: True))
    assert (files, done.left_out) == ({"a": "a"}, {})
    assert not (tmp_path / "out/sub").exists()


@pytest.fixture
def not_root(monkeypatch: pytest.MonkeyPatch, source: Path) -> Iterator[None]:
    """Root may read everything: be somebody else, in the folder of the test."""
    monkeypatch.chdir(source.parent)
    if os.getuid() == 0:
        for path in (source.parent, source, *source.rglob("*")):
            os.chown(path, 65534, 65534)
        os.seteuid(65534)
    yield
    os.seteuid(os.getuid())


def test_what_cannot_be_read_is_left_out(source: Path, not_root: None) -> None:
    for path in ("in/a", "in/sub"):
        Path(path).chmod(0)
    files, done = copied(Path())
    Path("in/sub").chmod(0o755)
    assert files == {}
    assert done.left_out == {
        "a": "it cannot be opened: Permission denied",
        "sub": "it cannot be opened: Permission denied",
    }


def test_nothing_stays_of_a_copy_that_failed(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copy, "_stream", no_space)
    with pytest.raises(OSError, match="No space left"):
        copy_folder(source, tmp_path / "out", ROOMY)
    assert not (tmp_path / "out").exists()


def test_an_existing_place_is_not_written_over(tmp_path: Path, source: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/kept").touch()
    with pytest.raises(FileExistsError):
        copy_folder(source, tmp_path / "out", ROOMY)
    assert (tmp_path / "out/kept").exists()


def test_a_link_is_no_folder_to_copy(tmp_path: Path, source: Path) -> None:
    (tmp_path / "link").symlink_to("in")
    with pytest.raises(SubmissionError, match="not a readable folder"):
        copy_folder(tmp_path / "link", tmp_path / "out", ROOMY)


def test_a_folder_counts_as_a_change(tmp_path: Path, source: Path) -> None:
    limit = time.monotonic() + 10
    while (source / "sub").stat().st_ctime_ns <= (source / "sub/b").stat().st_ctime_ns:
        (source / "sub/c").touch()
        (source / "sub/c").unlink()
        assert time.monotonic() < limit
    newest = max(path.stat().st_ctime_ns for path in (source, source / "sub"))
    assert copied(tmp_path)[1].changed_ns == last_change(source) == newest


@pytest.mark.parametrize("change", ["edit", "add", "remove", "touch to the past"])
def test_the_time_of_a_change_cannot_be_set_back(tmp_path: Path, source: Path, change: str) -> None:
    first = last_change(source)
    limit = time.monotonic() + 10
    while last_change(source) == first and time.monotonic() < limit:
        if change == "edit":
            (source / "sub/b").write_text("late", encoding="utf-8")
        elif change == "add":
            (source / "sub/c").touch()
            (source / "sub/c").unlink()
        elif change == "remove":
            (source / "a").unlink(missing_ok=True)
            (source / "a").touch()
        for path in (source / "sub/b", source / "sub", source / "a", source):
            os.utime(path, (0, 0))
    assert last_change(source) > first
    assert copied(tmp_path)[1].changed_ns == last_change(source)
