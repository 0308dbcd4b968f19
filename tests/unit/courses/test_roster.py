"""Who is in which course, while files change, break and go away."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelpod.courses import roster as module
from kernelpod.courses.course_access import Membership
from kernelpod.courses.roster import Roster
from kernelpod.findings import yamlfile
from kernelpod.settings.sections import Settings

LIST = "Username\nalice\nbob\n"


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a courses file of one course, whose students are in ml.csv."""

    def write(students: str | bytes = LIST, **keys: Any) -> Path:
        course = {"image": "lab:1", "students": "{course}.csv", **keys.pop("course", {})}
        data = {"semester": "ws26", "courses": {"ml": course}, **keys}
        raw = students.encode() if isinstance(students, str) else students
        (tmp_path / "ml.csv").write_bytes(raw)
        path = tmp_path / "courses.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
        return path

    return write


def roster(path: Path) -> Roster:
    made = Roster(path, Settings())
    made.refresh()
    return made


def roles(made: Roster, *users: str) -> list[str]:
    return [",".join(f"{one.course}:{one.role}" for one in made.memberships(user)) for user in users]


def test_students_graders_and_admins(put: Callable[..., Path]) -> None:
    made = roster(put(course={"graders": ["bob"], "admins": ["dora"]}, admins=["carol"]))
    assert made.memberships("alice") == (Membership("ml", "ws26", "student"),)
    assert roles(made, "bob", "carol", "dora", "erin") == ["ml:grader", "ml:admin", "ml:admin", ""]


def test_block_wins_over_all_and_allow_over_membership(put: Callable[..., Path]) -> None:
    made = roster(
        put("Username\nalice\nbob\neve\n", block=["bob", "carol"], allow=["alice", "bob"], admins=["carol", "d"])
    )
    assert roles(made, "alice", "bob", "carol", "d", "eve") == ["ml:student", "", "", "ml:admin", ""]


def test_names_are_compared_as_the_hub_spells_them(put: Callable[..., Path]) -> None:
    """A list is read in lower case, the hub's name is not: another spelling is somebody else."""
    made = roster(put("Username\nAlice\nünal\nExam\n", block=["eve"]))
    assert roles(made, "alice", "Alice", "ünal", "", "exam") == ["ml:student", "", "ml:student", "", ""]
    made = roster(put("Username\nEve\n", block=["eve"], lists={"lower_case": False}))
    assert roles(made, "Eve", "eve", "EVE") == ["", "", ""]
    made = roster(put("Username\nü\n", block=["ü"], lists={"lower_case": False}))
    assert roles(made, "ü", "u\u0308") == ["", ""]


@pytest.mark.parametrize("name", ["admin", "root", "system:x", "😀", "../alice", "alice\n", "alice ", "x" * 5000])
def test_no_name_has_rights_of_its_own(put: Callable[..., Path], name: str) -> None:
    assert roster(put()).memberships(name) == ()


def test_a_change_is_seen_at_the_next_look(put: Callable[..., Path], tmp_path: Path) -> None:
    made = roster(put())
    (tmp_path / "ml.csv").write_text("Username\nbob\ncarol\n", encoding="utf-8")
    made.refresh()
    assert roles(made, "alice", "bob", "carol") == ["", "ml:student", "ml:student"]


