"""hub/logins/one-time.yaml at a real hub: codes made by the command, used by browsers."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from hubs import Browser, Hub, example, logged_in

MIGHTY = ["admin", "root", "system:x"]
NAMES = ["Alice", "bob", "john.doe", "ünal", *MIGHTY, "\N{PANDA FACE}", "ALICE@Example.org", "a" * 255]
STUDENTS = [*NAMES, "early", "late", "twice", "again", "both", "guessed", "restarted"]


class Exam:
    """The files of an exam, and the command that makes codes for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list_file = folder / "codes.json"
        (folder / "exam.csv").write_text("\n".join(["Username", *STUDENTS]), encoding="utf-8")
        now = datetime.now(timezone.utc)
        self.codes = self.issue(now - timedelta(minutes=1), now + timedelta(hours=1))
        self.codes |= self.issue(now + timedelta(hours=1), now + timedelta(hours=2), "early")
        self.codes |= self.issue(now - timedelta(hours=2), now - timedelta(minutes=1), "late")

    def issue(self, opens: datetime, closes: datetime, only: str = "") -> dict[str, str]:
        command = [sys.executable, "-m", "kernelpod.cli.main", "hub", "one-time", "issue"]
        files = ["--users", str(self.folder / "exam.csv"), "--list", str(self.list_file)]
        times = ["--from", opens.isoformat(), "--until", closes.isoformat()]
        done = subprocess.run(
            [*command, *files, *times, *(["--only", only] if only else [])],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return {row["Username"]: row["Code"] for row in csv.DictReader(io.StringIO(done.stdout))}

    def hub(self, folder: Path) -> Hub:
        sections = example(
            "one-time",
            OneTimeAuthenticator__list_file=str(self.list_file),
            OneTimeAuthenticator__state_dir=str(self.folder / "used"),
        )
        # However long the tests take, nobody who must wait has another attempt meanwhile.
        sections["OneTimeAuthenticator"]["wait_seconds"] = 3600
        return Hub(folder, sections)


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Exam:
    return Exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def hub(exam: Exam, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with exam.hub(tmp_path_factory.mktemp("one-time") / "hub") as running:
        yield running


def said_to(hub: Hub, name: str, code: str) -> tuple[int, str | None, str]:
    """Return the hub's answer to the form: status, as whom she is in, page."""
    with Browser(hub) as browser:
        answer = browser.submit(username=name, password=code)
        return answer.status_code, browser.user, answer.text


@pytest.mark.parametrize("name", NAMES)
def test_a_code_lets_its_user_in(hub: Hub, exam: Exam, name: str) -> None:
    assert logged_in(hub, name, exam.codes[name.lower()]) == name.lower()


def test_a_code_counts_once(hub: Hub, exam: Exam) -> None:
    assert logged_in(hub, "twice", exam.codes["twice"]) == "twice"
    status, user, page = said_to(hub, "twice", exam.codes["twice"])
    assert (status, user) == (403, None)
    assert "This code was used before. Ask the supervisor for a new one." in page


def test_a_student_whose_browser_died_gets_another_code(hub: Hub, exam: Exam) -> None:
    """The hub reads the list as it is at each login; the session that she lost is not ended by this."""
    assert logged_in(hub, "again", exam.codes["again"]) == "again"
    now = datetime.now(timezone.utc)
    second = exam.issue(now - timedelta(minutes=1), now + timedelta(hours=1), "again")["again"]
    assert logged_in(hub, "again", exam.codes["again"]) is None
    assert logged_in(hub, "again", second) == "again"


def test_of_two_at_once_exactly_one_gets_in(hub: Hub, exam: Exam) -> None:
    with ThreadPoolExecutor(4) as pool:
        users = list(pool.map(lambda _: logged_in(hub, "both", exam.codes["both"]), range(4)))
    assert sorted(users, key=str) == [None, None, None, "both"]


def test_too_early_and_too_late_are_said_to_who_knows_the_code(hub: Hub, exam: Exam) -> None:
    for name, said in (
        ("early", "Too early: this code is valid from"),
        ("late", "Too late: this code"),
    ):
        status, user, page = said_to(hub, name, exam.codes[name])
        assert (status, user, said in page) == (403, None, True), page
        _, _, page = said_to(hub, name, exam.codes["bob"])
        assert "Invalid username or password" in page


@pytest.mark.parametrize("name", ["nobody", "alice/..", "..", "a" * 300, ""])
def test_strangers_hear_what_wrong_codes_hear(hub: Hub, exam: Exam, name: str) -> None:
    status, user, page = said_to(hub, name, exam.codes["guessed"])
    assert (status, user) == (403, None)
    assert "Invalid username or password" in page


def test_who_guesses_must_wait_and_does_not_keep_others_out(hub: Hub, exam: Exam) -> None:
    """Guesses are counted by user and address, so who guesses from elsewhere locks nobody out."""
    answers = [said_to(hub, "guessed", f"guess {number}") for number in range(7)]
    assert [status for status, _, _ in answers] == [403] * 5 + [429] * 2
    assert "Too many attempts; try again in" in answers[-1][2]
    with Browser(hub) as elsewhere:
        # What the proxy would say of a browser at another address; the hub believes the proxy alone.
        elsewhere.headers.update({"X-Forwarded-For": "192.0.2.7", "X-Real-Ip": "192.0.2.7"})
        assert elsewhere.submit(username="guessed", password=exam.codes["guessed"]).status_code == 429
        elsewhere.hub = Inner(hub)  # type: ignore[assignment]
        assert elsewhere.submit(username="guessed", password=exam.codes["guessed"]).status_code == 302


class Inner:
    """The hub without its proxy, at the port that only the proxy should reach."""

    def __init__(self, hub: Hub) -> None:
        self.url = hub.inner_url


def test_a_hub_that_starts_again_knows_which_codes_are_used(exam: Exam, tmp_path: Path) -> None:
    with exam.hub(tmp_path / "hub") as hub:
        assert logged_in(hub, "restarted", exam.codes["restarted"]) == "restarted"
    with exam.hub(tmp_path / "hub") as hub:
        assert logged_in(hub, "restarted", exam.codes["restarted"]) is None


def test_no_code_is_in_the_log(hub: Hub, exam: Exam) -> None:
    assert not [name for name, code in exam.codes.items() if code in hub.log]
