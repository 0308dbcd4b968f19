"""Traces: what a client sends stays in its line of the gateway's log and of the audit log, and is bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doubles import FakeHub, eventually, user_model
from kernelpod.audit import MOST_CHARACTERS, MOST_DENIALS, AuditLine

FORGED = '\n{"schema": 1}\n2026-01-01T00:00:00.000Z INFO kernelpod: forged\x1b[2J\r\x85\u2028\u202e'
BODIES: dict[str, dict[str, Any]] = {
    "a key of the body": {"name": "python-pod", FORGED: 1},
    "a name": {"name": f"python-pod{FORGED}"},
    "a key of env": {"name": "python-pod", "env": {FORGED: "x"}},
    "a value of env": {"name": "python-pod", "env": {"KERNEL_USERNAME": FORGED}},
    "a claimed home": {"name": "python-pod", "env": {"KERNEL_PATH": f"/{FORGED}"}},
    "many long keys": {"name": "python-pod", **{f"{number}{'x' * 5000}": 1 for number in range(40)}},
}


def is_clean(text: str) -> bool:
    """Return whether a log consists of printable lines that begin as they should."""
    lines = text.split("\n")
    return all(line.isprintable() and "kernelpod: forged" not in line[:60] for line in lines)


@pytest.fixture(scope="module")
def told_site(make_site: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gateway with an audit log, at which somebody's name is an attack, too."""
    with FakeHub() as hub:
        hub.users["alice-token"] = user_model("alice")
        hub.users["eve-token"] = user_model(f"eve{FORGED}{'x' * 1000}")
        file = tmp_path_factory.mktemp("audit") / "audit.jsonl"
        site = make_site(hub, audit={"file": str(file)})
        site.audit = file
        yield site


@pytest.mark.parametrize("token", ["alice-token", "eve-token"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_client_cannot_forge_or_flood_a_log(told_site: Any, token: str, body: dict[str, Any]) -> None:
    before, told = len(told_site.gateway.log), len(told_site.audit.read_bytes())
    answer = told_site.by(token).ask("POST", "kernels", json=body)
    assert answer.json().get("code") != "body_too_large"
    if answer.status_code == 201:
        assert told_site.by(token).ask("DELETE", f"kernels/{answer.json()['id']}").status_code == 204
    said = eventually(lambda: told_site.gateway.log[before:], what="the gateway says something")
    assert is_clean(said), said
    assert len(said) < 50_000
    lines = told_site.audit.read_bytes()[told:].decode("ascii").split("\n")[:-1]
    assert 1 <= len(lines) <= 2
    for line in lines:
        made = AuditLine.model_validate_json(line)
        assert made.action in ("start", "stop")
        assert len(line) < 2000
        assert made.who is not None
        assert len(made.who.name) <= MOST_CHARACTERS


def test_a_stranger_cannot_get_a_token_into_the_audit_log(told_site: Any) -> None:
    before, logged = len(told_site.audit.read_bytes()), len(told_site.gateway.log)
    stranger = told_site.by("s3cret-but-wrong-token")
    assert stranger.ask("GET", "kernels").status_code == 401
    assert stranger.ask("GET", "kernels?token=s3cret-in-the-address").status_code == 400
    (line,) = told_site.audit.read_text(encoding="ascii")[before:].splitlines()
    made = AuditLine.model_validate_json(line)
    assert (made.who, made.address, made.outcome, made.code) == (None, "127.0.0.1", "denied", "unknown_token")
    assert "s3cret" not in line
    eventually(lambda: " 400 " in told_site.gateway.log[logged:], what="the last request is in the log")
    assert "s3cret" not in told_site.gateway.log


def test_a_user_cannot_make_the_gateway_write_elsewhere(make_site: Any, tmp_path: Path) -> None:
    """The file of the audit log is replaced by a link, as by somebody who may write in its folder."""
    (tmp_path / "precious").write_text("as before", encoding="utf-8")
    site = make_site(audit={"file": str(tmp_path / "audit.jsonl")})
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "precious")
    for _ in range(3):
        assert site.by("wrong").ask("GET", "kernels").status_code == 401
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "as before"
    assert site.gateway.log.count("the audit log cannot be written") == 1
    (tmp_path / "audit.jsonl").unlink()
    assert site.by("other").ask("GET", "kernels").status_code == 401
    assert json.loads((tmp_path / "audit.jsonl").read_text(encoding="ascii"))["schema"] == 1
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_stranger_cannot_fill_the_audit_log(make_site: Any, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    site = make_site(audit={"file": str(file)})
    for number in range(3 * MOST_DENIALS):
        assert site.by(f"wrong-{number}").ask("GET", "kernels").status_code == 401
    assert site.alice.post("no-such-kernelspec").status_code == 404
    lines = [AuditLine.model_validate_json(line) for line in file.read_text(encoding="ascii").splitlines()]
    assert len([line for line in lines if line.who is None]) <= 2 * MOST_DENIALS, "a minute has passed meanwhile"
    assert lines[-1].who is not None
