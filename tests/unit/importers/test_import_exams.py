"""Hubs of exams, where each active exam has a configuration and a list of its own."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import WORLDS, asked, files_below, notes, run, unsaid

from kernelpod.importers.courses.exams import imported_exams
from kernelpod.importers.hub.layout import config_of, guessed
from kernelpod.importers.report import Imported, ImportingError

PLACE = "nbgrader/student_exam_courses"
ONE = [{"semester": "WS24", "exam_period": "PZ1"}]
MOUNTS = {key: {"name": "disk", "subPath": key} for key in ("exchange", "share", "temp", "home")}
USERS = "Username\nalice\n"
NAME = "algo-ws24-pz1"
ACCEPTED = ("--accept", "homes-move", "--accept", "writable", "--kernelspec", "exam-pod")


def hub_of(folder: Path, more: dict[str, Any] | None = None, files: dict[str, str] | None = None) -> Path:
    """Write a hub with one exam."""
    active = {"active_student_courses": {"Algo": {"semesters": ONE}}}
    whole = {"image": {"name": "registry.example/exam", "tag": "1"}, "mounts": MOUNTS, "nbgrader": active}
    usual = {"Algo/WS24/Algo.WS24.PZ1.yaml": "exchange: {}\n", "Algo/WS24/Algo.WS24.PZ1.csv": USERS}
    folder.mkdir(exist_ok=True)
    (folder / "config-exam.yaml").write_text(yaml.safe_dump({**whole, **(more or {})}), encoding="utf-8")
    for name, text in (usual if files is None else files).items():
        path = folder / PLACE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "config-exam.yaml"


def active(courses: Any) -> dict[str, Any]:
    return {"nbgrader": {"active_student_courses": courses}}


def course_of(made: Imported, name: str = NAME) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(made.files[f"{name}.yaml"])
    [course] = data["courses"].values()
    return dict(course)


def test_every_value_has_a_fate() -> None:
    assert unsaid(imported_exams(WORLDS / "exams" / "old" / "config-exam.yaml")) == []


def test_what_comes_out_passes_the_check(tmp_path: Path) -> None:
    said = run(hub_of(tmp_path / "old").parent, "--to", tmp_path / "new", *ACCEPTED)
    assert "error" not in said
    assert {f"{NAME}.yaml", f"lists/exam/{NAME}.csv", "settings.yaml"} < files_below(tmp_path / "new").keys()


def test_without_answers_nothing_is_written(tmp_path: Path) -> None:
    made = imported_exams(hub_of(tmp_path))
    assert asked(made) == {"homes-move", "writable"}
    [home] = [one.note.why for one in made.questions if one.code == "homes-move"]
    assert "was home/exam/WS24-PZ1/Algo-alice/home on the volume 'disk', and would be exam/WS24-PZ1/Algo" in home
    run(tmp_path, "--to", tmp_path / "new", "--kernelspec", "exam-pod", status=3)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("config", ["Algo/WS24", "Algo"])
@pytest.mark.parametrize("listed", ["Algo/WS24", "Algo"])
def test_files_are_found_with_and_without_the_folder_of_the_semester(
    tmp_path: Path, config: str, listed: str
) -> None:
    files = {f"{config}/Algo.WS24.PZ1.yaml": "image: a/b:2\n", f"{listed}/Algo.WS24.PZ1.csv": USERS}
    made = imported_exams(hub_of(tmp_path, files=files))
    assert course_of(made)["image"] == "a/b:2"
    assert made.files[f"lists/exam/{NAME}.csv"].decode() == USERS


@pytest.mark.parametrize("suffix", ["yaml", "csv"])
def test_two_files_of_one_exam_must_be_the_same(tmp_path: Path, suffix: str) -> None:
    files = {f"{folder}/Algo.WS24.PZ1.{one}": USERS for folder in ("Algo", "Algo/WS24") for one in ("yaml", "csv")}
    files = {name: "{}" if name.endswith("yaml") else text for name, text in files.items()}
    made = imported_exams(hub_of(tmp_path, files=files))
    assert sum("it is the same as" in note.why for note in made.notes) == 2
    other = {"yaml": "image: a/b:3\n", "csv": "Username\neve\n"}[suffix]
    (tmp_path / PLACE / "Algo" / f"Algo.WS24.PZ1.{suffix}").write_text(other, encoding="utf-8")
    with pytest.raises(
        ImportingError, match=rf"WS24\.PZ1\.{suffix}:1:1: .*is another one, and which of them counts"
    ):
        imported_exams(tmp_path / "config-exam.yaml")


def test_a_missing_list_is_nobody_and_told(tmp_path: Path) -> None:
    made = imported_exams(hub_of(tmp_path, files={"Algo/Algo.WS24.PZ1.yaml": "{}"}))
    assert course_of(made)["students"] == []
    assert ("warning", "there is no list of its users: nobody can start it") in notes(
        made, "nbgrader.active_student_courses.Algo.semesters.0"
    )


def test_an_exam_without_its_configuration_is_left(tmp_path: Path) -> None:
    courses = {"Algo": {"semesters": [*ONE, {"semester": "WS24", "exam_period": "PZ2"}]}}
    made = imported_exams(hub_of(tmp_path, active(courses)))
    assert made.courses == [f"{NAME}.yaml"]
    [(change, why)] = notes(made, "nbgrader.active_student_courses.Algo.semesters.1")
    assert (change, "Algo/WS24/Algo.WS24.PZ2.yaml, nor one above it" in why) == ("left", True)
    with pytest.raises(ImportingError, match="there is no active exam that can be taken over"):
        imported_exams(hub_of(tmp_path / "none", files={}))


def test_files_that_are_not_active_are_told_and_not_read(tmp_path: Path) -> None:
    hub = hub_of(tmp_path)
    for name in ("Algo/SS19/Algo.SS19.PZ1.csv", "Old/Old.SS19.PZ1.yaml"):
        (tmp_path / PLACE / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / PLACE / name).symlink_to("/nowhere")
    said = [note.as_text() for note in imported_exams(hub).notes if "no active exam" in note.why]
    assert [line.rpartition("dropped: ")[0].rpartition("/")[2] for line in said] == [
        "Algo.SS19.PZ1.csv:1:1: ",
        "Old.SS19.PZ1.yaml:1:1: ",
    ]


@pytest.mark.parametrize(
    ("course", "one", "said"),
    [
        ("Algo", {"semester": "WS24"}, "needs a semester and an exam_period"),
        ("Algo", {}, "needs a semester and an exam_period"),
        ("Algo", "WS24", "needs a semester and an exam_period"),
        ("Algo", {"semester": ["a"], "exam_period": "PZ1"}, "needs a semester and an exam_period"),
        ("../Algo", {"semester": "WS24", "exam_period": "PZ2"}, "cannot have this name"),
        ("Algo", {"semester": "..", "exam_period": "PZ2"}, "cannot have this name"),
        ("Algo", {"semester": "WS24", "exam_period": "a/b"}, "cannot have this name"),
        ("a\0b", {"semester": "WS24", "exam_period": "PZ2"}, "cannot have this name"),
        (
            "\N{COLLISION SYMBOL}",
            {"semester": "\N{COLLISION SYMBOL}", "exam_period": "!"},
            "cannot have this name",
        ),
        ("Algo", {"semester": "WS24", "exam_period": "PZ1"}, "it occurs twice"),
        ("Algo", {"semester": "WS24", "exam_period": "P" * 300}, "there is no file"),
    ],
)
def test_odd_exams_are_told_with_their_place(tmp_path: Path, course: str, one: Any, said: str) -> None:
    courses: dict[str, Any] = {"Algo": {"semesters": [*ONE]}}
    courses.setdefault(course, {"semesters": []})["semesters"].append(one)
    made = imported_exams(hub_of(tmp_path, active(courses)))
    assert made.courses == [f"{NAME}.yaml"]
    assert any(said in note.why and note.spot.place.line > 1 for note in made.notes)
    assert unsaid(made) == []
    assert all(note.as_text().isprintable() for note in made.notes)


def test_two_periods_of_a_course_are_two_hubs_with_homes_of_their_own(tmp_path: Path) -> None:
    courses = {"Algo": {"semesters": [*ONE, {"semester": "WS24", "exam_period": "PZ2"}]}}
    files = {f"Algo/Algo.WS24.PZ{number}.yaml": "{}" for number in (1, 2)}
    made = imported_exams(hub_of(tmp_path, active(courses), files))
    hubs = [yaml.safe_load(made.files[name]) for name in made.courses]
    assert [(hub["hub"], hub["semester"]) for hub in hubs] == [
        ("algo-ws24-pz1", "WS24-PZ1"),
        ("algo-ws24-pz2", "WS24-PZ2"),
    ]
    assert any("has 2 active periods, whose exams have one exchange" in note.why for note in made.notes)


def test_long_names_of_courses_have_hubs_of_their_own(tmp_path: Path) -> None:
    names = [f"Introduction-to-Programming-{number}" for number in range(12)]
    courses = {name: {"semesters": ONE} for name in names}
    made = imported_exams(
        hub_of(tmp_path, active(courses), {f"{name}/{name}.WS24.PZ1.yaml": "{}" for name in names})
    )
    assert len(set(made.courses)) == len(names)
    assert all(len(name.removesuffix(".yaml")) <= 30 for name in made.courses)


def test_amounts_that_are_missing_are_those_of_the_old_hub(tmp_path: Path) -> None:
    course = "resources: {cpu_limit: 4}\n"
    for number, (more, text, limits) in enumerate(
        (
            ({}, "{}", ("2", "2Gi")),
            ({"resources": {"mem_limit": "6.0G"}}, "{}", ("2", "6.0Gi")),
            ({"resources": {"mem_limit": "6.0G"}}, course, ("4", "2Gi")),
            ({"resources": {"mem_limit": "plenty"}}, "resources: null\n", ("2", "2Gi")),
        )
    ):
        hub = hub_of(tmp_path / str(number), more, {"Algo/Algo.WS24.PZ1.yaml": text})
        made = imported_exams(hub)
        assert tuple(course_of(made)["resources"]["limit"].values()) == limits
        assert unsaid(made) == []


def test_commands_are_quoted_and_secrets_are_not(tmp_path: Path) -> None:
    commands = {"one": ["touch /a", "curl -u eve:hunter2 x", "echo hunter2 > /run/secrets/a"], "two": "touch /b"}
    made = imported_exams(hub_of(tmp_path, {"commands": commands}))
    said = {note.key: note.why for note in made.fates() if note.change == "left"}
    assert said["commands.one.0"].endswith(": touch /a")
    assert said["commands.two"].endswith(": touch /b")
    whole = b"".join(made.files.values()).decode() + "\n".join(made.said())
    assert "hunter2" not in whole
    assert "after_start" not in course_of(made)


def test_submissions_of_others_are_never_seen(tmp_path: Path) -> None:
    text = "exchange: {personalized_inbound: false, personalized_feedback: false, personalized_outbound: true}\n"
    made = imported_exams(hub_of(tmp_path, files={"Algo/Algo.WS24.PZ1.yaml": text}))
    assert set(course_of(made)["exchange"]["personalised"]) == {"inbound", "outbound", "feedback"}


@pytest.mark.parametrize(
    ("more", "said", "there"),
    [
        (
            {"share": {"name": "other", "subPath": "s"}},
            "it is on 'other', and the exchange on 'disk'",
            {"exchange"},
        ),
        ({"share": {"name": "disk", "subPath": "../s"}}, "is not mounted", {"exchange"}),
        ({"share": None}, "", {"exchange"}),
        ({"exchange": {"name": "disk", "subPath": "/a/../../b"}}, "there is no exchange", {"mounts"}),
        ({"exchange": None}, "has no mounts.exchange", {"mounts"}),
        ({"exchange": {"name": "disk", "subPath": "a{b}"}}, "", {"exchange", "mounts"}),
        ({"home": None, "temp": None}, "the file has no mounts.home", {"exchange", "mounts"}),
    ],
)
def test_folders_that_cannot_be_mounted_are_told(
    tmp_path: Path, more: dict[str, Any], said: str, there: set[str]
) -> None:
    folders = {key: value for key, value in {**MOUNTS, **more}.items() if value is not None}
    made = imported_exams(hub_of(tmp_path, {"mounts": folders}))
    assert any(said in note.why for note in made.notes)
    assert {"exchange", "mounts"} & course_of(made).keys() == there
    assert unsaid(made) == []


ODD: list[Any] = [
    *(None, 3, 0, 1.5, True, False, "x", "", "\x07", "..", "{x"),
    *([], [[]], [None, 1, {}], {}, {"a": None}, {1: {2: 3}}),
]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["mounts", "image", "resources", "commands", "other"])
def test_odd_values_break_nothing(tmp_path: Path, key: str, odd: Any) -> None:
    made = imported_exams(hub_of(tmp_path, {key: odd}))
    assert unsaid(made) == []
    text = yaml.safe_dump({key: odd, "exchange": {"exchange_root": odd, "personalized_inbound": odd}})
    made = imported_exams(hub_of(tmp_path, files={"Algo/WS24/Algo.WS24.PZ1.yaml": text}))
    assert unsaid(made) == []
    run(tmp_path, "--to", tmp_path / "new", "--preview", "alice", *ACCEPTED, "--image", "a/b:1")


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_below_break_nothing(tmp_path: Path, odd: Any) -> None:
    for mounts in ({"exchange": odd}, {**MOUNTS, "exchange": {"name": odd, "subPath": odd}}):
        assert unsaid(imported_exams(hub_of(tmp_path, {"mounts": mounts}))) == []
    for nbgrader in (odd, {"active_student_courses": odd}, {"active_student_courses": {"Algo": odd}}):
        with pytest.raises(ImportingError):
            imported_exams(hub_of(tmp_path, {"nbgrader": nbgrader}))
    courses = active({"Algo": {"semesters": ONE}})["nbgrader"]
    hub = hub_of(tmp_path, {"nbgrader": {"exchange_root": odd, "commands": odd, **courses}})
    assert unsaid(imported_exams(hub)) == []
    hub = hub_of(tmp_path, {"nbgrader": {"exam_course_dir": odd, **courses}})
    with contextlib.suppress(ImportingError):  # if this is a path, there is no such folder
        assert unsaid(imported_exams(hub)) == []


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    for suffix in ("yaml", "csv"):
        hub = hub_of(tmp_path / suffix)
        (tmp_path / f"out.{suffix}").write_text("{}", encoding="utf-8")
        path = hub.parent / PLACE / "Algo" / "WS24" / f"Algo.WS24.PZ1.{suffix}"
        path.unlink()
        path.symlink_to(tmp_path / f"out.{suffix}")
        with pytest.raises(ImportingError, match="this link leads out of the imported folder"):
            imported_exams(hub)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ("nbgrader/exams", "nbgrader/exams"),
        ("./nbgrader/exams/", "nbgrader/exams"),
        ("/srv/jupyterhub/config/nbgrader/exams", "nbgrader/exams"),
        (".", "."),
        ("nbgrader/gone", ""),
        ("other/nbgrader/exams", ""),
        ("/srv/gone", ""),
        ("../old/nbgrader/exams", ""),
    ],
)
def test_lists_of_another_folder_are_never_read(tmp_path: Path, given: str, folder: str) -> None:
    """What lies at the usual place, or in a folder of a similar path, may be lists of other exams."""
    nbgrader = {**active({"Algo": {"semesters": ONE}})["nbgrader"], "exam_course_dir": given}
    hub = hub_of(tmp_path, {"nbgrader": nbgrader})
    for place in {folder, "nbgrader/exams"} - {""}:
        (tmp_path / place / "Algo").mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "Algo" / "Algo.WS24.PZ1.yaml").write_text("{}", encoding="utf-8")
        users = f"Username\n{'bob' if place == folder else 'eve'}\n"
        (tmp_path / place / "Algo" / "Algo.WS24.PZ1.csv").write_text(users, encoding="utf-8")
    if folder:
        assert b"bob" in imported_exams(hub).files[f"lists/exam/{NAME}.csv"]
    else:
        with pytest.raises(ImportingError, match="no active exam"):
            imported_exams(hub)


@pytest.mark.parametrize("given", ["true", "yes", 1, [True], {}])
def test_a_flag_that_is_none_shares_nothing(tmp_path: Path, given: Any) -> None:
    text = yaml.safe_dump({"exchange": {"personalized_outbound": given}})
    made = imported_exams(hub_of(tmp_path, files={"Algo/Algo.WS24.PZ1.yaml": text}))
    assert "outbound" in course_of(made)["exchange"]["personalised"]


def test_courses_and_semesters_that_make_one_id_have_exchanges_of_their_own(tmp_path: Path) -> None:
    words = [("A", "B-C"), ("A-B", "C")]
    courses = {course: {"semesters": [{"semester": when, "exam_period": "P"}]} for course, when in words}
    files = {f"{course}/{course}.{when}.P.yaml": "{}" for course, when in words}
    made = imported_exams(hub_of(tmp_path, active(courses), files))
    hubs = [yaml.safe_load(made.files[name]) for name in made.courses]
    assert len({(hub["semester"], *hub["courses"]) for hub in hubs}) == len(words)
    assert len({next(iter(hub["courses"].values()))["exchange"]["path"] for hub in hubs}) == len(words)
    assert not any("active periods" in note.why for note in made.notes)


def test_the_layout_is_found_by_its_keys_and_its_name(tmp_path: Path) -> None:
    hub = hub_of(tmp_path)
    assert guessed(hub) == "exams-config"
    assert config_of(tmp_path) == hub
    (tmp_path / "config.yaml").write_text("server: {}\n", encoding="utf-8")
    assert config_of(tmp_path).name == "config.yaml"
    assert config_of(tmp_path, "exams-config") == hub


def test_a_user_of_two_exams(tmp_path: Path) -> None:
    courses = {"Algo": {"semesters": ONE}, "Logic": {"semesters": ONE}}
    files = {f"{name}/{name}.WS24.PZ1.{kind}": text for name in courses for kind, text in KINDS.items()}
    words = (hub_of(tmp_path / "old", active(courses), files), "--to", tmp_path / "new", "--dry-run", *ACCEPTED)
    about = json.loads(run(*words, "--preview", "alice", "--json"))
    rows = [(row["what"], row["before"], row["after"]) for row in about["preview"]]
    assert ("Logic WS24 PZ1", "in its list", "student of logic-ws24-pz1 Logic-WS24") in rows
    assert sum(what.strip() == "/home/jovyan" for what, _, _ in rows) == len(courses)
    assert "name another user" in run(*words, "--preview", "eve", status=1)


KINDS = {"yaml": "{}", "csv": USERS}
