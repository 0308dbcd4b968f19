"""`kernelpod courses`: what a user gets, the examples of the pages, images, JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from course_files import BAD, EXAMPLES, ROOT, write

from kernelpod.cli.main import main
from kernelpod.courses.check import check_courses
from kernelpod.courses.load import load_courses
from kernelpod.deploy.settings import Deployment
from kernelpod.kernelspecs.registries.images import Answer
from kernelpod.settings.sections import Settings
from pages import texts


def test_show_prints_what_a_user_sees_and_gets() -> None:
    example = str(EXAMPLES / "courses.example.yaml")
    done = CliRunner().invoke(main, ["courses", "show", example, "--user", "alice"])
    assert done.exit_code == 0
    for words in (
        "alice on the hub 'hub' (teaching)",
        "Machine Learning (student)",
        "/home/jovyan               rw  claim homes: /home/nfs_share/claim/alice",
        "/srv/course                ro  claim courses: /home/nfs_share/courses/folders/ws26/ml",
        "/exchange/ws26/ml/inbound/alice",
        "uid, gid       1000, 100",
        "100m guaranteed, at most 2",
    ):
        assert words in done.output
    grader = CliRunner().invoke(main, ["courses", "show", example, "--user", "bob", "--semester", "ws25"])
    assert "/srv/course       rw  claim courses: /home/nfs_share/courses/folders/ws25/ml" in grader.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--user", "mallory"], "'mallory' is in no course of 'hub', or is not allowed, or is blocked"),
        (["--user", "dave", "--course", "stats"], "'dave' is not in stats; their courses: ml ws25"),
    ],
)
def test_show_says_why_there_is_nothing(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["courses", "show", str(EXAMPLES / "courses.example.yaml"), *words])
    assert done.exit_code == 1
    assert said in done.output


def test_show_of_a_bad_file_names_the_line() -> None:
    done = CliRunner().invoke(main, ["courses", "show", str(BAD / "unknown-key.yaml"), "--user", "alice"])
    assert done.exit_code == 2
    assert "unknown-key.yaml:6:5: error: courses.ml.imgae" in done.output


def test_the_schema_takes_the_examples_keys() -> None:
    schema = json.loads((ROOT / "docs" / "courses.schema.json").read_text(encoding="utf-8"))
    for path in EXAMPLES.glob("courses.*.yaml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")).keys() <= schema["properties"].keys()
    assert schema["additionalProperties"] is False


def test_scripts_read_faults_and_what_a_user_gets_as_json() -> None:
    bad = CliRunner().invoke(main, ["courses", "check", str(BAD / "id-slash.yaml"), "--json"])
    (finding,) = json.loads(bad.output)
    assert (bad.exit_code, finding["line"], finding["column"], finding["level"]) == (1, 3, 3, "error")
    good = CliRunner().invoke(main, ["courses", "check", str(EXAMPLES / "courses.example.yaml"), "--json"])
    (origin,) = json.loads(good.output)
    assert (good.exit_code, origin["level"], origin["code"]) == (0, "warning", "shared_origin")
    shown = CliRunner().invoke(
        main, ["courses", "show", str(EXAMPLES / "courses.exam.yaml"), "--user", "alice", "--json"]
    )
    found = json.loads(shown.output)
    assert (found["mode"], found["course"], found["semester"], found["role"]) == ("exam", "ml", "ws26", "student")
    assert found["mounts"][0]["sub_path"] == "exam/ws26/ml/alice"
    assert (found["asked"], found["network"], found["kernelspecs"]) == (True, "none", ["exam-python-pod"])


@pytest.mark.parametrize(("page", "hub"), [("teaching-hub", "hub"), ("exam-hub", "exam")])
def test_the_files_of_the_pages_are_right(tmp_path: Path, page: str, hub: str) -> None:
    blocks = texts(page, "yaml")
    (tmp_path / "lists").mkdir()
    for name in ("ml", "ml-exam"):
        (tmp_path / "lists" / f"{name}.csv").write_text("Username\nalice\ndave\n", encoding="utf-8")
    file = tmp_path / "courses.yaml"
    file.write_text(blocks[0], encoding="utf-8")
    settings = {
        "hubs": [{"name": "hub"}, {"name": "exam"}],
        "homes": {"root": "/export/homes", "shared_homes": True},
    }
    assert [finding.as_text() for finding in check_courses(file, Settings.model_validate(settings))] == []
    assert load_courses(file).hub.hub == hub
    whole = {"nfs": {"server": "10.0.0.5", "courses": "/c", "courses_files": "/f"}, "hub": {"users": ["a"]}}
    given = yaml.safe_load(blocks[1])
    Deployment.model_validate({**whole, **given, "nfs": {**whole["nfs"], **given.get("nfs", {})}})


def test_render_shows_the_kernel_of_a_course(tmp_path: Path) -> None:
    courses, settings = tmp_path / "courses.yaml", tmp_path / "settings.yaml"
    course = {"image": "lab:1", "folder": {"path": "f", "mount_path": "/srv/course"}, "network": "none"}
    both = {"ml": {**course, "students": ["alice"]}, "stats": {"image": "lab:1", "students": ["alice"]}}
    courses.write_text(yaml.safe_dump({"courses": both}), encoding="utf-8")
    settings.write_text(yaml.safe_dump({"hubs": [{"courses": str(courses)}]}), encoding="utf-8")
    words = ["render", "--settings", str(settings), "--spec", "python-pod", "--plan"]
    plan = json.loads(CliRunner().invoke(main, [*words, "--user", "alice"]).output)
    assert (plan["network"], plan["mounts"]["shared"][0]["mount_path"]) == ("none", "/srv/course")
    plan = json.loads(CliRunner().invoke(main, [*words, "--user", "alice", "--course", "stats"]).output)
    assert (plan["network"], plan["mounts"]["shared"]) == ("default", [])
    refused = CliRunner().invoke(main, [*words, "--user", "bob"])
    assert refused.exit_code != 0
    assert "You are in no course" in refused.output


@pytest.mark.parametrize(
    ("state", "reason", "level", "words"),
    [
        ("missing", "docker.io has no such tag", "error", "course:2 does not exist: docker.io has no such tag"),
        ("unknown", "no network", "warning", "course:2 could not be checked: no network"),
    ],
)
def test_images_are_asked_for_and_told_where_they_are_named(
    state: Any, reason: str, level: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(images: list[str], _: Path) -> list[Answer]:
        assert images == ["lab:1", "course:2"]
        return [Answer(image, "found" if image == "lab:1" else state, reason) for image in images]

    monkeypatch.setattr("kernelpod.cli.specs.image_checks.ask", answers)
    course = {"image": "lab:1", "students": ["alice"]}
    courses = {"ml": course, "stats": {**course, "images": {"Other": "course:2"}}}
    file = write(tmp_path, "courses", {"courses": courses})
    done = CliRunner().invoke(main, ["courses", "check", str(file), "--images", "registry"])
    assert done.exit_code == (level == "error")
    assert f"{file}:10:7: {level}: courses.stats.images.Other: the image {words}" in done.output
    assert CliRunner().invoke(main, ["courses", "check", str(file)]).exit_code == 0
