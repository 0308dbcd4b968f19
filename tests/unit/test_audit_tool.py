"""tools/audit.py with made-up advisories, and the answers to published ones."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import audit
import locks
from answers import Answer, Answers, page, read_answers, without_a_lock
from locks import BadInput

CHECKOUT = Path(__file__).parents[2]
TOOL = CHECKOUT / "tools" / "audit.py"


def record(*events: dict[str, str], name: str = "Some_Package", **changes: Any) -> dict[str, Any]:
    """An advisory about a package, as OSV has it."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    affected = [{"package": {"ecosystem": "PyPI", "name": name}, "ranges": ranges}]
    return {"id": "OSV-2026-1", "aliases": ["CVE-2026-1"], "affected": affected, **changes}


def since(version: str) -> dict[str, str]:
    return {"introduced": version}


def until(version: str) -> dict[str, str]:
    return {"fixed": version}


def up_to(version: str) -> dict[str, str]:
    return {"last_affected": version}


RANGES: list[tuple[list[dict[str, str]], str, str]] = [
    # events, affected, not affected
    ([since("0")], "0.dev1 0.1 1.0 9999", ""),
    ([since("0"), until("1.2")], "0 1.1 1.2rc1 1.2.dev1", "1.2 1.2.0 1.10 1.2.post1"),
    ([since("1.0"), until("1.2")], "1.0 1.0.0 1.1.9", "0.9 1.0rc1 1.2"),
    ([since("1.0"), up_to("1.2")], "1.0 1.2 1.2.0", "0.9 1.2.1 1.2.post1 1.3"),
    ([since("1.0"), until("1.2"), since("2.0"), until("2.1")], "1.1 2.0", "0.9 1.2 1.9 2.1"),
    ([until("2.1"), since("2.0"), until("1.2"), since("1.0")], "1.1 2.0", "0.9 1.2 1.9 2.1"),
    ([since("1.9"), until("1.10")], "1.9 1.9.5", "1.10 1.2 1.11"),
    ([since("1!1.0")], "1!1.0 2!0", "9999"),
    ([since("0"), {"limit": "2.0"}], "1.9", "2.0 3.0"),
    ([since("0"), {"limit": "*"}], "1.9 3.0", ""),
    ([until("1.2")], "", "1.1 1.2"),
    ([], "", "1.0"),
]


@pytest.mark.parametrize(("events", "affected", "others"), RANGES)
def test_ranges(events: list[dict[str, str]], affected: str, others: str) -> None:
    (about,) = audit.Record.model_validate(record(*events)).affected
    assert [one for one in affected.split() if not about.has(one)] == []
    assert [one for one in others.split() if about.has(one)] == []


