"""Courses of old hubs, and the mistakes that their files had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from old_hubs import (
    hub_of,
    mounts,
    new_hub,
    notes,
    run,
)

from kernelpod.courses.load import load_courses
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.report import ImportingError


def test_seed_bug_header_fb02uid_instead_of_username(tmp_path: Path) -> None:
    lists = {"nbgrader/teaching/ml.csv": "FB02UID\nalice\n", "users/blocklist/all.csv": "fb02uid\neve\n"}
    made = imported_courses(hub_of(tmp_path, {}, lists))
    assert new_hub(made)["lists"] == {"column": "FB02UID"}
    assert made.files["lists/teaching/ml.csv"] == b"FB02UID\nalice\n"
    mixed = {**lists, "users/blocklist/all.csv": "Username\neve\n"}
    made = imported_courses(hub_of(tmp_path, {}, mixed))
    assert "lists" not in new_hub(made)
    assert made.files["lists/teaching/ml.csv"] == b"Username\nalice\n"
    assert any(
        "'FB02UID' is renamed to 'Username'" in note.as_text() and "ml.csv:1:1:" in note.as_text()
        for note in made.notes
    )


def test_a_list_without_a_header_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match=r"ml\.csv:1:1: .*user names 'Username'; it is 'alice'"):
        imported_courses(hub_of(tmp_path, {}, {"nbgrader/teaching/ml.csv": "alice\nbob\n"}))


def test_a_list_of_several_columns_is_not_changed_by_guessing(tmp_path: Path) -> None:
    lists = {"nbgrader/teaching/ml.csv": "Seat;FB02UID\n1;alice\n"}
    with pytest.raises(ImportingError, match="must name the column of user names"):
        imported_courses(hub_of(tmp_path, {}, lists))


@pytest.mark.parametrize(
    ("text", "copied"),
    [
        ('"FB02UID\n(login)"\nalice\n', "Username\nalice\n"),
        ("FB02UID;;\nalice;;\n", "Username;;\nalice;;\n"),
        ("#;Nachname;Username\n1;Aran;alice\n", "#;Nachname;Username\n1;Aran;alice\n"),
    ],
)
def test_titles_of_a_list_are_a_record_and_no_line(tmp_path: Path, text: str, copied: str) -> None:
    lists = {"nbgrader/teaching/ml.csv": text, "users/blocklist/all.csv": "Username\neve\n"}
    made = imported_courses(hub_of(tmp_path, {}, lists))
    assert made.files["lists/teaching/ml.csv"].decode() == copied


def test_a_row_with_too_many_cells_stops_the_import(tmp_path: Path) -> None:
    lists = {"nbgrader/teaching/ml.csv": "Username;Name\n\nalice;Aran;3\n"}
    with pytest.raises(ImportingError, match=r"ml\.csv:3:1: .*this row has 3 cells, but line 1 has 2 titles"):
        imported_courses(hub_of(tmp_path, {}, lists))


def test_seed_bug_course_id_taken_literally(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(("/srv/sheets", "sheets/course_id"))))
    assert new_hub(made)["defaults"]["mounts"]["sheets"]["path"] == "sheets/{course}"
    key = "server.hub.extra_mounts.volume_mounts.1.subPath"
    assert notes(made, key) == [("changed", "it is sheets/{course} now; the old hub took the words literally")]


@pytest.mark.parametrize("folder", ["users/allowlist", "allowlist", "users/whitelist"])
def test_seed_bug_wrong_allow_list_folder(tmp_path: Path, folder: str) -> None:
    lists = {"nbgrader/teaching/ml.csv": "Username\nalice\n", f"{folder}/staff.csv": "Username\ndora\n"}
    made = imported_courses(hub_of(tmp_path, {}, lists))
    assert made.files["lists/allow/staff.csv"] == b"Username\ndora\n"
    # It was who may log in beside those in courses: as `allow` it would shut alice out.
    assert "allow" not in new_hub(made)
    assert any("1 of its users are in no course" in note.why for note in made.notes)


def test_allow_lists_in_both_folders_are_both_taken(tmp_path: Path) -> None:
    lists = {"allowlist/a.csv": "Username\ndora\n", "users/allowlist/a.csv": "Username\nemil\n"}
    made = imported_courses(hub_of(tmp_path, {"course_list": []}, lists))
    assert {made.files["lists/allow/a.csv"], made.files["lists/allow/a-2.csv"]} == {
        b"Username\ndora\n",
        b"Username\nemil\n",
    }


def test_seed_bug_duplicate_mounts_deleted_while_iterating(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(*[("/srv/data", "data")] * 4, ("/srv/more", "more"))))
    assert list(new_hub(made)["defaults"]["mounts"]) == ["data", "more"]
    assert sum(note.why == "it occurs twice" for note in made.notes) == 3


def test_seed_bug_fallback_path_crash(tmp_path: Path) -> None:
    said = run(tmp_path, "--to", tmp_path / "new", status=1)
    assert said.startswith("kernelpod: ")
    assert "there is no such file" in said


def test_a_missing_list_is_nobody_and_told(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, {}, {}))
    assert new_hub(made)["courses"] == {"ml": {"students": []}}
    assert notes(made, "server.hub.course_list.0")[1][0] == "warning"


def test_amounts_are_those_of_kubespawner(tmp_path: Path) -> None:
    resources = {"cpu_guarantee": 0.5, "cpu_limit": "1500m", "mem_guarantee": "0.5G", "mem_limit": "512Mi"}
    config = hub_of(tmp_path, {"resources": resources})
    made = imported_courses(config)
    (tmp_path / "hub.yaml").write_bytes(made.files["hub.yaml"])
    (tmp_path / "lists" / "teaching").mkdir(parents=True)
    size = load_courses(tmp_path / "hub.yaml").hub.courses["ml"].resources
    assert (size.guarantee.cpu, size.limit.cpu) == (500, 1500)
    assert (size.guarantee.memory, size.limit.memory) == (2**29, 2**29)


@pytest.mark.parametrize("value", ["plenty", -1, 0, "0G", [1], {"a": 1}, True, "1e99", "9" * 5000])
def test_amounts_that_are_none_are_told(tmp_path: Path, value: Any) -> None:
    made = imported_courses(hub_of(tmp_path, {"resources": {"mem_limit": value}}))
    assert "resources" not in new_hub(made)["defaults"]
    assert notes(made, "server.hub.resources.mem_limit")[0][0] == "dropped"


def test_an_image_that_is_not_fixed_is_not_taken(tmp_path: Path) -> None:
    config = hub_of(tmp_path, {"image": {"name": "registry.example/lab", "tag": "latest"}})
    said = run(config, "--to", tmp_path / "new", status=1)
    assert "server.hub.image: registry.example/lab:latest: write an image with a tag other than latest" in said
    assert "there is no image" in said
    assert f"{tmp_path / 'new'}/hub.yaml:" in said


def test_an_exam_keeps_students_apart(tmp_path: Path) -> None:
    flags = {"personalized_inbound": False, "personalized_outbound": True}
    hub = {"mode": "exam", "nbgrader": flags, **mounts(("/srv/a", "a"))}
    new = new_hub(imported_courses(hub_of(tmp_path, hub, {"nbgrader/exam/ml.csv": "Username\nalice\n"})))
    assert set(new["defaults"]["exchange"]["personalised"]) == {"inbound", "outbound", "feedback"}
    assert new["defaults"]["mounts"]["a"]["access"]["student"] == "ro"
    assert new["defaults"]["network"] == "none"


def test_flags_of_teaching_are_respected(tmp_path: Path) -> None:
    new = new_hub(imported_courses(hub_of(tmp_path, {"nbgrader": {"personalized_inbound": False}})))
    assert new["defaults"]["exchange"]["personalised"] == ["feedback"]


def test_a_block_list_of_another_course_blocks_nobody(tmp_path: Path) -> None:
    lists = {
        "nbgrader/exam/ml.csv": "Username\nalice\n",
        "nbgrader/exam/stats.csv": "Username\nbob\n",
        "users/blocklist/stats.csv": "Username\nalice\n",
        "users/blacklist/everywhere.csv": "Username\neve\n",
    }
    made = imported_courses(hub_of(tmp_path, {"mode": "exam"}, lists))
    assert [name for name in made.files if name.startswith("lists/block/")] == ["lists/block/hub/everywhere.csv"]
    assert new_hub(made)["block"] == "lists/block/hub"


@pytest.mark.parametrize("mode", ["party", "", None, 3, ["exam"]])
def test_a_mode_that_is_none_is_refused_with_its_line(tmp_path: Path, mode: Any) -> None:
    with pytest.raises(
        ImportingError, match=r"config\.yaml:\d+:\d+: error: server\.hub\.mode: write teaching or exam"
    ):
        imported_courses(hub_of(tmp_path, {"mode": mode}))


def test_two_hubs_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("server: {a_b: {mode: exam}, A-B: {mode: exam}}", encoding="utf-8")
    with pytest.raises(ImportingError, match="'a-b'"):
        imported_courses(path)


@pytest.mark.parametrize("path", ["../other", "a/../../b", "", "/", "a\nb", "{nothing}x{", "x" * 5000])
def test_odd_paths_of_mounts_make_no_other_mount(tmp_path: Path, path: str) -> None:
    made = imported_courses(hub_of(tmp_path, mounts(("/srv/data", path), ("/srv/good", "good"))))
    new = new_hub(made)["defaults"]["mounts"]
    assert "good" in new
    assert all(".." not in one["path"] and "\n" not in one["path"] for one in new.values())


@pytest.mark.parametrize(
    "course", ["x" * 5000, "a\0b", "\x1b]0;title\x07", "..", ".", "/etc/passwd", "💥", "a\nb"]
)
def test_odd_names_of_courses_are_names_of_folders(tmp_path: Path, course: str) -> None:
    made = imported_courses(hub_of(tmp_path, {"course_list": [course, "ml"]}))
    assert "ml" in new_hub(made)["courses"]
    assert all(note.as_text().isprintable() for note in made.notes)
    words = [tmp_path / "config.yaml", "--to", tmp_path / "new"]
    assert "error" not in run(*words)


# Values


def test_a_command_with_a_secret_has_a_warning(tmp_path: Path) -> None:
    made = imported_courses(hub_of(tmp_path, {"commands": ["start.sh", "start.sh --token=hunter2"]}))
    said = [note for note in made.notes if note.change == "warning"]
    assert [note.key for note in said] == ["server.hub.commands.1"]
    assert "hunter2" not in said[0].as_text()


@pytest.mark.parametrize("given", ["true", [True], 1])
def test_what_should_be_read_only_is(tmp_path: Path, given: Any) -> None:
    for number, keys in enumerate(
        ({"readOnly": given}, {"read_only": given}, {"readOnly": False, "read_only": given})
    ):
        made = imported_courses(hub_of(tmp_path / str(number), mounts(("/srv/a", "a"), **keys)))
        assert set(new_hub(made)["defaults"]["mounts"]["a"]["access"].values()) == {"ro"}
