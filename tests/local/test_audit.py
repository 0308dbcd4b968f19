"""The audit log: who did what, from where and with which result, in lines that fit the published schema."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from doubles import ACCESS, FakeHub, eventually, user_model

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit.schema.json").read_text(encoding="utf-8"))
QUICK = {"cache_seconds": 0.1, "negative_cache_seconds": 0.1, "recheck_seconds": 0.2}
ALICE = {"hub": "hub", "kind": "user", "name": "alice"}
BOB = {**ALICE, "name": "bob"}
CAROL = {**ALICE, "name": "carol"}
GATEWAY = {"hub": "", "kind": "gateway", "name": ""}


@pytest.fixture(scope="module")
def own_hub() -> Any:
    with FakeHub() as running:
        yield running


@pytest.fixture(scope="module")
def audited(make_site: Any, own_hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    own_hub.users |= {"alice-token": user_model("alice", groups=["staff"]), "bob-token": user_model("bob")}
    own_hub.users["admin-token"] = user_model("carol", scopes=[ACCESS, "custom:kernelpod:admin"])
    file = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    site = make_site(own_hub, audit={"file": str(file)}, identity=QUICK, policy={"max_kernels_per_user": 1})
    site.spec("staff-only", metadata={"kernelpod": {"image": "registry.example/kernel:1", "groups": ["staff"]}})
    site.audit = file
    return site


class Told:
    """The lines that are written from now on."""

    def __init__(self, file: Path) -> None:
        self.file, self.before = file, file.stat().st_size

    def lines(self) -> list[dict[str, Any]]:
        """Return the new lines, each of which fits the schema."""
        with self.file.open("rb") as opened:
            opened.seek(self.before)
            made = [json.loads(line) for line in opened.read().decode("ascii").splitlines()]
        for line in made:
            jsonschema.validate(line, SCHEMA, jsonschema.Draft202012Validator)
            assert line["time"].endswith("Z")
        return made

    def acts(self) -> list[tuple[str, str, str, Any]]:
        """Return action, outcome, code and actor of each line."""
        return [(line["action"], line["outcome"], line["code"], line["who"]) for line in self.lines()]


@pytest.fixture
def told(audited: Any) -> Any:
    yield Told(audited.audit)
    audited.stop_kernels()


def test_a_life_of_a_kernel(audited: Any, told: Told) -> None:
    kernel_id = audited.alice.start()
    assert audited.alice.post().json()["code"] == "too_many_kernels"
    audited.alice.ask("POST", f"kernels/{kernel_id}/restart")
    audited.alice.run(kernel_id, "1")
    audited.alice.ask("POST", f"kernels/{kernel_id}/interrupt")
    audited.alice.ask("DELETE", f"kernels/{kernel_id}")
    assert told.acts() == [
        ("start", "done", "ok", ALICE),
        ("start", "denied", "too_many_kernels", ALICE),
        ("restart", "done", "ok", ALICE),
        ("stop", "done", "ok", ALICE),
    ]
    first, refused, *_ = told.lines()
    about = {"kernel_id": kernel_id, "kernelspec": "python-pod", "owner": ALICE, "admin": False}
    assert {key: first[key] for key in (*about, "address")} == {**about, "address": "127.0.0.1"}
    assert (refused["kernel_id"], refused["kernelspec"], refused["owner"]) == (None, "python-pod", None)


def test_denials_and_what_an_admin_does_with_anothers_kernel(audited: Any, told: Told) -> None:
    kernel_id = audited.alice.start()
    assert audited.bob.ask("DELETE", f"kernels/{kernel_id}").status_code == 404
    assert audited.bob.ask("GET", "kernels/11111111-2222-4333-8444-555555555555").status_code == 404
    assert audited.bob.post("staff-only").status_code == 403
    assert audited.bob.post("no-such-pod.large").status_code == 404
    assert audited.by("unknown").ask("GET", "kernels").status_code == 401
    audited.admin.run(kernel_id, "1")
    audited.admin.ask("POST", f"kernels/{kernel_id}/interrupt")
    audited.admin.ask("DELETE", f"kernels/{kernel_id}")
    assert told.acts()[1:] == [
        ("stop", "denied", "kernel_not_found", BOB),
        ("start", "denied", "kernelspec_forbidden", BOB),
        ("start", "failed", "kernelspec_not_found", BOB),
        ("read", "denied", "unknown_token", None),
        ("connect", "done", "ok", CAROL),
        ("interrupt", "done", "ok", CAROL),
        ("stop", "done", "ok", CAROL),
    ]
    lines = told.lines()
    assert [line["admin"] for line in lines] == [False, True, False, False, False, True, True, True]
    assert [line["owner"] for line in lines if line["admin"]] == [ALICE] * 4


def test_a_right_that_is_withdrawn(audited: Any, told: Told, own_hub: Any) -> None:
    kernel_id = audited.alice.start("staff-only")
    with audited.alice.channels(kernel_id) as channels:
        channels.run("1")
        own_hub.users["alice-token"] = user_model("alice")
        try:
            assert channels.closed() == 1008
            assert audited.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 403
        finally:
            own_hub.users["alice-token"] = user_model("alice", groups=["staff"])
    assert told.acts()[1:] == [
        ("withdraw", "done", "kernelspec_forbidden", ALICE),
        ("restart", "denied", "kernelspec_forbidden", ALICE),
    ]
    assert {line["owner"]["name"] for line in told.lines()} == {"alice"}


def test_a_gateway_that_takes_over(audited: Any, told: Told) -> None:
    kernel_id = audited.alice.start()
    audited.gateway.stop(signal.SIGKILL)
    audited.gateway.start()
    assert told.acts()[1:] == [("adopt", "done", "ok", GATEWAY), ("takeover", "done", "ok", GATEWAY)]
    _, adopted, taken = told.lines()
    assert (adopted["kernel_id"], adopted["owner"], adopted["address"]) == (kernel_id, ALICE, None)
    assert (taken["kernels"], taken["kernel_id"]) == (1, None)


def test_what_the_gateway_ends_by_itself(make_site: Any, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    site = make_site(
        audit={"file": str(file)}, gateway={"stop_kernels_on_exit": True}, culling={"idle_seconds": 0}
    )
    told = Told(file)
    site.spec("short-pod", metadata={"kernelpod": {"image": "registry.example/kernel:1", "cull_idle_seconds": 1}})
    site.alice.start("short-pod")
    eventually(lambda: site.alice.ids() == [], what="the idle kernel is ended")
    site.alice.start()
    site.gateway.stop()
    assert told.acts() == [
        ("start", "done", "ok", ALICE),
        ("stop", "done", "idle", GATEWAY),
        ("start", "done", "ok", ALICE),
        ("stop", "done", "gateway_stopped", GATEWAY),
    ]


def test_how_many_denials_are_left_out_is_said_at_the_latest_when_the_gateway_stops(
    make_site: Any, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    site = make_site(audit={"file": str(file)})
    told = Told(file)
    for _ in range(150):  # more than two minutes' lines, should a minute end meanwhile
        assert site.by("unknown").ask("GET", "kernels").status_code == 401
    site.gateway.stop()
    lines = told.lines()
    assert {(line["outcome"], line["who"]) for line in lines} == {("denied", None)}
    assert len(lines) < 150
    assert sum(1 + line["left_out"] for line in lines) == 150


def test_a_dead_kernel_is_told_of(audited: Any, told: Told) -> None:
    kernel_id = audited.alice.start()
    with audited.alice.channels(kernel_id) as channels:
        channels.start("import os; os._exit(1)")
        eventually(lambda: ("restart", "done", "kernel_exited", GATEWAY) in told.acts(), what="it is restarted")


def test_lines_go_to_the_standard_output_or_nowhere(make_site: Any) -> None:
    for settings, said in (({}, 1), ({"enabled": False}, 0)):
        site = make_site(audit=settings)
        site.by("unknown").ask("GET", "kernels")
        lines = [line for line in site.gateway.log.splitlines() if line.startswith("{")]
        assert sum('"unknown_token"' in line for line in lines) == said
        for line in lines:
            jsonschema.validate(json.loads(line), SCHEMA)


def test_a_gateway_whose_audit_log_cannot_be_written_does_not_start(make_site: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"audit\.file .* cannot be written: No such file"):
        make_site(audit={"file": str(tmp_path / "nowhere" / "audit.jsonl")})
