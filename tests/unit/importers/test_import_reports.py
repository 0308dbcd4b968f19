"""Whole imports with their reports, and what is written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from old_hubs import (
    SERVERS,
    WORLDS,
    files_below,
    run,
    unsaid,
    words_of,
)

from kernelpod.cli.main import main
from kernelpod.courses.roster import Roster
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.values import imported_values
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values


def imported(words: list[str], to: Path) -> str:
    """Return what an import printed; the words of a kernelspec's begin with `specs import`."""
    if words[:2] != ["specs", "import"]:
        return run(*words, "--to", to)
    done = CliRunner().invoke(main, [*words, "--into", str(to)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("world", sorted(path.name for path in WORLDS.iterdir()))
def test_whole_files_and_the_whole_report(world: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set KERNELPOD_GOLDEN=write to write the files anew; then read the difference."""
    made = WORLDS / world / "made"
    monkeypatch.chdir(WORLDS / world)
    said = imported(words_of(world), tmp_path / "new").replace(str(tmp_path / "new"), "NEW")
    written = {**files_below(tmp_path / "new"), "report.txt": said.encode()}
    if os.environ.get("KERNELPOD_GOLDEN") == "write":
        shutil.rmtree(made, ignore_errors=True)
        for name, raw in written.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(raw)
    assert written == files_below(made)


@pytest.mark.parametrize("hub", ["exam-room", "lectures"])
def test_what_is_written_passes_the_check(hub: str) -> None:
    folder = WORLDS / "courses" / "made"
    words = ["courses", "check", str(folder / f"{hub}.yaml"), "--settings", str(folder / "settings.yaml")]
    done = CliRunner().invoke(main, words)
    *said, _counted = done.output.splitlines()
    assert (done.exit_code, len(said)) == (0, 1), done.output
    assert "warning shared_origin: " in said[0]


@pytest.mark.parametrize(("name", "user"), [("demo", "{username}"), ("classroom", "{escaped_username}")])
def test_the_settings_make_values_that_kernelpod_gives(name: str, user: str) -> None:
    settings = load(WORLDS / name / "made" / "settings.yaml").model_dump(mode="json")
    settings |= {"servers": SERVERS, "runtime": {"kubernetes": {"home_check_image": "gateway:1"}}}
    made = z2jh_values(Settings.model_validate(settings), "gateway")["singleuser"]
    assert made["extraEnv"]["KERNEL_PATH"].endswith(f"/{user}")
    assert made["storage"]["type"] == "none"


@pytest.mark.parametrize("name", ["courses/old/config.yaml", "demo/old.yaml", "classroom/old.yaml"])
def test_nothing_is_lost_without_a_line(name: str) -> None:
    path = WORLDS / name
    assert unsaid(imported_courses(path) if path.stem == "config" else imported_values(helm_values([path]))) == []


def test_users_are_in_the_courses_that_they_were_in() -> None:
    folder = WORLDS / "courses" / "made"
    roster = Roster(folder / "exam-room.yaml", load(folder / "settings.yaml"))
    roster.refresh()
    assert [one.course for one in roster.memberships("alice")] == ["Algo-Exam"]
    assert roster.memberships("bob") == ()  # blocked in this exam
    assert roster.memberships("mallory") == ()


def test_nothing_is_written_in_a_dry_run(tmp_path: Path) -> None:
    words = (
        WORLDS / "courses" / "old" / "config.yaml",
        "--to",
        tmp_path / "new",
        "--dry-run",
        "--json",
        "--image",
        "lab:1",
    )
    about = json.loads(run(*words, status=1))  # the exam names no kernelspecs
    assert not (tmp_path / "new").exists()
    assert str(tmp_path / "new" / "lectures.yaml") in about["files"]
    assert about["written"] is False
    assert "an exam must name the kernelspecs" in " ".join(about["findings"])
    assert {note["change"] for note in about["notes"]} == {"kept", "changed", "added", "dropped", "warning"}
    assert all(note["line"] >= 1 and note["file"] for note in about["notes"])


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("mine", encoding="utf-8")
    assert "there already" in run(WORLDS / "demo" / "old.yaml", "--to", tmp_path, status=1)
    assert files_below(tmp_path) == {"settings.yaml": b"mine"}


def test_a_link_in_the_new_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "values.yaml").symlink_to(tmp_path / "elsewhere")
    run(WORLDS / "demo" / "old.yaml", "--to", tmp_path / "new", status=1)
    assert not (tmp_path / "elsewhere").exists()


def test_half_of_it_is_removed_when_the_rest_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "teaching").write_text("a file where a folder should be", encoding="utf-8")
    said = run(WORLDS / "courses" / "old", "--to", tmp_path, *words_of("courses")[1:], status=1)
    assert "nothing was written" in said
    assert list(tmp_path.rglob("*")) == [tmp_path / "lists", tmp_path / "lists" / "teaching"]


# Courses


def test_what_is_in_the_file_of_secrets_is_checked_too(tmp_path: Path) -> None:
    override = "{environment: {API_TOKEN: s3cr3tn0w}, container_security_context: {privileged: true}}"
    profile = f"{{display_name: A, kubespawner_override: {override}}}"
    text = f"singleuser: {{profileList: [{profile}], storage: {{type: none}}}}\n"
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    said = run(tmp_path / "old.yaml", "--to", tmp_path / "new")
    assert any("new/secrets.yaml:" in line and ": warning: " in line for line in said.splitlines())
    assert "s3cr3tn0w" not in said + (tmp_path / "new" / "values.yaml").read_text(encoding="utf-8")
