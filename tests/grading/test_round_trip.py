"""nbgrader's whole round, with two students and a grader who see what the courses file mounts."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from classroom import Classroom, Server, notebook
from click.testing import CliRunner
from nbgrader.api import Gradebook

from kernelpod.cli.main import main

pytestmark = [pytest.mark.grading, pytest.mark.timeout(300)]
CODE = r"[0-9A-F]{4}(?:-[0-9A-F]{4}){4}"
# As root everybody has a user id of her own; else all have that of whoever runs the tests.
ALICE, JOHN, GRETA = (20001, 20002, 20000) if os.getuid() == 0 else (os.getuid(),) * 3
SLUG = "john-doe---30f69670"


@pytest.fixture
def room(tmp_path: Path, need: Any) -> Classroom:
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    need(shutil.which("setpriv"), "setpriv", "apt-get install util-linux")
    return Classroom(tmp_path, {"alice": ALICE, "john.doe": JOHN}, ("greta", GRETA))


def answer(student: Server, source: str) -> None:
    """Write into the notebook that was fetched."""
    path = student.home / "ps1/ps1.ipynb"
    text = path.read_text(encoding="utf-8")
    assert "raise NotImplementedError()" in text
    path.write_text(text.replace("raise NotImplementedError()", source), encoding="utf-8")


def verify(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["submissions", "verify", *arguments])
    return done.exit_code, done.output


def test_release_fetch_submit_collect_grade_feedback(room: Classroom) -> None:
    alice, john, greta = room.students["alice"], room.students["john.doe"], room.grader
    key = greta.home / "receipts.key"
    greta.run("sh", "-c", "umask 077; head -c 32 /dev/urandom | base64 > ~/receipts.key; mkdir -p ml/source/ps1")
    (greta.home / "ml/source/ps1/ps1.ipynb").write_text(notebook("return x * x"), encoding="utf-8")
    with (greta.home / ".jupyter/nbgrader_config.py").open("a", encoding="utf-8") as config:
        config.write('c.CourseDirectory.root = "/home/jovyan/ml"\n')
        config.write('c.ExchangeCollect.receipt_key_file = "/home/jovyan/receipts.key"\n')

    greta.nbgrader("generate_assignment", "ps1", "--create")
    greta.nbgrader("release_assignment", "ps1")

    # One student works in a terminal, the other one with Lab's assignment list.
    alice.nbgrader("fetch_assignment", "ps1")
    answer(alice, "return x * x")
    said = alice.nbgrader("submit", "ps1")
    code = re.findall(CODE, said)[0]
    assert code in (alice.home / "ps1/SUBMISSION-CODE.txt").read_text(encoding="utf-8")

    john.button("fetch_assignment", "ml", "ps1")
    answer(john, "return x + x")
    listed = john.button("submit_assignment", "ml", "ps1")
    (shown,) = [one["submissions"][0]["timestamp"] for one in listed if one["status"] == "submitted"]
    assert re.fullmatch(rf"\S+ \S+ UTC, code {CODE}", shown), shown

    for student, other in ((alice, SLUG), (john, "alice")):
        seen = student.run("find", "/srv/exchange")
        assert other not in seen
        assert len(re.findall(r"/srv/exchange/ml/inbound/[^/\n]+\n", seen)) == 1

    greta.nbgrader("collect", "ps1")
    submitted = greta.home / "ml/submitted"
    assert sorted(one.name for one in submitted.iterdir()) == ["alice", SLUG]
    status, said = verify(str(submitted / "alice/ps1"), "--code", code, "--key-file", str(key))
    assert (status, said.count("\n")) == (0, 1), said
    greta.run("sh", "-c", "cd ml/submitted/alice/ps1 && sha256sum --check --strict SHA256SUMS")

    greta.nbgrader("autograde", "ps1")
    assert verify(str(submitted), "--key-file", str(key))[0] == 0
    with Gradebook(f"sqlite:///{greta.home}/ml/gradebook.db") as gradebook:
        graded = gradebook.assignment_submissions("ps1")
        assert {one.student_id: one.score for one in graded} == {"alice": 5.0, SLUG: 0.0}

    greta.nbgrader("generate_feedback", "ps1")
    greta.nbgrader("release_feedback", "ps1")
    alice.nbgrader("fetch_feedback", "ps1")
    john.button("fetch_feedback", "ml", "ps1")
    for student, score in ((alice, "5.0"), (john, "0.0")):
        (page,) = (student.home / "ps1/feedback").rglob("ps1.html")
        assert f"Score: {score}" in page.read_text(encoding="utf-8")
        assert student.run("sh", "-c", "ls /srv/exchange/ml/feedback | wc -l").strip() == "1"
        student.run("sh", "-c", "echo x > /srv/exchange/ml/feedback/x", status=2)
        student.run("sh", "-c", "echo x > /srv/exchange/ml/outbound/x", status=2)

    (submitted / f"{SLUG}/ps1/ps1.ipynb").write_text(notebook("return 9"), encoding="utf-8")
    found = json.loads(verify(str(submitted), "--key-file", str(key), "--json")[1])
    assert [(one["ok"], one["changed"]) for one in found] == [(True, []), (False, ["ps1.ipynb"])]
