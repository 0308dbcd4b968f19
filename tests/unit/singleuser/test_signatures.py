"""Signatures of trusted notebooks: a file that gives no lock makes nobody wait, and nothing is lost by it."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from nbformat.sign import SQLiteSignatureStore

from doubles import eventually
from kernelpod.singleuser.signatures import PatientSignatures

LOG = logging.getLogger("signatures")


def made(file: Path, seconds: float = 30) -> PatientSignatures:
    return PatientSignatures(file, LOG, seconds)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the file's lock, as SQLite does while it writes."""
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
        database.execute("ROLLBACK")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file in which nbformat has stored a signature."""
    stock = SQLiteSignatureStore(str(tmp_path / "nbsignatures.db"))
    stock.store_signature("old", "sha256")
    stock.close()
    return tmp_path / "nbsignatures.db"


def in_file(file: Path, digest: str) -> bool:
    stock = SQLiteSignatureStore(str(file))
    with closing(stock):
        return stock.check_signature(digest, "sha256")


def test_signatures_are_in_the_file_of_nbformat(file: Path) -> None:
    signatures = made(file)
    assert signatures.check_signature("old", "sha256")
    assert not signatures.check_signature("new", "sha256")
    signatures.store_signature("new", "sha256")
    assert in_file(file, "new")
    signatures.remove_signature("old", "sha256")
    assert not in_file(file, "old")
    signatures.close()


def test_a_file_without_a_lock_makes_nobody_wait_and_loses_nothing(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signatures = made(file, 1)
    with locked(file):
        assert not signatures.check_signature("old", "sha256")
        began = time.monotonic()
        for number in range(100):
            signatures.store_signature(f"new {number}", "sha256")
            assert signatures.check_signature(f"new {number}", "sha256")
        # SQLite waits for 5 s for each.
        assert time.monotonic() - began < 60
        for digest in ("new 7", "old"):
            signatures.remove_signature(digest, "sha256")
            assert not signatures.check_signature(digest, "sha256")

    def last_is_written() -> bool:
        # A question is enough to write what is not written yet.
        return not signatures.check_signature("unknown", "sha256") and not in_file(file, "old")

    eventually(last_is_written, 60, what="the last is written")
    assert in_file(file, "new 99")
    assert not in_file(file, "new 7")
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == [f"{file} does not answer"]
    assert not list(file.parent.glob("*.bak")), "a locked file was taken for a broken one"
    signatures.close()


def test_a_file_is_opened_again_after_an_error(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    signatures = made(file)
    assert signatures.check_signature("old", "sha256")
    with closing(sqlite3.connect(file)) as database:
        database.execute("ALTER TABLE nbsignatures RENAME TO gone")
    assert not signatures.check_signature("other", "sha256")
    assert "no such table" in caplog.text
    signatures.store_signature("new", "sha256")
    assert in_file(file, "new")
    signatures.close()


def test_a_file_that_is_no_database_is_moved_aside(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)
    signatures = made(file)
    signatures.store_signature("new", "sha256")
    assert in_file(file, "new")
    assert file.with_name("nbsignatures.db.bak").exists()
    signatures.close()


def test_a_folder_that_is_missing_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    signatures = made(tmp_path / "missing" / "nbsignatures.db")
    for digest in ("a", "b"):
        signatures.store_signature(digest, "sha256")
        assert signatures.check_signature(digest, "sha256")
    assert "unable to open database file" in caplog.text
    assert len(caplog.records) == 1
