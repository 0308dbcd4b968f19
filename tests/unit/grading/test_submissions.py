"""Submitted folders: manifests that sha256sum checks, codes, receipts, and what is found out later."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kernelpod.cli.main import main
from kernelpod.grading.submissions import walk
from kernelpod.grading.submissions.keys import ReceiptKeys, read_keys
from kernelpod.grading.submissions.manifest import (
    MANIFEST,
    Checksums,
    code_of,
    digest_of,
    is_code,
    manifest_of,
    parsed,
    same_code,
    stored,
)
from kernelpod.grading.submissions.receipt import RECEIPT, Receipt, moment
from kernelpod.grading.submissions.verify import verify, verify_all
from kernelpod.grading.submissions.walk import SubmissionError, entries, shown

NAMES = [
    "ps1.ipynb",
    "data/a b.csv",
    "-n",
    "*",
    " two  spaces ",
    "\\",
    "c:\\temp\\file.txt",
    "line\nbreak",
    "carriage\rreturn",
    "ends\r",
    "\\n",
    "Übung.txt",
    os.fsdecode(b"latin-1-\xfc.txt"),
    "deep/er/and/deeper/x",
]
KEY = b"k" * 32
KEYS = ReceiptKeys(KEY)
HALF_PAST = datetime(2027, 2, 1, 11, 30, tzinfo=timezone.utc)


def submission(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Return a folder with files and their manifest."""
    for name, text in (files or {"ps1.ipynb": "{}", "data/a.csv": "1,2\n"}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / MANIFEST).write_bytes(manifest_of(folder)[0].as_bytes())
    return folder


def receipt(folder: Path, **told: object) -> Receipt:
    """Return the receipt of a folder, and write it there, signed."""
    plain = {
        "course": "ml",
        "assignment": "ps1",
        "student": "alice",
        "submission": "alice+ps1+2027-02-01 11:30:00.0 UTC+abc",
        "arrived": HALF_PAST,
        "collected": HALF_PAST,
        "code": code_of(stored(folder) or b""),
        "files": digest_of(manifest_of(folder)[0].as_bytes()),
        **told,
    }
    made = Receipt.model_validate(plain).signed(KEY)
    (folder / RECEIPT).write_text(made.to_json(), encoding="utf-8")
    return made


def sha256sum(folder: Path) -> subprocess.CompletedProcess[bytes]:
    command = ["sha256sum", "--check", "--strict", MANIFEST]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=20, check=False)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["submissions", "verify", *map(str, arguments)])


def test_sha256sum_checks_every_name(tmp_path: Path) -> None:
    submission(tmp_path, dict.fromkeys(NAMES, "text"))
    done = sha256sum(tmp_path)
    assert (done.returncode, done.stdout.count(b": OK\n"), done.stderr) == (0, len(NAMES), b"")
    (tmp_path / "c:\\temp\\file.txt").write_text("other", encoding="utf-8")
    assert sha256sum(tmp_path).returncode == 1


def test_the_manifest_is_what_sha256sum_prints(tmp_path: Path) -> None:
    submission(tmp_path, dict.fromkeys(NAMES, "text"))
    names = sorted(map(os.fsencode, NAMES))
    printed = subprocess.run(
        ["sha256sum", "--", *names], cwd=tmp_path, capture_output=True, timeout=20, check=True
    ).stdout
    assert stored(tmp_path) == printed


