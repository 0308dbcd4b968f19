"""Courses of older hubs, in which students and graders have configurations of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from old_hubs import WORLDS, asked, fates, mounts, new_hub, notes, unsaid

from kernelpod.cli.main import main
from kernelpod.courses.roster import Roster
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.loading import load

LIST = "Username\nalice\n"


def by_role(folder: Path, nbgrader: dict[str, Any], files: dict[str, str] | None = None, **hub: Any) -> Imported:
    whole = {"mode": "teaching", "image": "registry.example/lab:1", "nbgrader": nbgrader, **hub}
    (folder / "config.yaml").write_text(yaml.safe_dump({"server": {"hub": whole}}), encoding="utf-8")
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return imported_courses(folder / "config.yaml")


@pytest.mark.parametrize(("world", "hub"), [("courses-by-role", "e2x-dev"), ("courses-in-files", "teaching")])
def test_what_comes_out_passes_the_check(world: str, hub: str) -> None:
    folder = WORLDS / world / "made"
    words = ["courses", "check", str(folder / f"{hub}.yaml"), "--settings", str(folder / "settings.yaml")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert unsaid(imported_courses(WORLDS / world / "old" / "config.yaml")) == []


def test_users_have_the_roles_that_they_had() -> None:
    folder = WORLDS / "courses-by-role" / "made"
    roster = Roster(folder / "e2x-dev.yaml", load(folder / "settings.yaml"))
    roster.refresh()
    assert [(one.course, one.role) for one in roster.memberships("carol")] == [
        ("Demo-WS22", "grader"),
        ("Logic-SS21", "grader"),
    ]
    assert [(one.course, one.role) for one in roster.memberships("alice")] == [
        ("Demo-WS22", "student"),
        ("Demo-SS21", "student"),
    ]


def test_an_image_of_graders_is_not_that_of_students(tmp_path: Path) -> None:
    student = {"A": {"S": {"image": "registry.example/a:1"}, "T": {}}}
    grader = {"A": {"S": {"image": "registry.example/g:1"}, "T": {"image": "registry.example/g:1"}}}
    made = by_role(tmp_path, {"student_course_cfg": student, "formgrader": {"grader_course_cfg": grader}})
    courses = new_hub(made)["courses"]
    assert (courses["A-S"]["image"], courses["A-S"]["images"]) == (
        "registry.example/a:1",
        {"Graders": "registry.example/g:1"},
    )
    assert ("image" in courses["A-T"], courses["A-T"]["images"]) == (False, {"Graders": "registry.example/g:1"})


def test_homes_of_graders_are_a_question(tmp_path: Path) -> None:
    assert asked(by_role(tmp_path, {"student_course_cfg": {"A": {"S": {}}}})) == set()
    assert asked(by_role(tmp_path, {"formgrader": {"grader_course_cfg": {"A": {"S": {}}}}})) == {"homes-move"}


@pytest.mark.parametrize(
    ("nbgrader", "personal"),
    [
        ({"default_exchange": {"personalized_inbound": False, "personalized_feedback": False}}, []),
        ({"default_exchange": {"personalized_outbound": True}}, ["inbound", "outbound", "feedback"]),
        ({"default_exchange": ["echo"]}, ["inbound", "feedback"]),
    ],
)
def test_a_course_has_the_exchange_of_the_hub(
    tmp_path: Path, nbgrader: dict[str, Any], personal: list[str]
) -> None:
    made = by_role(tmp_path, {**nbgrader, "student_course_cfg": {"A": {"S": {}}}})
    assert new_hub(made)["courses"]["A-S"]["exchange"]["personalised"] == personal


def test_lists_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    files = {"lists/of/students/A-S.csv": LIST, "lists/of/students/B-S.csv": LIST}
    cfg: dict[str, Any] = {"student_course_cfg": {"A": {"S": {}}}}
    made = by_role(tmp_path, cfg, files, student_user_dir="/srv/../x/lists/of/students", exam_user_dir="/nowhere")
    assert new_hub(made)["courses"]["A-S"]["students"] == "lists/students/A-S.csv"
    assert any(note.change == "dropped" and note.spot.file.name == "B-S.csv" for note in made.notes)
    assert fates(made)["server.hub.exam_user_dir"] == "dropped"


def test_a_course_without_a_list_has_no_users(tmp_path: Path) -> None:
    made = by_role(tmp_path, {"student_course_cfg": {"A": {"S": {"image": "registry.example/a:1"}}}})
    assert new_hub(made)["courses"]["A-S"]["students"] == []
    assert "warning" in {change for change, _ in notes(made, "server.hub.nbgrader.student_course_cfg.A.S")}


def test_a_file_that_a_link_leads_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("image: registry.example/a:1\n", encoding="utf-8")
    hub = tmp_path / "hub"
    (hub / "courses" / "A" / "student").mkdir(parents=True)
    (hub / "courses" / "A" / "student" / "A-S.yaml").symlink_to(tmp_path / "other.yaml")
    with pytest.raises(ImportingError, match="leads out of the imported folder"):
        by_role(hub, {"course_dir": "/srv/courses"})


def test_a_folder_of_another_role_is_told(tmp_path: Path) -> None:
    files = {"courses/A/tutor/A-S.yaml": "image: registry.example/a:1\n", "courses/A/student/A-S.yaml": ""}
    made = by_role(tmp_path, {"course_dir": "/srv/courses"}, files)
    assert list(new_hub(made)["courses"]) == ["A-S"]
    assert fates(made)["server.hub.nbgrader.A/tutor/A-S.yaml.image"] == "dropped"


@pytest.mark.parametrize("read_only", [True, False])
def test_students_read_what_only_graders_wrote(tmp_path: Path, read_only: bool) -> None:
    extra = mounts(("/srv/data", "data"), readOnly=read_only)["extra_mounts"]
    made = by_role(tmp_path, {"student_course_cfg": {"A": {"S": {}}}}, extra_mounts=extra)
    assert new_hub(made)["defaults"]["mounts"]["data"]["access"] == {
        "student": "ro",
        "grader": "rw",
        "admin": "rw",
    }


ODD: list[Any] = [None, 3, "x", [], [[]], {"a": None}, {1: {2: 3}}, [None, 1, {}], True]
KEYS = ("student_course_cfg", "formgrader", "course_dir", "default_exchange", "grader_cmds", "nbgrader_cmds")
COURSE = ("image", "resources", "exchange", "course_exchange", "course_cmds", "course_display_name")


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_have_a_fate(tmp_path: Path, odd: Any) -> None:
    hub = dict.fromkeys(("grader_resources", "grader_user_dir", "user_list_path", "exam_kernel"), odd)
    config = {"A": {"S": dict.fromkeys(COURSE, odd), "T": odd}, "!": {"!": {"image": odd}}, "C": odd}
    for nbgrader in (
        dict.fromkeys(KEYS, odd),
        {"student_course_cfg": config, "formgrader": {"grader_course_cfg": config}},
    ):
        made = by_role(tmp_path, nbgrader, **hub)
        assert unsaid(made) == []
        new_hub(made)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("blocked_users.csv", "block"),
        ("Blacklist.csv", "block"),
        ("blocked_by_admins.csv", "block"),
        ("admin_users.csv", "admins"),
        ("administration.csv", ""),
    ],
)
def test_a_list_of_users_is_what_its_name_says(tmp_path: Path, name: str, place: str) -> None:
    config = {"student_course_cfg": {"A": {"S": {}}}}
    made = by_role(tmp_path, config, {f"people/{name}": LIST}, user_list_path="/srv/people")
    found = {key: value for key, value in new_hub(made).items() if key in ("admins", "block")}
    assert found == ({place: f"lists/{place}/hub"} if place else {})
    assert asked(made) == set()


def test_a_folder_with_block_lists_that_is_missing_is_a_question(tmp_path: Path) -> None:
    made = by_role(tmp_path, {"student_course_cfg": {"A": {"S": {}}}}, user_list_path="/srv/people")
    assert (asked(made), fates(made)["server.hub.user_list_path"]) == ({"everybody"}, "left")


def test_an_exam_by_role_passes_the_check(tmp_path: Path) -> None:
    image = {"image": "registry.example/a:1"}
    files = {"nbgrader/exam/A-S.csv": LIST}
    by_role(tmp_path, {"student_course_cfg": {"A": {"S": image}}}, files, mode="exam")
    words = [
        "import",
        str(tmp_path),
        "--to",
        str(tmp_path / "new"),
        "--kernelspec",
        "exam-pod",
        "--preview",
        "alice",
    ]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "exam/students/A-S/alice in the old homes" in done.output


def test_two_courses_of_one_id_are_not_one(tmp_path: Path) -> None:
    files = {"nbgrader/teaching/A-S.csv": LIST, "nbgrader/teaching/A S.csv": LIST.replace("alice", "eve")}
    one = {"image": "registry.example/a:1"}
    made = by_role(tmp_path, {"student_course_cfg": {"A-S": one, "A S": one}}, files)
    assert list(new_hub(made)["courses"]) == ["A-S"]
    assert new_hub(made)["courses"]["A-S"]["students"] == "lists/teaching/A-S.csv"
    assert fates(made)["server.hub.nbgrader.student_course_cfg.A-S.image"] == "dropped"  # YAML is sorted here


@pytest.mark.parametrize(
    ("world", "user", "course", "role", "home"),
    [
        ("courses-by-role", "alice", "e2x_dev Demo-WS22", "student", "teaching/students/Demo-WS22/alice"),
        ("courses-by-role", "carol", "e2x_dev Demo-WS22", "grader", "teaching/graders/carol"),
    ],
)
def test_the_preview_knows_what_users_had(
    tmp_path: Path, world: str, user: str, course: str, role: str, home: str
) -> None:
    words = ["import", str(WORLDS / world / "old"), "--to", str(tmp_path), "--preview", user, "--dry-run"]
    lines = CliRunner().invoke(main, words).output.splitlines()
    rows = [line.split() for line in lines[: next(n for n, line in enumerate(lines) if ":" in line.split()[0])]]
    assert [*course.split(), role] in [row[:3] for row in rows]
    assert any(row[:2] == ["/home/jovyan", home] for row in rows)
