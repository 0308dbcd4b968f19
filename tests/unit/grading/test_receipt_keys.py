"""Keys of receipts: a new one signs, former ones verify what they signed in their time, old files are read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from kernelpod.base import files
from kernelpod.grading.submissions import keys
from kernelpod.grading.submissions.keys import FormerKey, ReceiptKeys, read_keys, rotate
from kernelpod.grading.submissions.receipt import Receipt
from kernelpod.grading.submissions.walk import SubmissionError

NOW = datetime(2024, 2, 1, 11, 30, tzinfo=timezone.utc)
OLD = b"0123456789abcdef" * 4


def receipt(key: bytes, collected: datetime = NOW) -> Receipt:
    made = Receipt(
        course="ml", assignment="ps1", student="alice", submission="x", arrived=NOW, collected=collected, files="f"
    )
    return made.signed(key)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "receipts.key"
    path.touch(mode=0o600)
    path.write_bytes(OLD + b"\n")
    return path


def test_a_receipt_of_before_verifies_after_rotations_and_the_new_key_signs(file: Path) -> None:
    before = receipt(OLD)
    for _ in range(3):
        signing = read_keys(file).key
        rotate(file)
        made = read_keys(file)
        assert made.key not in (signing, OLD)
        assert made.former[0].key == signing
        assert made.fault(before) is None
        assert made.fault(receipt(made.key, datetime.now(timezone.utc))) is None
    assert file.stat().st_mode & 0o777 == 0o600
    assert made.former[-1].key == OLD
    assert read_keys(file) == made


@pytest.mark.parametrize("key", [OLD, b"k" * 32, bytes(range(128, 160)), b"two\nlines" * 8, b"\xff" * 4096])
def test_any_key_of_before_is_read_as_it_was_and_kept(file: Path, key: bytes) -> None:
    file.write_bytes(key)
    assert read_keys(file) == ReceiptKeys(key)
    rotate(file)
    assert read_keys(file).fault(receipt(key)) is None


def test_a_former_key_signs_nothing_that_is_collected_later() -> None:
    made = ReceiptKeys(b"n" * 32, (FormerKey(OLD, NOW),))
    assert made.fault(receipt(OLD, NOW + timedelta(minutes=59))) is None
    said = made.fault(receipt(OLD, NOW + timedelta(hours=2)))
    assert said == "is signed with a key that was replaced on 2024-02-01, earlier"
    assert made.fault(receipt(b"x" * 32)) == "is not signed with this key, or was changed"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["ab"],
        ["xy" * 32],
        ["ab" * 32, "cd" * 32],
        ["ab" * 32, f"{'cd' * 32} yesterday"],
        ["ab" * 32, f"{'cd' * 4} 2024-02-01T11:30:00Z"],
        ["ab" * 32, f"{'cd' * 32} 2024-02-01T11:30:00Z", ""],
    ],
)
def test_a_damaged_file_is_refused_whole_and_not_quoted(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join([keys.FIRST_LINE, *lines, "z"]), encoding="utf-8")
    with pytest.raises(SubmissionError, match="is damaged") as caught:
        read_keys(file)
    assert caught.value.__context__ is None
    with pytest.raises(SubmissionError):
        rotate(file)


@pytest.mark.parametrize(
    "first", ["kernelpod receipt keys 2\n", f"\ufeff{keys.FIRST_LINE}\n", f"#\n{keys.FIRST_LINE}\n"]
)
def test_a_file_that_is_not_of_this_form_is_not_taken_for_a_key(file: Path, first: str) -> None:
    file.write_text(f"{first}{'ab' * 32}\n", encoding="utf-8")
    with pytest.raises(SubmissionError, match="is damaged"):
        read_keys(file)


def test_an_editor_may_end_lines_in_its_own_way(file: Path) -> None:
    rotate(file)
    made = read_keys(file)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_keys(file) == made


def test_there_are_not_more_than_can_be_tried(file: Path) -> None:
    made = ReceiptKeys(OLD, tuple(FormerKey(OLD, NOW) for _ in range(keys.MAX_FORMER)))
    file.write_text(made.to_text(), encoding="ascii")
    with pytest.raises(SubmissionError, match="remove lines from the end"):
        rotate(file)
    assert read_keys(file) == made


def test_a_disk_that_is_full_costs_no_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        rotate(file)
    assert file.read_bytes() == OLD + b"\n"
    assert list(file.parent.iterdir()) == [file]


def test_others_may_not_read_it(file: Path) -> None:
    file.chmod(0o640)
    with pytest.raises(SubmissionError, match="chmod 600"):
        rotate(file)