def test_a_manifest_is_read_back_as_it_was() -> None:
    made = Checksums({name: hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest() for name in NAMES})
    assert parsed(made.as_bytes()) == made
    assert parsed(b"") == Checksums({})


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"0" * 64 + b" x\n",
        b"0" * 63 + b"  x\n",
        b"0" * 64 + b"  \n",
        b"0" * 64 + b"  /etc/passwd\n",
        b"0" * 64 + b"  ../bob/ps1.ipynb\n",
        b"0" * 64 + b"  a/../../x\n",
        b"0" * 64 + b"  a//x\n",
        b"0" * 64 + b"  nul\0\n",
        b"\\" + b"0" * 64 + b"  \\x\n",
        b"\\" + b"0" * 64 + b"  ends\\\n",
        (b"0" * 64 + b"  twice\n") * 2,
        b"0" * 64 + b"  no end",
    ],
)
def test_a_forged_manifest_is_no_manifest(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(SubmissionError, match=MANIFEST):
        parsed(line)
    (tmp_path / MANIFEST).write_bytes(line)
    verdict = verify(tmp_path)
    assert not verdict.ok
    assert MANIFEST in verdict.findings[0]


def test_a_code_is_the_beginning_of_what_sha256sum_prints(tmp_path: Path) -> None:
    text = stored(submission(tmp_path)) or b""
    printed = subprocess.run(
        ["sha256sum", MANIFEST], cwd=tmp_path, capture_output=True, timeout=20, check=True
    ).stdout
    assert code_of(text).replace("-", "").lower() == printed.decode()[:20]
    assert is_code(code_of(text))
    assert same_code(code_of(text), code_of(text).replace("-", " ").lower())
    assert not same_code(code_of(text), code_of(text + b"x"))


@pytest.mark.parametrize("text", ["", "ABCD", "0123-4567-89AB-CDEF-012G", "0123-4567-89AB-CDEF-0123-4"])
def test_what_is_no_code(text: str) -> None:
    assert not is_code(text)


def test_the_same_files_have_the_same_code_wherever_and_whenever(tmp_path: Path) -> None:
    one, other = (submission(tmp_path / name, {"b": "2", "a": "1"}) for name in "xy")
    os.utime(other / "a", (0, 0))
    assert stored(one) == stored(other)


def test_every_change_is_named(tmp_path: Path) -> None:
    submission(tmp_path, {"same": "1", "changed": "1", "removed": "1", "sub/moved": "1"})
    (tmp_path / "changed").write_text("2", encoding="utf-8")
    (tmp_path / "removed").unlink()
    (tmp_path / "sub/moved").rename(tmp_path / "sub/here")
    (tmp_path / "link").symlink_to("same")
    verdict = verify(tmp_path)
    assert verdict.changed == ("changed",)
    assert verdict.missing == ("removed", "sub/moved")
    assert verdict.added == ("link", "sub/here")
    assert not verdict.ok


@pytest.mark.parametrize("name", ["timestamp.txt", "SUBMISSION-CODE.txt"])
def test_what_others_write_beside_it_is_no_change(tmp_path: Path, name: str) -> None:
    submission(tmp_path, {"sub/x": "1"})
    (tmp_path / name).write_text("x", encoding="utf-8")
    assert verify(tmp_path).ok
    (tmp_path / "sub" / name).write_text("x", encoding="utf-8")
    assert verify(tmp_path).added == (f"sub/{name}",)


def test_a_link_instead_of_a_file_is_not_followed(tmp_path: Path) -> None:
    folder = submission(tmp_path / "alice")
    (tmp_path / "elsewhere").write_bytes((folder / "ps1.ipynb").read_bytes())
    (folder / "ps1.ipynb").unlink()
    (folder / "ps1.ipynb").symlink_to(tmp_path / "elsewhere")
    verdict = verify(folder)
    assert (verdict.missing, verdict.added) == (("ps1.ipynb",), ("ps1.ipynb",))


def test_a_linked_folder_a_pipe_and_a_socket_are_named_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to("/etc")
    (tmp_path / "loop").symlink_to(".")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "socket"))
    manifest, others = manifest_of(tmp_path)
    assert manifest.files == {}
    assert others == {
        "linked": "a symbolic link",
        "loop": "a symbolic link",
        "pipe": "a named pipe",
        "socket": "a socket",
    }


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_manifest_that_is_no_file_is_none(tmp_path: Path, kind: str) -> None:
    place = tmp_path / MANIFEST
    {"link": lambda: place.symlink_to("/etc/passwd"), "pipe": lambda: os.mkfifo(place), "folder": place.mkdir}[
        kind
    ]()
    assert stored(tmp_path) is None
    assert "it has no SHA256SUMS" in verify(tmp_path).findings[0]


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    submission(tmp_path / "bob")
    (tmp_path / "alice").symlink_to("bob")
    with pytest.raises(SubmissionError, match="not a readable folder"):
        list(entries(tmp_path / "alice"))


def test_a_folder_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_ENTRIES", 3)
    submission(tmp_path, {"a": "", "b": "", "c": ""})
    with pytest.raises(SubmissionError, match="more than 3 files and folders"):
        manifest_of(tmp_path)


def test_what_lies_too_deep_is_named(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "x").touch()
    _, others = manifest_of(tmp_path)
    assert list(others.values()) == ["it is nested too deeply"]


@pytest.mark.parametrize(
    ("name", "printed"), [("a b.txt", "a b.txt"), ("\x1b[2J", "\\x1b[2J"), (os.fsdecode(b"\xfc"), "\\udcfc")]
)
def test_names_are_printed_without_control_characters(name: str, printed: str) -> None:
    assert shown(name) == printed


def test_a_receipt_is_genuine_only_as_it_was(tmp_path: Path) -> None:
    made = receipt(submission(tmp_path))
    assert made.genuine(KEY)
    assert not made.genuine(b"x" * 32)
    assert not made.model_copy(update={"hmac": None}).genuine(KEY)
    for name, value in made.model_copy(update={"student": "bob", "closed": HALF_PAST}):
        changed = made.model_copy(update={name: value})
        assert changed.genuine(KEY) is (changed == made)
    assert Receipt.model_validate_json(made.to_json()).genuine(KEY)


