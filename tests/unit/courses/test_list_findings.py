"""What the commands say of lists of users: rows that are none, and names that block nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from course_files import write

from kernelpod.cli.main import main
from kernelpod.courses.check import check_courses
from kernelpod.courses.roster import Roster
from kernelpod.settings.sections import Settings

COURSE = {"image": "lab:1", "students": ["mia"]}


def said(path: Path) -> list[tuple[str, int, str, str]]:
    """Return file, line, level and text of each finding."""
    found = check_courses(path, Settings())
    return [(one.file.name, one.place.line, one.level, one.text) for one in found]


# A list of students, and the line and the sentence of its fault.
FAULTS: dict[str, tuple[str, int, str]] = {
    "two cells below one title": (
        "Username\nmia;Aran\n",
        2,
        "the user name in this row contains ';'; write the name",
    ),
    "two cells with a comma": (
        "Username\nmia,Aran\n",
        2,
        "this row has 2 cells, but line 1 has 1 title; write a cell",
    ),
    "a cell too few": (
        "Name;Username;Seat\nmia;3\n",
        2,
        "this row has 2 cells, but line 1 has 3 titles; write a cell",
    ),
    "a column twice": (
        "Username;username\nmia;aran\n",
        1,
        "there are several columns 'Username'; rename all of them",
    ),
    "the titles again": ("Username\nmia\nUsername\n", 3, "this row repeats the titles; delete it"),
}


@pytest.mark.parametrize(("text", "line", "words"), FAULTS.values(), ids=FAULTS)
def test_a_row_that_is_unclear_is_an_error_and_nobody_is_in_the_course(
    tmp_path: Path, text: str, line: int, words: str
) -> None:
    (tmp_path / "ml.csv").write_text(text, encoding="utf-8")
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "lab:1", "students": "ml.csv"}}})
    ((file, at, level, whole),) = said(path)
    assert ((file, at, level), whole.startswith(words)) == (("ml.csv", line, "error"), True), whole
    roster = Roster(path, Settings())
    roster.refresh()
    assert (roster.usernames(), len(roster.findings)) == (frozenset(), 1)


@pytest.mark.parametrize(
    "text",
    ['Name,Username,"Homework 1\n(10 points)"\nMia,mia,3\n', "#;Nachname;Username\n1;Aran;mia\n"],
    ids=["a title with a line break", "a title #"],
)
def test_titles_are_a_record_and_no_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "ml.csv").write_text(text, encoding="utf-8")
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "lab:1", "students": "ml.csv"}}})
    assert said(path) == []
    roster = Roster(path, Settings())
    roster.refresh()
    assert roster.usernames() == {"mia"}


def test_two_cells_below_one_title_of_a_block_list_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "blocked.csv").write_text("Username\nmia;Aran\n", encoding="utf-8")
    path = write(tmp_path, "one", {"block": "blocked.csv", "courses": {"ml": COURSE}})
    assert [one[:3] for one in said(path)] == [("blocked.csv", 2, "error")]


def test_rows_of_a_folder_have_their_file_and_line(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "a.csv").write_text("Username;Name\nmia;A\n", encoding="utf-8")
    (folder / "b.csv").write_text("Username;Name\n\n;Aran\n", encoding="utf-8")
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "lab:1", "students": "lists"}}})
    assert said(path) == [("b.csv", 3, "warning", "a row without Username was skipped")]


NOBODY = "this blocks nobody: no course and no other list of this hub names 'eve'; check the name"


def test_a_blocked_name_that_no_list_has_is_a_warning_at_its_line(tmp_path: Path) -> None:
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "a.csv").write_text("# a\nUsername\nMia\nBob\n", encoding="utf-8")
    (folder / "b.csv").write_text('Name;Username\n"E\nF";Eve\nC;carol\nD;dora\nE;erin\n', encoding="utf-8")
    (tmp_path / "staff.csv").write_text("Username\ndora\n", encoding="utf-8")
    lists = {"block": "block", "admins": ["carol"], "allow": ["erin", "mia", "bob", "dora"]}
    path = write(tmp_path, "one", {**lists, "courses": {"ml": {**COURSE, "students": ["mia", "bob"]}}})
    assert said(path) == [("b.csv", 2, "warning", NOBODY)]
    done = CliRunner().invoke(main, ["courses", "check", str(path)])
    assert (done.exit_code, f"b.csv:2:1: warning: {NOBODY}" in done.output) == (0, True)


def test_a_blocked_name_in_the_courses_file_is_a_warning_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("block:\n- mia\n- Eve\ncourses: {ml: {image: 'lab:1', students: [mia]}}\n", encoding="utf-8")
    assert said(path) == [("one.yaml", 3, "warning", NOBODY)]


def test_a_blocked_name_is_compared_as_the_roster_does(tmp_path: Path) -> None:
    """A list of blocked users matches a name in lower case, too."""
    course = {**COURSE, "students": ["Eve"]}
    keys = {"block": ["EVE", "eve"], "lists": {"lower_case": False}, "courses": {"ml": course}}
    assert [line for _, line, _, _ in said(write(tmp_path, "one", keys))] == [2]


def test_no_blocked_name_is_doubted_while_a_list_cannot_be_read(tmp_path: Path) -> None:
    path = write(tmp_path, "one", {"block": ["eve"], "courses": {"ml": {**COURSE, "students": "ml.csv"}}})
    assert [level for _, _, level, _ in said(path)] == ["error"]
    (tmp_path / "ml.csv").write_text("Username\nmia\n", encoding="utf-8")
    assert said(path) == [("one.yaml", 2, "warning", NOBODY)]


@pytest.mark.parametrize(
    ("keys", "line"),
    [({"courses": {"ml": {"image": "lab:1", "students": ["mia", "bob; eve"]}}}, 6),
     ({"defaults": {"graders": ["mia bob"]}, "courses": {"ml": COURSE, "stats": COURSE}}, 3)],
)  # fmt: skip
def test_an_odd_name_in_the_courses_file_is_a_warning(tmp_path: Path, keys: dict[str, Any], line: int) -> None:
    ((file, at, level, text),) = said(write(tmp_path, "one", keys))
    assert (file, at, level) == ("one.yaml", line, "warning")
    assert "the user name contains " in text


@pytest.mark.parametrize("line", ["mia;Aran", "Mia Aran"])
def test_a_list_of_homes_and_of_codes_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    settings, names = tmp_path / "settings.yaml", tmp_path / "class.csv"
    settings.write_text(f"homes: {{root: {tmp_path}}}\n", encoding="utf-8")
    names.write_text(f"bob\n\n{line}\n", encoding="utf-8")
    words = ["homes", "check", "--settings", str(settings), "--list", str(names)]
    homes = CliRunner().invoke(main, words)
    names.write_text(f"Username\n\n{line}\n", encoding="utf-8")
    issue = ["hub", "one-time", "issue", "--users", str(names), "--list", str(tmp_path / "codes.json")]
    codes = CliRunner().invoke(main, [*issue, "--from", "2026-12-01T09:00Z", "--until", "2026-12-01T11:00Z"])
    for done in (homes, codes):
        assert (done.exit_code, f"{names}:3: the user name in this row contains" in done.output) == (2, True)
    assert not (tmp_path / "codes.json").exists()


def test_a_list_of_homes_may_be_a_list_of_users(tmp_path: Path) -> None:
    settings, names = tmp_path / "settings.yaml", tmp_path / "class.csv"
    settings.write_text(f"homes: {{root: {tmp_path}}}\n", encoding="utf-8")
    names.write_text("Name;Username\nAran;mia\n", encoding="utf-8")
    done = CliRunner().invoke(main, ["homes", "check", "--settings", str(settings), "--list", str(names)])
    assert "missing" in done.output
    assert "1 homes" in done.output
