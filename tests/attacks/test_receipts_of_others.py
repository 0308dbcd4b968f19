"""Receipts: one of another course, assignment or student proves nothing; no file of a key blocks its reader."""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kernelpod.cli.main import main
from kernelpod.errors import KernelpodError
from kernelpod.grading.submissions.keys import ReceiptKeys, read_keys
from kernelpod.grading.submissions.manifest import MANIFEST, RECEIPT, code_of, digest_of, manifest_of
from kernelpod.grading.submissions.receipt import Receipt
from kernelpod.grading.submissions.verify import verify_all
from kernelpod.hub.logins import codes
from kernelpod.settings.hubs import Hub

KEY = b"k" * 32
NOW = datetime.now(timezone.utc)


def collected(folder: Path, student: str = "alice", assignment: str = "ps1", course: str = "ml") -> Path:
    """Put a submission with a genuine receipt where nbgrader does, and return its folder."""
    place = folder / student / assignment
    place.mkdir(parents=True)
    (place / "answer.ipynb").write_text("42", encoding="utf-8")
    manifest = manifest_of(place)[0].as_bytes()
    (place / MANIFEST).write_bytes(manifest)
    made = Receipt(
        course=course, assignment=assignment, student=student, submission="x", arrived=NOW, collected=NOW,
        code=code_of(manifest), files=digest_of(manifest),
    )  # fmt: skip
    (place / RECEIPT).write_text(made.signed(KEY).to_json(), encoding="utf-8")
    return place


def found(folder: Path, **what: Any) -> list[str]:
    return [one for verdict in verify_all(folder, keys=ReceiptKeys(KEY), **what) for one in verdict.findings]


def test_a_genuine_receipt_is_good_in_its_place(tmp_path: Path) -> None:
    place = collected(tmp_path)
    for folder in (tmp_path, tmp_path / "alice", place):
        assert found(folder) == found(folder, course="ml", assignment="ps1") == []


def test_a_student_cannot_use_a_receipt_for_another_assignment(tmp_path: Path) -> None:
    other = tmp_path / "alice" / "ps2"
    shutil.copytree(collected(tmp_path), other)
    for folder in (tmp_path, tmp_path / "alice", other):
        (said,) = found(folder)
        assert said.startswith("its RECEIPT.json is for the assignment ps1, which is no name of its folder")
    assert found(other, assignment="ps2") == ["its RECEIPT.json is for the assignment ps1, not for ps2"]


def test_a_student_named_like_an_assignment_cannot_use_it_for_another(tmp_path: Path) -> None:
    shutil.copytree(collected(tmp_path, student="ps1"), tmp_path / "ps1" / "ps2")
    assert len(found(tmp_path)) == len(found(tmp_path / "ps1" / "ps2")) == 1


def test_a_student_cannot_use_a_receipt_of_another_course(tmp_path: Path) -> None:
    place = collected(tmp_path, course="stats")
    (said,) = found(place, course="ml")
    assert said.startswith("its RECEIPT.json is for the course stats, not for ml")
    collected(tmp_path, student="bob")
    assert len(found(tmp_path)) == 2
    assert len(found(tmp_path, course="ml")) == 1


def test_a_student_cannot_use_a_receipt_of_another_student(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    shutil.copytree(collected(tmp_path), tmp_path / "bob" / "ps1")
    assert found(tmp_path) == ["its RECEIPT.json belongs to alice"]


@pytest.mark.parametrize(("version", "said"), [(0, "of an older form"), (2, "of a newer form"), ("x", "damaged")])
def test_a_receipt_of_another_form_is_said_to_be_one(tmp_path: Path, version: Any, said: str) -> None:
    file = collected(tmp_path) / RECEIPT
    file.write_text(
        json.dumps({**json.loads(file.read_text(encoding="utf-8")), "version": version}), encoding="utf-8"
    )
    (finding,) = found(tmp_path)
    assert said in finding


def test_the_command_verifies_for_a_course_and_an_assignment(tmp_path: Path) -> None:
    collected(tmp_path)
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_bytes(KEY)
    words = ["submissions", "verify", str(tmp_path / "alice"), "--key-file", str(tmp_path / "key")]
    done = CliRunner().invoke(main, [*words, "--course", "ml", "--assignment", "ps1"])
    assert (done.exit_code, "alice ml ps1 of" in done.output) == (0, True), done.output
    assert CliRunner().invoke(main, [*words, "--course", "stats"]).exit_code == 1
    assert CliRunner().invoke(main, [*words, "--assignment", "ps2"]).exit_code == 1


def test_a_user_cannot_block_a_reader_by_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe", 0o600)
    for read in (read_keys, codes.read_list, lambda path: Hub(token_file=path).service_token()):
        with pytest.raises(KernelpodError, match="this is not an ordinary file"):
            read(pipe)
