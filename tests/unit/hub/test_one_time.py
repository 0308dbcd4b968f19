"""One-time codes: what they look like, the list of their hashes, and who wins when two use one at once."""

from __future__ import annotations

import csv
import errno
import io
import logging
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from kernelpod.cli.main import main
from kernelpod.hub.logins import codes

NOW = datetime.now(timezone.utc)
TIMES = ["--from", "2026-12-01T09:00", "--until", "2026-12-01T11:00", "--zone", "Europe/Berlin"]
STUDENTS = "Username;Seat\nAlice;1\nünal;2\n\njohn.doe;3\nALICE;4\n"


def an_entry(code: str) -> codes.StoredCode:
    return codes.new_entry(code, NOW, NOW + timedelta(hours=1))


def test_a_code_is_long_enough_and_easily_read() -> None:
    code = codes.new_code()
    assert codes.BITS >= 60
    assert [len(group) for group in code.split("-")] == [5, 5, 5]
    assert not set(code) & set("ILOUilou")
    assert len({codes.new_code() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "typed",
    ["01ABC-DEFGH-JKMNP", "01abcdefghjkmnp", " 01ABC DEFGH JKMNP ", "oIabc-defgh-jkmnp", "OLabcDEFGHjkmnp"],
)
def test_how_a_code_is_typed_does_not_matter(typed: str) -> None:
    assert an_entry("01ABC-DEFGH-JKMNP").matches(typed)


@pytest.mark.parametrize(
    "typed", ["", "01ABC-DEFGH-JKMNQ", "01ABC-DEFGH", "\N{PANDA FACE}", "\ud800", "A" * 10**6]
)
def test_anything_else_does_not_match(typed: str) -> None:
    assert not an_entry("01ABC-DEFGH-JKMNP").matches(typed)


def test_the_list_holds_salted_hashes_only(tmp_path: Path) -> None:
    entries = {"alice": an_entry("SAME0-SAME0-SAME0"), "bob": an_entry("SAME0-SAME0-SAME0")}
    codes.write_list(tmp_path / "list", entries)
    text = (tmp_path / "list").read_text(encoding="utf-8")
    assert "SAME" not in text
    assert entries["alice"].digest != entries["bob"].digest
    assert codes.read_list(tmp_path / "list") == entries
    assert (tmp_path / "list").stat().st_mode & 0o007 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


BAD = {
    "": "damaged",
    "[]": "damaged",
    "{}": "damaged",
    "{" * 100_000: "damaged",
    '{"form": 2, "scrypt": {}, "users": {}}': "it has another version",
    '{"form": 1, "scrypt": {"n": 2, "r": 8, "p": 1}, "users": {}}': "it has another version",
    "\0": "damaged",
}


@pytest.mark.parametrize(("text", "said"), BAD.items(), ids=range(len(BAD)))
def test_a_file_that_is_no_list_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list").write_text(text, encoding="utf-8")
    with pytest.raises(codes.ListError, match=f"not a list of codes \\({said}\\)"):
        codes.read_list(tmp_path / "list")


def test_a_time_without_a_zone_is_refused(tmp_path: Path) -> None:
    codes.write_list(tmp_path / "list", {"alice": codes.new_entry("A", datetime(2026, 12, 1), NOW)})  # noqa: DTZ001
    with pytest.raises(codes.ListError, match="a time has no time zone"):
        codes.read_list(tmp_path / "list")


def test_of_many_processes_that_use_one_code_exactly_one_wins(tmp_path: Path) -> None:
    entry = an_entry(codes.new_code())
    program = (
        "import sys, pathlib; from datetime import datetime; from kernelpod.hub.logins import codes; "
        "sys.stdin.readline(); "
        f"entry = codes.StoredCode(b'', bytes.fromhex({entry.digest.hex()!r}), datetime.min, datetime.min); "
        "print(codes.use(pathlib.Path(sys.argv[1]), entry))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "used")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0].strip() for process in running]
    assert sorted(said) == ["False"] * 7 + ["True"]
    assert codes.use(tmp_path / "used", an_entry(codes.new_code())) is True


def test_a_note_that_cannot_be_written_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / "used").write_text("a file in the way", encoding="utf-8")
    with pytest.raises(OSError, match=r"File exists|Not a directory"):
        codes.use(tmp_path / "used", an_entry("A"))


class Typed:
    """A request of a browser, as far as the authenticator looks at it."""

    def __init__(self) -> None:
        context = SimpleNamespace(address=("127.0.0.1", 1))
        headers = SimpleNamespace(get_list=lambda _: ["192.0.2.7"])
        self.request = SimpleNamespace(connection=SimpleNamespace(context=context), headers=headers)


@pytest.mark.hub
async def test_an_unknown_name_costs_what_a_wrong_code_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kernelpod.hub.logins.onetime import OneTimeAuthenticator

    codes.write_list(tmp_path / "list", {"alice": an_entry("A")})
    authenticator = OneTimeAuthenticator(list_file=str(tmp_path / "list"), state_dir=str(tmp_path / "used"))
    counted, digest = [], codes._digest
    monkeypatch.setattr(codes, "_digest", lambda code, salt: counted.append(code) or digest(code, salt))
    for name in ("alice", "nobody", "a/b", "", "a" * 300):
        counted.clear()
        assert await authenticator.authenticate(Typed(), {"username": name, "password": "wrong"}) is None
        assert counted == ["wrong"]
    assert await authenticator.authenticate(Typed(), {"username": "ALICE", "password": "a"}) == "alice"


@pytest.mark.hub
async def test_a_list_that_breaks_leaves_the_older_one_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from kernelpod.hub.logins.onetime import OneTimeAuthenticator

    path = tmp_path / "list"
    codes.write_list(path, {"alice": an_entry("A"), "bob": an_entry("B"), "carol": an_entry("C")})
    authenticator = OneTimeAuthenticator(list_file=str(path), state_dir=str(tmp_path / "used"))
    authenticator.log = logging.getLogger("authenticator")
    path.write_text("{", encoding="utf-8")
    assert await authenticator.authenticate(Typed(), {"username": "alice", "password": "A"}) == "alice"
    path.unlink()
    assert await authenticator.authenticate(Typed(), {"username": "bob", "password": "B"}) == "bob"
    assert "this is not a list of codes (damaged)" in caplog.text
    assert "No such file or directory; the last valid list stays in use" in caplog.text
    codes.write_list(path, {})
    assert await authenticator.authenticate(Typed(), {"username": "carol", "password": "C"}) is None


@pytest.mark.hub
def test_attempts_of_many_names_are_not_remembered_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from kernelpod.hub.logins import onetime

    monkeypatch.setattr(onetime, "MAX_REMEMBERED", 10)
    throttle = onetime.Throttle(1, 60)
    assert throttle.wait("alice") == 0
    assert 59 < throttle.wait("alice") <= 60
    for number in range(10):
        throttle.wait(number)
    assert len(throttle._seen) == 10
    assert throttle.wait("alice") == 0


def issue(folder: Path, *further: str, students: str = STUDENTS) -> Result:
    (folder / "exam.csv").write_text(students, encoding="utf-8")
    where = ["--users", str(folder / "exam.csv"), "--list", str(folder / "codes.json")]
    times = [] if "--from" in further else TIMES
    return CliRunner().invoke(main, ["hub", "one-time", "issue", *where, *times, *further])


def slips(text: str) -> dict[str, str]:
    return {row["Username"]: row["Code"] for row in csv.DictReader(io.StringIO(text))}


def test_codes_are_printed_once_and_their_hashes_kept(tmp_path: Path) -> None:
    done = issue(tmp_path)
    assert done.exit_code == 0, done.output
    made, kept = slips(done.stdout), codes.read_list(tmp_path / "codes.json")
    assert set(made) == set(kept) == {"alice", "ünal", "john.doe"}
    assert all(kept[name].matches(code) for name, code in made.items())
    assert kept["alice"].opens == datetime(2026, 12, 1, 8, tzinfo=timezone.utc)
    assert kept["alice"].closes.isoformat() == "2026-12-01T11:00:00+01:00"
    assert "issued 3 codes, 2026-12-01T09:00+01:00 to 2026-12-01T11:00+01:00" in done.stderr


def test_a_second_time_changes_nothing_unless_that_is_said(tmp_path: Path) -> None:
    issue(tmp_path)
    before = codes.read_list(tmp_path / "codes.json")
    again = issue(tmp_path)
    assert again.exit_code == 2
    assert "already holds codes for 3 users; use --only NAME" in again.stderr
    assert codes.read_list(tmp_path / "codes.json") == before
    assert issue(tmp_path, "--replace").exit_code == 0
    assert not set(before.values()) & set(codes.read_list(tmp_path / "codes.json").values())


def test_one_student_gets_another_code_and_the_rest_keep_theirs(tmp_path: Path) -> None:
    first = slips(issue(tmp_path).stdout)
    before = codes.read_list(tmp_path / "codes.json")
    codes.use(tmp_path / "used", before["alice"])
    second = slips(issue(tmp_path, "--only", "Alice").stdout)
    after = codes.read_list(tmp_path / "codes.json")
    assert set(second) == {"alice"}
    assert not after["alice"].matches(first["alice"])
    assert after["alice"].matches(second["alice"])
    assert codes.use(tmp_path / "used", after["alice"])
    assert [after[name] for name in ("ünal", "john.doe")] == [before[name] for name in ("ünal", "john.doe")]


def test_codes_go_into_a_new_file_that_nobody_else_reads(tmp_path: Path) -> None:
    out = tmp_path / "slips.csv"
    done = issue(tmp_path, "--out", str(out))
    assert done.stdout == ""
    assert out.stat().st_mode & 0o777 == 0o600
    assert set(slips(out.read_text(encoding="utf-8"))) == {"alice", "ünal", "john.doe"}
    before = (tmp_path / "codes.json").read_bytes()
    again = issue(tmp_path, "--replace", "--out", str(out))
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    assert (tmp_path / "codes.json").read_bytes() == before


def test_no_codes_are_left_when_the_list_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    done = issue(tmp_path, "--replace", "--out", str(tmp_path / "slips.csv"))
    assert done.exit_code == 2
    assert "the list of codes cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exam.csv"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    done = issue(tmp_path, "--dry-run")
    assert (done.exit_code, done.stdout) == (0, "alice\njohn.doe\nünal\n")
    assert [path.name for path in tmp_path.iterdir()] == ["exam.csv"]


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (["--only", "carol"], "--only: not in"),
        (["--from", "2026-12-01T09:00", "--until", "2026-12-01T11:00"], "--from has no offset; write it as"),
        ([*TIMES[:4], "--zone", "Europe/Belin"], "'Europe/Belin' is not a time zone"),
        ([*TIMES[:4], "--zone", "../../etc/passwd"], "is not a time zone"),
        (["--from", "2026-12-01T09:00Z", "--until", "2026-12-01T09:00Z"], "--until must be later than --from"),
        (["--from", "tomorrow", "--until", "2026-12-01T09:00Z"], "'tomorrow' is not a time such as"),
        (["--column", "Login"], "there is no column 'Login'"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, further: list[str], said: str) -> None:
    done = issue(tmp_path, *further)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "codes.json").exists()


@pytest.mark.parametrize("name", ["a/b", "..", "."])
def test_names_that_the_hub_does_not_take_get_no_code(tmp_path: Path, name: str) -> None:
    done = issue(tmp_path, students=f"Username\nalice\n{name}\n")
    assert (done.exit_code, "the hub does not accept user names with a slash" in done.stderr) == (2, True)


def test_a_damaged_list_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "codes.json").write_text("precious", encoding="utf-8")
    done = issue(tmp_path, "--only", "alice")
    assert (done.exit_code, "this is not a list of codes" in done.stderr) == (2, True)
    assert (tmp_path / "codes.json").read_text(encoding="utf-8") == "precious"
    assert done.stdout == ""