def test_versions_are_compared_as_versions_and_git_ranges_are_not() -> None:
    git = {"type": "GIT", "events": [since("0")]}
    about = audit.Affected.model_validate({"versions": ["1.0", "2004d"], "ranges": [git]})
    assert [one for one in ("1.0", "1.0.0", "1.1") if about.has(one)] == ["1.0", "1.0.0"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Locks of a checkout that has three."""
    hashes = f"--hash=sha256:{'0' * 64} \\\n    --hash=sha256:{'1' * 64}"
    for name, pins in {
        "gateway": "some-package==1.0 \\\n    {}\nother==2.0 ; python_full_version < '3.11' \\\n    {}\n",
        "hub": "some-package==2.0 \\\n    {}\n",
        "oldest": "some-package==0.1 \\\n    {}\n",
    }.items():
        (tmp_path / f"{name}.txt").write_text(pins.format(hashes, hashes))
    (tmp_path / "overrides.txt").write_text("some-package>=1\n")
    return tmp_path


def run(checkout: Path, advisories: Path, monkeypatch: pytest.MonkeyPatch, answers: Answers, *words: str) -> int:
    """Run the tool on the checkout's locks and return the exit code."""
    monkeypatch.setattr(audit, "read_locks", lambda: locks.read_locks(checkout))
    monkeypatch.setattr(audit, "read_answers", lambda: answers)
    monkeypatch.setattr(sys, "argv", ["audit", str(advisories), *words])
    return audit.main()


def answer(*versions: str, ids: tuple[str, ...] = ("CVE-2026-1",)) -> Answer:
    return Answer(
        ids=ids,
        package="some.package",
        versions=versions,
        what="It is bad.",
        reachable=False,
        why="It is not called.",
    )


def database(folder: Path, *records: dict[str, Any]) -> Path:
    """A folder of advisories beside files that are none."""
    (folder / "db" / "some-package").mkdir(parents=True)
    (folder / "db" / "README.md").write_text("hello")
    for number, one in enumerate(records):
        kind = ("json", "yaml")[number % 2]
        text = json.dumps(one) if kind == "json" else yaml.safe_dump(one)
        (folder / "db" / "some-package" / f"{number}.{kind}").write_text(text)
    return folder / "db"


def test_a_finding_without_an_answer_fails(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = database(checkout, record(since("0.5"), until("1.5"), until("3.0"), since("2.5")))
    assert run(checkout, made, monkeypatch, Answers()) == 1
    assert capsys.readouterr().out.splitlines() == [
        "requirements/gateway.txt",
        "  some-package 1.0: OSV-2026-1 (CVE-2026-1), fixed in 1.5, 3.0",
        "    NOT ANSWERED: upgrade, or answer it in requirements/advisories.yaml",
        "findings: 1, without an answer: 1",
    ]


def test_an_answer_by_an_alias_is_enough_for_its_version_only(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = database(checkout, record(since("1.0")))
    assert run(checkout, made, monkeypatch, Answers(answers=(answer("1.0"),)), "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["stale"] == []
    assert [(one["lock"], one["version"], one["fixed_in"], one["answer"]) for one in said["findings"]] == [
        ("gateway", "1.0", [], "not reachable: It is not called."),
        ("hub", "2.0", [], None),
    ]
    assert run(checkout, made, monkeypatch, Answers(answers=(answer("1.0", "2.0"),))) == 0


def test_locks_that_are_old_on_purpose_need_no_answer(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = database(checkout, record(since("0"), until("0.2")))
    assert run(checkout, made, monkeypatch, Answers()) == 1
    assert run(checkout, made, monkeypatch, Answers(old_on_purpose={"oldest": "Tests."})) == 0


@pytest.mark.parametrize(
    "one",
    [
        record(since("0"), withdrawn="2026-01-01T00:00:00Z"),
        record(since("0"), name="another"),
        {"id": "X", "affected": [{"package": {"ecosystem": "npm", "name": "some-package"}, "versions": ["1.0"]}]},
        {"id": "X"},
    ],
    ids=["withdrawn", "another package", "another registry", "nothing affected"],
)
def test_what_is_about_something_else_is_no_finding(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, one: dict[str, Any]
) -> None:
    assert run(checkout, database(checkout, one), monkeypatch, Answers()) == 0


STALE: dict[str, tuple[Answers, str]] = {
    "no lock has the version": (Answers(answers=(answer("1.0", "7.0"),)), "no lock has some-package 7.0"),
    "the version is not affected": (Answers(answers=(answer("1.0", "2.0"),)), "does not concern some-package 2.0"),
    "no lock": (
        Answers(answers=(answer("1.0"),), old_on_purpose={"gone": "Tests."}),
        "gone: there is no such lock",
    ),
}


@pytest.mark.parametrize(("answers", "said"), STALE.values(), ids=STALE)
def test_an_answer_that_is_out_of_date_fails(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: Answers,
    said: str,
) -> None:
    made = database(checkout, record(since("1.0"), until("1.5")))
    assert run(checkout, made, monkeypatch, answers) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "without an answer: 0" in out


def test_an_advisory_that_the_database_lacks_leaves_its_answer_alone(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = database(checkout, record(since("0"), name="another", aliases=[]))
    assert run(checkout, made, monkeypatch, Answers(answers=(answer("1.0"),))) == 0


def test_lists_and_zip_files_are_read(checkout: Path) -> None:
    both = [record(since("0")), record(since("1"), id="OSV-2")]
    (checkout / "list.json").write_text(json.dumps(both))
    with zipfile.ZipFile(checkout / "all.zip", "w") as made:
        for one in both:
            made.writestr(f"{one['id']}.json", json.dumps(one))
        made.writestr("README", "hello")
    for name in ("list.json", "all.zip"):
        assert {one.id for one in audit.read_records(checkout / name)} == {"OSV-2026-1", "OSV-2"}


BAD: dict[str, tuple[str, str, str]] = {
    "no file": ("", "", "cannot be read"),
    "no JSON": ("db.json", "{", "is no advisory in OSV's format"),
    "no YAML": ("db.yaml", "a: [", "is no advisory in OSV's format"),
    "no UTF-8": ("db.json", "\udcff", "is no advisory in OSV's format"),
    "deep": ("db.json", "[" * 100_000, "is no advisory in OSV's format"),
    "no record": ("db.json", '"hello"', "is no advisory in OSV's format"),
    "without id": ("db.json", '{"affected": []}', "is no advisory in OSV's format: id: Field required"),
    "no list of affected": ("db.json", '{"id": "X", "affected": {}}', "is no advisory in OSV's format: affected:"),
    "a YAML object": ("db.yaml", "!!python/object/apply:os.abort []", "is no advisory in OSV's format"),
    "an empty list": ("db.json", "[]", "has no advisories"),
    "no zip file": ("db.zip", "PK", "cannot be read"),
    "no version": (
        "db.json",
        json.dumps(record(since("one"))),
        "OSV-2026-1 about some-package cannot be compared",
    ),
}


@pytest.mark.parametrize(("name", "text", "said"), BAD.values(), ids=BAD)
def test_a_bad_database_is_said(
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    said: str,
) -> None:
    file = checkout / (name or "missing.json")
    if name:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert run(checkout, file, monkeypatch, Answers()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["a>=1", "a==1.*", "a==1", "a==1,>0 --hash=sha256:0", "-r other.txt", "a @ file:///x"]
)
def test_a_lock_without_version_and_hash_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.txt").write_text(f"{line}\n")
    with pytest.raises(BadInput, match=r"bad\.txt: "):
        locks.read_locks(tmp_path)


def test_a_folder_without_locks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no locks"):
        locks.read_locks(tmp_path)


@pytest.mark.parametrize("text", ["answers: 1", "answers: [{ids: [X]}]", "other: {}", "["])
def test_a_bad_file_of_answers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "advisories.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"advisories\.yaml cannot be used"):
        read_answers(tmp_path / "advisories.yaml")


# Published advisories about jupyter_server, and the releases that fix them: the records are made up from this.
PUBLISHED = {
    "GHSA-r726-vmfq-j9j3": "2.7.2",
    "GHSA-64x5-55rw-9974": "2.7.2",
    "GHSA-h56g-gq9v-vc8r": "2.11.2",
    "GHSA-hrw6-wg82-cm62": "2.14.1",
    "GHSA-qh7q-6qm3-653w": "2.18.0",
    "GHSA-24qx-w28j-9m6p": "2.18.0",
    "GHSA-5789-5fc7-67v3": "2.18.0",
    "GHSA-5mrq-x3x5-8v8f": "2.18.0",
    "GHSA-fcw5-x6j4-ccmp": "2.20.0",
    "GHSA-c3mw-737p-c7g2": "2.21.0",
}


def test_each_published_advisory_about_jupyter_server_is_answered(tmp_path: Path) -> None:
    made = [
        record(since("0"), until(version), name="jupyter_server", id=name, aliases=[])
        for name, version in PUBLISHED.items()
    ]
    made.append(record(since("0"), name="jupyter_server", id="PYSEC-2026-3472", aliases=[]))
    (tmp_path / "db.json").write_text(json.dumps(made))
    command = [sys.executable, str(TOOL), str(tmp_path / "db.json"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    found = {(one["id"], one["lock"]) for one in json.loads(done.stdout)["findings"]}
    assert {(name, "image-gateway") for name in PUBLISHED} <= found


def test_the_answers_are_about_what_the_locks_have_and_are_in_docs() -> None:
    assert without_a_lock(read_answers(), locks.read_locks()) == []
    assert (CHECKOUT / "docs" / "supply-chain.md").read_text(encoding="utf-8") == page()
