"""`kernelpod hub secrets rotate --folder`: files change one by one and whole, for their owner only."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kernelpod.base import files
from kernelpod.cli.main import main
from kernelpod.deploy import hubsecrets

NAMES = ["cookie_secret", "proxy_token", "crypt_key"]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["hub", "secrets", *words])


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(encoding="utf-8").strip() for file in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Secrets as they were made, and a token of the gateway's service."""
    made = tmp_path / "secrets"
    assert run("--folder", str(made)).exit_code == 0
    return made


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "service-token"
    file.touch(mode=0o600)
    file.write_text("a" * 64 + "\n", encoding="utf-8")
    return file


def test_all_are_new_and_the_crypt_key_keeps_the_former(folder: Path, token: Path) -> None:
    before = contents(folder)
    done = run("rotate", "--folder", str(folder), "--token-file", str(token))
    assert done.exit_code == 0, done.output
    after = contents(folder)
    assert sorted(after) == sorted(NAMES)
    assert [name for name in NAMES if after[name] == before[name]] == []
    new, kept = after["crypt_key"].split(";")
    assert (kept, len(new)) == (before["crypt_key"], 64)
    assert token.read_text(encoding="utf-8").strip() != "a" * 64
    for file in (*folder.iterdir(), token):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for value in (*before.values(), *after.values(), new, token.read_text(encoding="utf-8").strip()):
        assert value not in done.output
    assert "Restart the hub now" in done.output
    assert "made nothing" in run("--folder", str(folder)).output, "it takes a list of keys for a secret"


def test_what_is_not_named_stays_and_is_said_to(folder: Path, token: Path) -> None:
    before = contents(folder)
    said = run("rotate", "--folder", str(folder), "--only", "cookie_secret", "--json").stdout
    assert [name for name in NAMES if contents(folder)[name] != before[name]] == ["cookie_secret"]
    assert [one["outcome"] for one in json.loads(said)["steps"]] == ["done"]
    assert "name its file by --token-file" in run("rotate", "--folder", str(folder)).output
    refused = run("rotate", "--folder", str(folder), "--only", "service_token")
    assert (refused.exit_code, "by --token-file" in refused.output) == (2, True)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interruption_leaves_each_file_old_or_new(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before, done = contents(folder), []

    def interrupted(file: Path, text: str) -> None:
        done.append(file)
        if len(done) == number:
            monkeypatch.setattr(files.os, "fsync", full)
        files.replace_file(file, text)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hubsecrets, "replace_file", interrupted)
    failed = run("rotate", "--folder", str(folder))
    assert (failed.exit_code, "No space left" in failed.output) == (1, True)
    assert "Restart the hub now" not in failed.output
    after = contents(folder)
    assert [name for name in NAMES if after[name] != before[name]] == NAMES[: number - 1]
    monkeypatch.undo()
    assert run("rotate", "--folder", str(folder)).exit_code == 0
    last = contents(folder)
    assert before["crypt_key"] in last["crypt_key"].split(";")
    assert sorted(last) == sorted(NAMES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.chmod(0o640), "can be read by others; run: chmod 600"),
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_text("x", encoding="utf-8"), "does not hold 64 hexadecimal digits"),
        (lambda file: (file.unlink(), file.symlink_to("/etc/passwd")), "is not a file"),
        (lambda file: (file.unlink(), os.mkfifo(file, 0o600)), "is not a file"),
    ],
    ids=["readable", "missing", "no secret", "a link", "a pipe"],
)
@pytest.mark.parametrize("name", ["crypt_key", "proxy_token"])
def test_a_file_that_is_no_secret_stops_it_before_anything_changes(
    folder: Path, name: str, change: object, said: str
) -> None:
    assert callable(change)
    change(folder / name)
    others = {one: (folder / one).read_bytes() for one in NAMES if one != name}
    refused = run("rotate", "--folder", str(folder))
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    assert {one: (folder / one).read_bytes() for one in others} == others


def test_former_crypt_keys_are_bounded_and_forgotten_when_told(folder: Path) -> None:
    for _ in range(3):
        assert run("rotate", "--folder", str(folder), "--only", "crypt_key").exit_code == 0
    before = contents(folder)
    refused = run("rotate", "--folder", str(folder))
    assert (refused.exit_code, "--forget-old-keys" in refused.output) == (1, True)
    assert contents(folder) == before
    assert run("rotate", "--folder", str(folder), "--forget-old-keys").exit_code == 0
    assert contents(folder) == {**before, "crypt_key": before["crypt_key"].split(";")[0]}


def test_a_dry_run_changes_nothing(folder: Path, token: Path) -> None:
    before = contents(folder)
    done = run("rotate", "--folder", str(folder), "--token-file", str(token), "--dry-run")
    assert (done.exit_code, done.output.count("plan  ")) == (0, 4)
    assert (contents(folder), token.read_text(encoding="utf-8")) == (before, "a" * 64 + "\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--folder", "x", "rotate"],
        ["--json", "rotate"],
        [],
        ["rotate", "--folder", "/", "--hub", "exam"],
        ["rotate", "--folder", "/", "--file", "deploy.yaml"],
        ["rotate", "--token-file", "x", "--only", "cookie_secret"],
        ["rotate", "--token-file", "x", "--forget-old-keys"],
        ["rotate", "--folder", "/", "--forget-old-keys", "--only", "crypt_key"],
    ],
    ids=" ".join,
)
def test_options_that_would_be_ignored_are_refused(words: list[str]) -> None:
    assert run(*words).exit_code == 2