def test_a_change_of_the_same_length_and_time_is_seen(put: Callable[..., Path], tmp_path: Path) -> None:
    """Two changes within one tick of the file system's clock look alike."""
    made = roster(put("Username\nalice\n"))
    path = tmp_path / "ml.csv"
    before = path.stat()
    path.write_text("Username\ncarol\n", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    made.refresh()
    assert roles(made, "alice", "carol") == ["", "ml:student"]


def test_an_old_list_is_not_read_again(
    put: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put()
    made = Roster(path, Settings(), clock=lambda: time.time() + 60)
    made.refresh()
    monkeypatch.setattr(module, "read_list", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(module, "load_courses", lambda *_: pytest.fail("read again"))
    made.refresh()
    assert roles(made, "alice") == ["ml:student"]


def test_the_courses_file_is_read_again_too(put: Callable[..., Path]) -> None:
    made = roster(put())
    put(course={"graders": ["alice"]})
    made.refresh()
    assert roles(made, "alice") == ["ml:grader"]


BROKEN: dict[str, bytes | None] = {
    "0 bytes": b"",
    "another header": b"FB02UID\nmallory\n",
    "NULs": b"Username\nmallory\n" + bytes(100),
    "a program": b"\x7fELF" + bytes(100),
    "100 MB": b"",
    "gone": None,
    "a folder without lists": None,
    "a pipe": None,
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_list_keeps_its_last_good_version_and_is_logged_once(
    case: str, put: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = roster(put())
    path = tmp_path / "ml.csv"
    path.unlink()
    if case == "a pipe":
        os.mkfifo(path)
    elif case == "a folder without lists":
        path.mkdir()
    elif (raw := BROKEN[case]) is not None:
        path.write_bytes(raw)
        if case == "100 MB":
            os.truncate(path, 100_000_000)
    with caplog.at_level(logging.WARNING):
        made.refresh()
        made.refresh()
    assert roles(made, "alice", "bob", "mallory") == ["ml:student", "ml:student", ""]
    assert caplog.text.count("the last valid version is used") == 1
    assert [finding.file.name for finding in made.findings] == ["ml.csv"]
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_text("Username\ncarol\n", encoding="utf-8")
    made.refresh()
    assert (roles(made, "alice", "carol"), made.findings) == (["", "ml:student"], ())


@pytest.mark.parametrize("key", ["allow", "block"])
def test_lists_that_were_never_read_let_nobody_in(put: Callable[..., Path], key: str) -> None:
    made = roster(put(**{key: "missing.csv"}))
    assert roles(made, "alice", "bob") == ["", ""]
    assert [finding.file.name for finding in made.findings] == ["missing.csv"]


def test_a_block_list_that_breaks_goes_on_blocking(put: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "block.csv").write_text("Username\nbob\n", encoding="utf-8")
    made = roster(put(block="block.csv"))
    (tmp_path / "block.csv").write_bytes(b"")
    made.refresh()
    assert roles(made, "alice", "bob") == ["ml:student", ""]


@pytest.mark.parametrize("text", [None, "courses: [", "hub: other\n", "courses: {ml: {imgae: x}}\n", ""])
def test_without_a_good_courses_file_nobody_is_in_a_course(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "courses.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    made = roster(path)
    assert (made.hub, made.memberships("alice")) == (None, ())
    assert made.findings


def test_a_courses_file_that_breaks_keeps_its_last_good_version(
    put: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = put()
    made = roster(path)
    path.write_text("courses: [", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        made.refresh()
        made.refresh()
    assert roles(made, "alice") == ["ml:student"]
    assert caplog.text.count("this is not YAML") == 1
    put("Username\ncarol\n")
    made.refresh()
    assert (roles(made, "alice", "carol"), made.findings) == (["", "ml:student"], ())


def test_a_server_of_files_that_is_gone_changes_nothing(
    put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = roster(put())

    def gone(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", gone)
        patched.setattr(yamlfile, "read_ordinary", gone)
        made.refresh()
    assert roles(made, "alice") == ["ml:student"]
    assert "Stale file handle" in made.findings[0].text
    made.refresh()
    assert made.findings == ()


def test_while_one_look_hangs_others_go_on(
    put: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = roster(put())
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.01)
    hangs, go = threading.Event(), threading.Event()

    def hang(*_: Any) -> Any:
        hangs.set()
        go.wait(60)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "_signature_of_list", hang)
    thread = threading.Thread(target=made.refresh)
    thread.start()
    assert hangs.wait(60)
    with caplog.at_level(logging.WARNING):
        made.refresh()
    assert roles(made, "alice") == ["ml:student"]
    assert "still hangs" in caplog.text
    go.set()
    thread.join(60)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    put: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put()
    left = 1
    real = os.fstat

    def changed(number: int) -> os.stat_result:
        nonlocal left
        if left:
            left -= 1
            (tmp_path / "new.csv").write_text("Username\ncarol\n", encoding="utf-8")
            (tmp_path / "new.csv").replace(tmp_path / "ml.csv")
        return real(number)

    monkeypatch.setattr(module.os, "fstat", changed)
    made = roster(path)
    assert roles(made, "alice", "carol") == ["", "ml:student"]
    left = 100
    made.refresh()
    assert "changes while it is read" in made.findings[0].text
    assert roles(made, "carol") == ["ml:student"]


def test_a_folder_of_lists_is_one_list(put: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "allow"
    folder.mkdir()
    (folder / "a.csv").write_text("Username\nalice\n", encoding="utf-8")
    made = roster(put(allow="allow"))
    assert roles(made, "alice", "bob") == ["ml:student", ""]
    (folder / "b.csv").write_text("Username\nbob\n", encoding="utf-8")
    made.refresh()
    assert roles(made, "alice", "bob") == ["ml:student", "ml:student"]
    (folder / "b.csv").write_text("", encoding="utf-8")
    made.refresh()
    assert roles(made, "alice", "bob") == ["ml:student", "ml:student"]
    assert [finding.file.name for finding in made.findings] == ["b.csv"]


def test_a_user_may_be_in_500_courses(tmp_path: Path) -> None:
    course = {"image": "lab:1", "students": ["alice"]}
    path = tmp_path / "courses.yaml"
    path.write_text(yaml.safe_dump({"courses": {f"c{n}": course for n in range(500)}}), encoding="utf-8")
    assert len(roster(path).memberships("alice")) == 500


def test_everybody_in_many_lists_is_found(tmp_path: Path) -> None:
    """How long it takes is measured by `make bench-courses`."""
    for number in range(60):
        users = "".join(f"user{(number * 67 + one) % 4_000}\n" for one in range(340))
        (tmp_path / f"c{number}.csv").write_text(f"Username\n{users}", encoding="utf-8")
    data = {
        "defaults": {"image": "lab:1", "students": "{course}.csv"},
        "courses": {f"c{n}": {} for n in range(60)},
    }
    path = tmp_path / "courses.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    made = roster(path)
    assert len({user for n in range(4_000) if made.memberships(user := f"user{n}")}) == 4_000


def test_the_file_of_another_hub_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "courses.yaml"
    path.write_text(yaml.safe_dump({"hub": "a", "courses": {"ml": {"image": "lab:1", "students": ["alice"]}}}))
    settings = Settings.model_validate({"hubs": [{"name": "a"}, {"name": "b"}], "homes": {"shared_homes": True}})
    for name, courses in (("a", 1), ("b", 0)):
        made = Roster(path, settings, name)
        made.refresh()
        assert len(made.memberships("alice")) == courses
    assert "read as the file of the hub 'b'" in made.findings[0].as_text()
