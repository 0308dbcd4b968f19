"""The steps of the exchange one by one: what students are told, what is refused, what stays after a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from nbgrader.exchange import ExchangeError
from traitlets import TraitError
from traitlets.config import Config

from kernelpod.grading import exchange as submissions
from kernelpod.grading.submissions.keys import ReceiptKeys
from kernelpod.grading.submissions.manifest import code_of, stored
from kernelpod.grading.submissions.verify import verify

# nbgrader leaves timestamp.txt open when it releases feedback.
pytestmark = [pytest.mark.grading, pytest.mark.filterwarnings("ignore:.*timestamp.txt")]
PAST, FUTURE = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00+01:00"


def test_submission_cache_and_note_have_one_code(desk: Desk) -> None:
    made = desk.submit("alice")
    (kept,) = (desk.home("alice") / "cache/ml").iterdir()
    code = code_of(stored(made) or b"")
    assert verify(made, code).ok
    assert verify(kept, code).ok
    note = (desk.home("alice") / "ps1/SUBMISSION-CODE.txt").read_text(encoding="utf-8")
    assert note.startswith(f"Code        {code}\n")
    assert (made / "SUBMISSION-CODE.txt").read_text(encoding="utf-8") == note


def test_the_note_of_one_submission_is_no_part_of_the_next(desk: Desk) -> None:
    desk.submit("alice")
    made = desk.submit("alice")
    assert b"SUBMISSION-CODE" not in (stored(made) or b"")
    assert verify(made).files == 2


def test_lab_is_told_the_code_and_what_was_left_out(desk: Desk) -> None:
    (desk.home("alice") / "ps1/data").symlink_to("/etc")
    code = code_of(stored(desk.submit("alice")) or b"")
    (found,) = desk.student(submissions.Listing, "alice", cached=True).start()
    (one,) = found["submissions"]
    assert one["timestamp"].endswith(f" UTC, code {code}, 1 left out: see SUBMISSION-CODE.txt")
    note = (desk.home("alice") / "ps1/SUBMISSION-CODE.txt").read_text(encoding="utf-8")
    assert "\nLeft out    data: a symbolic link\n" in note


def test_submitting_closes(desk: Desk) -> None:
    desk.submit("alice", closes_at=FUTURE)
    with pytest.raises(ExchangeError, match="Submitting closed at 2020-01-01 00:00:00"):
        desk.submit("alice", closes_at=PAST)
    assert len(desk.inbound("alice")) == 1


@pytest.mark.parametrize("text", ["tomorrow", "2027-02-01T12:00:00", "12:00"])
def test_an_end_without_a_zone_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(TraitError, match=r"closes_at is .*: write 2027-02-01T12:00:00"):
        desk.collect(closes_at=text)


def test_nothing_is_left_of_a_submission_that_failed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", no_space)
    with pytest.raises(OSError, match="No space left"):
        desk.submit("alice")
    assert desk.inbound("alice") == []
    assert list((desk.home("alice") / "cache").rglob("*.part")) == []


def test_a_folder_that_is_too_large_is_not_submitted_in_part(desk: Desk) -> None:
    with (desk.home("alice") / "ps1/data").open("wb") as file:
        file.write(b"x" * 3000)
    with pytest.raises(ExchangeError, match=r"Nothing was submitted: .* holds more than 2000 bytes"):
        desk.student(submissions.Submit, "alice", {"max_dir_size": 2}).start()
    assert desk.inbound("alice") == []


def test_a_submission_that_is_being_made_is_not_collected(desk: Desk) -> None:
    made = desk.submit("alice")
    made.rename(made.with_name(f".{made.name}.part"))
    assert desk.collect() == {}


def test_submissions_are_replaced_only_when_asked(desk: Desk) -> None:
    desk.submit("alice", "1")
    assert desk.collect() == {"alice": "1"}
    desk.submit("alice", "2")
    assert desk.collect() == {"alice": "1"}
    assert desk.collect(update=True) == {"alice": "2"}
    assert [path.name for path in desk.collected("alice").parent.iterdir()] == ["ps1"]


def test_one_student_can_be_collected_alone(desk: Desk) -> None:
    for student in ("alice", "bob"):
        desk.submit(student, student)
    assert desk.collect({"student_id": "bob"}) == {"bob": "bob"}


def test_the_key_is_read_before_anything_is_collected(desk: Desk, tmp_path: Path) -> None:
    desk.submit("alice")
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o644)
    with pytest.raises(ExchangeError, match="chmod 600"):
        desk.collect(receipt_key_file=str(key))
    key.chmod(0o600)
    desk.collect(receipt_key_file=str(key))
    assert verify(desk.collected("alice"), keys=ReceiptKeys(b"k" * 32)).ok


def test_feedback_reaches_its_student_only(desk: Desk) -> None:
    for student in ("alice", "bob"):
        desk.submit(student)
    desk.collect()
    desk.make_feedback()
    desk.step(submissions.ReleaseFeedback, desk.exchange.parent, {}).start()
    for student in ("alice", "bob"):
        desk.student(submissions.FetchFeedback, student).start()
        (page,) = (desk.home(student) / "ps1/feedback").rglob("*.html")
        assert page.read_text(encoding="utf-8") == f"for {student}"
        assert len(list((desk.exchange / "feedback" / student).iterdir())) == 1


def test_nbgraders_own_layout_goes_on_to_work(open_desk: Desk) -> None:
    for student in ("alice", "bob_b"):
        open_desk.submit(student, student)
    assert open_desk.collect(check_owner=False) == {"alice": "alice", "bob_b": "bob_b"}
    assert open_desk.receipt("bob_b").student == "bob_b"
    open_desk.make_feedback()
    open_desk.step(submissions.ReleaseFeedback, open_desk.exchange.parent, {}).start()
    open_desk.student(submissions.FetchFeedback, "bob_b").start()
    assert len(list((open_desk.home("bob_b") / "ps1/feedback").rglob("*.html"))) == 1


def test_release_makes_the_folders_that_are_missing(desk: Desk) -> None:
    shutil.rmtree(desk.exchange)
    desk.exchange.parent.chmod(0o755)
    (desk.course / "release/ps1").mkdir(parents=True)
    (desk.course / "release/ps1/ps1.ipynb").write_text("{}", encoding="utf-8")
    desk.step(submissions.ReleaseAssignment, desk.exchange.parent, {}).start()
    modes = {path.name: path.stat().st_mode & 0o7777 for path in desk.exchange.iterdir()}
    assert modes == {"inbound": 0o755, "outbound": 0o755}
    assert desk.exchange.parent.stat().st_mode & 0o777 == 0o755


def test_a_missing_exchange_is_named(desk: Desk) -> None:
    with pytest.raises(ExchangeError, match="There is no exchange at"):
        desk.step(submissions.Collect, desk.root / "nowhere", {}).start()


def test_a_student_is_called_as_her_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "john+doe@b.org")
    monkeypatch.setattr(os, "getuid", lambda: 4242)  # an id without a name, as in a pod
    made = desk.student(submissions.Submit, "alice", {"student_id": "*"})
    (desk.home("alice") / "ps1/ps1.ipynb").write_text("{}", encoding="utf-8")
    made.start()
    assert made.assignment_filename.startswith("john-doe-b-org---")


def test_configure_replaces_every_step() -> None:
    c = Config()
    submissions.configure(c)
    assert {kind.__module__.rpartition(".")[0] for kind in c.ExchangeFactory.values()} == {
        "kernelpod.grading.exchange"
    }
    assert len(c.ExchangeFactory) == 8
