"""What a student may put into her inbound folder, and what becomes of it."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from desk import Desk
from nbgrader.exchange import ExchangeError

from kernelpod.grading import exchange as submissions
from kernelpod.grading.exchange import collect as collecting
from kernelpod.grading.submissions import walk
from kernelpod.grading.submissions.verify import verify

# nbgrader leaves timestamp.txt open when it releases feedback.
pytestmark = [pytest.mark.grading, pytest.mark.filterwarnings("ignore:.*timestamp.txt")]
NAME = "+ps1+2027-02-01 11:30:00.000000 UTC+abc"


def forged(desk: Desk, name: str, student: str = "alice") -> Path:
    """Hand in properly, then call the folder something else."""
    return desk.submit(student, "alice's").rename(desk.exchange / "inbound" / student / name)


@pytest.mark.parametrize("name", ["bob", "..", ".", "", "bob\\..\\bob", "*", "a+b", "\x1b[2J"])
def test_a_submission_is_hers_whose_folder_it_is_in_whatever_it_is_called(desk: Desk, name: str) -> None:
    desk.submit("bob", "bob's")
    forged(desk, f"x{name}{NAME}" if name.startswith(".") else f"{name}{NAME}")
    assert desk.collect() == {"alice": "alice's", "bob": "bob's"}
    assert desk.receipt("alice").student == "alice"
    assert sorted(path.name for path in desk.course.iterdir()) == ["submitted"]


def test_a_link_to_somebody_elses_submission_is_none(desk: Desk) -> None:
    bobs = desk.submit("bob", "bob's")
    (desk.exchange / "inbound/alice" / f"alice{NAME}").symlink_to(bobs)
    (desk.exchange / "inbound/alice" / f"alice{NAME}d").symlink_to(f"../bob/{bobs.name}")
    assert desk.collect() == {"bob": "bob's"}


def test_folders_below_a_students_own_are_nobody_elses(desk: Desk) -> None:
    shutil.copytree(desk.submit("alice", "alice's"), desk.exchange / "inbound/alice/bob" / f"bob{NAME}")
    assert desk.collect() == {"alice": "alice's"}


@pytest.mark.parametrize("target", ["../../bob/grades.txt", "/etc/passwd", "ps1.ipynb", "."])
def test_a_link_in_a_submission_is_not_followed(desk: Desk, target: str) -> None:
    (desk.exchange / "inbound/bob/grades.txt").write_text("bob's", encoding="utf-8")
    made = desk.submit("alice")
    (made / "data").symlink_to(target)
    assert "alice" in desk.collect()
    assert not os.path.lexists(desk.collected("alice") / "data")
    assert desk.receipt("alice").left_out == {"data": "a symbolic link"}


@pytest.mark.parametrize(
    "name",
    ["ps1.ipynb", "SHA256SUMS", "submission_secret.txt", "timestamp.txt", "RECEIPT.json", "SUBMISSION-CODE.txt"],
)
@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "endless"])
def test_something_else_than_the_file_that_is_looked_for(desk: Desk, name: str, kind: str) -> None:
    desk.submit("bob", "bob's")
    place = desk.submit("alice") / name
    place.unlink(missing_ok=True)
    if kind == "link":
        place.symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
        (place / "x").touch()
    else:
        with place.open("wb") as file:
            file.truncate(10**12)
    found = desk.collect({"max_file_size": 1})
    assert found["bob"] == "bob's"
    taken = desk.collected("alice")
    assert not any(path.is_symlink() or path.is_fifo() for path in taken.rglob("*"))
    assert sum(path.stat().st_size for path in taken.rglob("*")) < 20_000
    assert desk.receipt("alice").student == "alice"
    for one in ("RECEIPT.json", "SHA256SUMS", "timestamp.txt", "submission_secret.txt"):
        assert (taken / one).is_file()
    desk.collect({"max_file_size": 1}, update=True)
    desk.make_feedback()
    desk.step(submissions.ReleaseFeedback, desk.exchange.parent, {}).start()
    assert len(list((desk.exchange / "feedback/bob").iterdir())) == 1


@pytest.mark.parametrize("secret", [b"", b"\xff\xfe", b"short", b"../../bob", b"x" * 10_000])
def test_a_secret_that_nbgrader_did_not_make_does_not_stop_the_feedback_of_others(
    desk: Desk, secret: bytes
) -> None:
    desk.submit("bob")
    (desk.submit("alice") / "submission_secret.txt").write_bytes(secret)
    desk.collect()
    desk.make_feedback()
    desk.step(submissions.ReleaseFeedback, desk.exchange.parent, {}).start()
    assert len(list((desk.exchange / "feedback/bob").iterdir())) == 1


def test_too_many_files_cost_only_her_own_submission(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.submit("bob", "bob's")
    good = desk.submit("alice", "good")
    monkeypatch.setattr(walk, "MAX_ENTRIES", 20)
    bad = desk.submit("alice", "bad")
    for number in range(30):
        (bad / str(number)).touch()
    assert desk.collect() == {"alice": "good", "bob": "bob's"}
    assert desk.receipt("alice").submission == good.name


def test_too_much_is_left_out(desk: Desk) -> None:
    made = desk.submit("alice")
    for number in range(4):
        (made / f"z{number}").write_bytes(b"x" * 900)
    desk.collect({"max_dir_size": 3})
    left_out = desk.receipt("alice").left_out
    assert left_out
    assert set(left_out.values()) == {"the folder is larger than 3000 bytes"}


def test_many_submissions_are_not_all_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "MAX_SUBMISSIONS", 2)
    for _ in range(4):
        desk.submit("alice", "one of many")
    assert desk.collect() == {"alice": "one of many"}


def test_a_time_of_the_past_does_not_help(desk: Desk) -> None:
    made = desk.submit("alice", "late")
    for path in (*made.rglob("*"), made):
        os.utime(path, (0, 0))
    (made / "timestamp.txt").write_text("2000-01-01 00:00:00.000000 UTC", encoding="utf-8")
    made = made.rename(made.with_name("alice+ps1+2000-01-01 00:00:00.000000 UTC+abc"))
    closed = datetime.now(timezone.utc) - timedelta(minutes=5)
    desk.collect(closes_at=closed.isoformat())
    told = desk.receipt("alice")
    assert told.late
    assert told.arrived > closed
    assert "2000" not in (desk.collected("alice") / "timestamp.txt").read_text(encoding="utf-8")


def test_a_file_put_there_after_the_end_makes_it_late(desk: Desk) -> None:
    made = desk.submit("alice", "in time")
    closed = datetime.now(timezone.utc)
    while datetime.fromtimestamp((made / "ps1.ipynb").stat().st_ctime, timezone.utc) <= closed:
        (made / "ps1.ipynb").write_text("late", encoding="utf-8")
    desk.collect(closes_at=closed.isoformat())
    assert desk.receipt("alice").late


def test_what_came_in_time_is_taken_before_what_came_later(desk: Desk) -> None:
    desk.submit("alice", "in time")
    closed = datetime.now(timezone.utc)
    while datetime.fromtimestamp(desk.submit("alice", "late").stat().st_ctime, timezone.utc) <= closed:
        pass
    assert desk.collect(closes_at=closed.isoformat()) == {"alice": "in time"}
    assert not desk.receipt("alice").late
    assert desk.collect(update=True) == {"alice": "late"}
    assert desk.collect(closes_at=closed.isoformat()) == {"alice": "in time"}


@pytest.mark.parametrize("time", ["yesterday", "", "9" * 40, "0000-00-00", "2027-13-01 99:99 UTC"])
@pytest.mark.parametrize("clock", ["storage", "student"])
def test_a_time_that_is_none_is_taken_from_the_storage(desk: Desk, time: str, clock: str) -> None:
    made = forged(desk, f"alice+ps1+{time}+abc")
    (made / "timestamp.txt").write_text(time, encoding="utf-8")
    assert desk.collect(time_from=clock) == {"alice": "alice's"}
    assert desk.collect(time_from=clock, update=True) == {"alice": "alice's"}
    assert abs(desk.receipt("alice").arrived - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_after_a_restore_the_order_is_that_of_the_names(desk: Desk) -> None:
    newest = desk.submit("alice", "newest")
    desk.submit("alice", "older").rename(newest.with_name("alice+ps1+2020-01-01 00:00:00.000000 UTC+abc"))
    assert desk.collect(time_from="student") == {"alice": "newest"}
    assert desk.receipt("alice").clock == "student"


def test_the_first_of_all_days_is_a_time_too(desk: Desk) -> None:
    forged(desk, "alice+ps1+0001-01-01 00:00:00 UTC+abc")
    for update in (False, True):
        assert desk.collect(time_from="student", update=update) == {"alice": "alice's"}
    assert desk.receipt("alice").arrived.year == 1


def test_a_receipt_of_ones_own_is_not_collected(desk: Desk) -> None:
    made = desk.submit("alice")
    (made / "RECEIPT.json").write_text('{"student": "alice", "late": false}', encoding="utf-8")
    desk.collect()
    assert desk.receipt("alice").submission == made.name


def test_what_was_changed_after_submitting_is_seen(desk: Desk) -> None:
    (desk.submit("alice") / "ps1.ipynb").write_text("better", encoding="utf-8")
    desk.collect()
    verdict = verify(desk.collected("alice"))
    assert verdict.changed == ("ps1.ipynb",)
    assert verdict.findings == ()


def test_a_submission_without_a_manifest_gets_one_and_the_receipt_says_so(desk: Desk) -> None:
    (desk.submit("alice") / "SHA256SUMS").unlink()
    desk.collect()
    assert desk.receipt("alice").code is None
    assert verify(desk.collected("alice")).ok


def test_folders_that_are_no_students_are_passed_over(desk: Desk) -> None:
    desk.submit("bob", "bob's")
    inbound = desk.exchange / "inbound"
    (inbound / "mallory").symlink_to(inbound / "bob")
    for name in ("Mallory", "a_b", "-x", f"bob{NAME}", "x" * 70):
        shutil.copytree(inbound / "bob", inbound / name)
    assert desk.collect() == {"bob": "bob's"}


def test_a_list_of_what_came_in_says_whose_it_is(desk: Desk) -> None:
    made = forged(desk, f"bob{NAME}")
    endless = made.parent / f"alice{NAME}"
    shutil.copytree(made, endless)
    with (endless / "submission_secret.txt").open("wb") as file:
        file.truncate(10**12)
    lister = desk.step(submissions.Listing, desk.exchange.parent, {"student_id": "*"}, inbound=True)
    (found,) = lister.start()
    assert (found["student_id"], len(found["submissions"])) == ("alice", 1)


def test_in_nbgraders_own_layout_no_name_leads_out_of_submitted(open_desk: Desk) -> None:
    made = open_desk.submit("alice", "alice's")
    shutil.copytree(made, made.with_name(f"..{NAME}"))
    shutil.copytree(made, made.with_name(NAME))
    shutil.copytree(made, made.with_name(f".hidden{NAME}"))
    (made.parent / f"bob{NAME}").symlink_to(made)
    assert open_desk.collect() == {"alice": "alice's"}
    assert sorted(path.name for path in open_desk.course.iterdir()) == ["gradebook.db", "submitted"]
    assert [path.name for path in (open_desk.course / "submitted").iterdir()] == ["alice"]


@pytest.mark.parametrize("name", ["Bob", "..x", "a_b"])
def test_feedback_for_a_name_that_no_folder_has_goes_nowhere(desk: Desk, name: str) -> None:
    desk.submit("alice")
    desk.collect()
    desk.collected("alice").parent.rename(desk.course / "submitted" / name)
    desk.make_feedback()
    before = sorted(desk.exchange.rglob("*"))
    desk.step(submissions.ReleaseFeedback, desk.exchange.parent, {}).start()
    assert sorted(desk.exchange.rglob("*")) == before


def test_feedback_that_cannot_be_written_does_not_stop_that_of_others(desk: Desk) -> None:
    for student in ("alice", "bob"):
        desk.submit(student)
    desk.collect()
    desk.make_feedback()
    shutil.rmtree(desk.exchange / "feedback/alice")
    (desk.exchange / "feedback/alice").symlink_to("/proc/1")
    with pytest.raises(ExchangeError, match="No feedback was released for alice"):
        desk.step(submissions.ReleaseFeedback, desk.exchange.parent, {}).start()
    (page,) = (desk.exchange / "feedback/bob").iterdir()
    assert page.read_text(encoding="utf-8") == "for bob"