def test_late_is_what_came_after_the_end(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    assert not receipt(folder).late
    assert not receipt(folder, closed=HALF_PAST).late
    assert receipt(folder, closed=HALF_PAST.replace(minute=29)).late


def test_files_and_manifest_changed_together_are_seen_by_code_and_receipt(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    code = code_of(stored(folder) or b"")
    receipt(folder)
    assert verify(folder, code, KEYS).ok
    (folder / "ps1.ipynb").write_text("better", encoding="utf-8")
    submission(folder, {"ps1.ipynb": "better"})
    verdict = verify(folder, code, KEYS)
    assert verdict.changed == ()
    assert [finding.partition(":")[0] for finding in verdict.findings] == [
        f"its code is {verdict.code}",
        "its files are not the collected ones",
        "its SHA256SUMS is not the collected one",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "it has no RECEIPT.json"),
        ("{", "RECEIPT.json is damaged"),
        ("[1]", "RECEIPT.json is damaged"),
        ("signed with another key", "not signed with this key"),
    ],
)
def test_with_a_key_nothing_less_than_a_genuine_receipt_will_do(
    tmp_path: Path, text: str | None, said: str
) -> None:
    folder = submission(tmp_path)
    made = receipt(folder)
    (folder / RECEIPT).unlink()
    if text is not None:
        other = made.signed(b"o" * 32).to_json()
        (folder / RECEIPT).write_text(other if text.startswith("signed") else text, encoding="utf-8")
    assert said in verify(folder, keys=KEYS).findings[0]


def test_a_receipt_in_somebody_elses_folder_is_seen(tmp_path: Path) -> None:
    receipt(submission(tmp_path / "alice/ps1"))
    receipt(submission(tmp_path / "bob/ps1"))
    good, bad = verify_all(tmp_path, keys=KEYS)
    assert good.ok
    assert bad.findings == ("its RECEIPT.json belongs to alice",)
    assert [verify_all(tmp_path / name, keys=KEYS)[0].ok for name in ("alice", "bob")] == [True, False]


@pytest.mark.parametrize(
    ("mode", "length", "said"), [(0o640, 32, "chmod 600"), (0o604, 32, "chmod 600"), (0o600, 31, "not a key")]
)
def test_a_key_that_others_could_know_is_refused(tmp_path: Path, mode: int, length: int, said: str) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"secret" * 9)
    key.write_bytes(b"s" * length + b"\n")
    key.chmod(mode)
    with pytest.raises(SubmissionError, match=said) as caught:
        read_keys(key)
    assert "sss" not in str(caught.value)


def test_a_key_is_read_without_its_line_break(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY + b"\n")
    key.chmod(0o600)
    assert read_keys(key) == KEYS
    with pytest.raises(SubmissionError, match="cannot be read"):
        read_keys(tmp_path / "none")


@pytest.mark.parametrize("text", ["2027-02-01T12:30:00+01:00", "2027-02-01T11:30:00Z", "2027-02-01 11:30+00:00"])
def test_moments_have_a_zone(text: str) -> None:
    assert moment(text) == HALF_PAST


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-02-01T12:00:00"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(text)


def test_the_command_says_ok_in_one_line(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    code = code_of(stored(folder) or b"")
    done = run(folder, "--code", code.lower())
    assert (done.exit_code, done.output) == (0, f"{folder}: ok, 2 files, code {code}\n")


def test_the_command_names_what_differs_in_each_of_many(tmp_path: Path) -> None:
    for student in ("alice", "bob", "carol", "dave"):
        submission(tmp_path / student / "ps1")
    (tmp_path / "bob/ps1/ps1.ipynb").write_text("x", encoding="utf-8")
    (tmp_path / "carol/ps1" / MANIFEST).unlink()
    (tmp_path / "dave/ps1/data/\x1b[2J").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "link").symlink_to("alice")
    done = run(tmp_path)
    lines = [line.removeprefix(f"{tmp_path}/") for line in done.output.splitlines()]
    assert done.exit_code == 1
    assert [line.partition(", code")[0] for line in lines] == [
        "alice/ps1: ok, 2 files",
        "bob/ps1: 1 changed, 2 files",
        "  changed  ps1.ipynb",
        "carol/ps1: not as submitted",
        "  it has no SHA256SUMS: not submitted with this exchange, or the file was removed",
        "dave/ps1: 1 added, 3 files",
        "  added  data/\\x1b[2J",
    ]


def test_the_command_prints_json(tmp_path: Path) -> None:
    folder = submission(tmp_path / "alice/ps1", dict.fromkeys(NAMES, ""))
    receipt(folder, closed=HALF_PAST.replace(hour=1))
    (one,) = json.loads(run(tmp_path, "--json").output)
    assert (one["ok"], one["files"], one["late"], one["receipt"]["student"]) == (True, len(NAMES), True, "alice")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nothing"], 2, "does not exist"),
        (["."], 1, "contains no submission: nothing in it has a SHA256SUMS"),
        (["two", "--code", "0000-0000-0000-0000-0000"], 1, "a code belongs to one submission"),
        (["two", "--code", "xyz"], 2, "five groups of four digits"),
        (["two", "--key-file", "key"], 1, "chmod 600"),
    ],
)
def test_the_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if "two" in arguments:
        submission(tmp_path / "two/a")
        submission(tmp_path / "two/b")
        (tmp_path / "key").write_bytes(KEY)
        (tmp_path / "key").chmod(0o644)
    done = run(*arguments)
    assert (done.exit_code, said in done.output) == (status, True), done.output
