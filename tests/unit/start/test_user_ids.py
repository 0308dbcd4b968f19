"""Ids from a hub's file: each user's own, or none."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from doubles import PATIENCE_SECONDS, an_identity, eventually
from kernelpod.base.files import read_ordinary
from kernelpod.courses.course_access import CourseAccess, Membership
from kernelpod.courses.model import HubFile
from kernelpod.demo.watch import Watch
from kernelpod.errors import Denied, SettingsError
from kernelpod.settings.sections import Settings
from kernelpod.start import userids
from kernelpod.start.entitlements import entitlements
from kernelpod.start.userids import MAX_BYTES, UserIds, UserIdsFile, parsed

WHOLE = """# made by getent passwd
root:x:0:0:root:/root:/bin/bash
alice:x:20001:20000:Alice:/home/alice:/bin/bash
bob:x:20002:20000
carol:x:20003:0:group root:/:/bin/false

zoë:x:20004:20004::/:
dave:x:20005:20000
erin:x:20005:20000:the same id:/:
alice:x:30001:30000:of another source:/:
"""


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("alice", UserIds(20001, 20000)),
        ("bob", UserIds(20002, 20000)),
        ("zoë", UserIds(20004, 20004)),
        *((name, None) for name in ("root", "carol", "dave", "erin", "Alice", "alice ", "", "x", "mallory")),
    ],
)
def test_a_user_has_the_ids_of_their_line_if_they_are_theirs_alone(name: str, ids: UserIds | None) -> None:
    assert parsed(WHOLE.encode()).get(name) == ids


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    assert parsed("alice:x:20001:20000".encode("utf-8-sig")) == {"alice": UserIds(20001, 20000)}


@pytest.mark.parametrize(
    "raw",
    [
        b"alice",
        b"alice:x:20001",
        b"alice:x:20001:",
        b"alice:x:-1:100",
        b"alice:x:1e3:100",
        b"alice:x:\xd9\xa1:100",
        b"alice:x: 1:100",
        b"alice:x:2147483648:100",
        b":x:1:1",
        b"username,uid,gid\nalice,20001,20000",
        b"alice:x:20001:20000\nbob",
        b"\xff\xfe",
        b"#" * (MAX_BYTES + 1),
    ],
)
def test_a_file_of_another_form_is_refused_as_a_whole_and_not_shown(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"line|larger|decode") as caught:
        parsed(raw)
    assert "alice" not in str(caught.value)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:100\n")
    file = UserIdsFile(path)
    assert file.of("alice").uid == 20001
    (tmp_path / "new").write_text("alice:x:20009:100\nbob:x:20002:100\n")
    (tmp_path / "new").replace(path)
    assert (file.of("alice").uid, file.of("bob").uid) == (20009, 20002)
    path.write_text("")
    with pytest.raises(Denied) as caught:
        file.of("alice")
    assert caught.value.code == "no_user_id"


@pytest.mark.parametrize("broken", ["gone", "no ids", "a folder"])
def test_what_was_read_last_counts_while_the_file_is_broken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:100\n")
    file = UserIdsFile(path)
    file.read()
    path.unlink()
    if broken == "no ids":
        path.write_text("alice,20001\n")
    elif broken == "a folder":
        path.mkdir()
    with caplog.at_level(logging.WARNING):
        assert file.of("alice").uid == 20001


def test_a_file_that_is_back_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:100\n")
    file = UserIdsFile(path)
    file.read()
    path.rename(tmp_path / "away")
    file.read()
    (tmp_path / "away").rename(path)
    file.read()
    path.write_text("alice:x:20009:100\n\n")
    assert file.of("alice").uid == 20009


def test_the_first_look_may_take_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that at a file of hundreds of thousands of users."""
    path, parsed = tmp_path / "ids", userids.parsed
    path.write_text("alice:x:20001:100\n")

    def slow(raw: bytes) -> Any:
        time.sleep(0.5)
        return parsed(raw)

    monkeypatch.setattr(userids, "parsed", slow)
    monkeypatch.setattr(userids, "PATIENCE_SECONDS", 0.1)
    file = UserIdsFile(path)
    assert file.of("alice").uid == 20001
    path.write_text("alice:x:20009:100\n\n")
    assert file.of("alice").uid == 20001, "what was read last counts meanwhile"


def test_a_file_system_that_does_not_answer_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that waited for it would pass on no output of anybody's kernel."""
    path, answers = tmp_path / "ids", threading.Event()
    path.write_text("alice:x:20001:100\n")
    file, read = UserIdsFile(path), read_ordinary
    file.read()

    def hangs(*words: Any) -> Any:
        answers.wait(PATIENCE_SECONDS)
        return read(*words)

    monkeypatch.setattr(userids, "read_ordinary", hangs)
    monkeypatch.setattr(userids, "PATIENCE_SECONDS", 0.1)
    path.write_text("alice:x:20009:100\nbob:x:20002:100\n")
    watch = Watch()
    assert {file.of("alice").uid for _ in range(100)} == {20001}
    watch.within(5)
    assert "does not answer" in caplog.text
    answers.set()
    eventually(lambda: file.of("alice").uid == 20009, what="the file is read again")


def test_a_broken_file_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one takes a second, and is asked for whenever a right is checked."""
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:100\n")
    file, read = UserIdsFile(path), list[bytes]()
    file.read()

    def noted(raw: bytes) -> dict[str, UserIds]:
        read.append(raw)
        return parsed(raw)

    monkeypatch.setattr(userids, "parsed", noted)
    path.write_text("alice:x:20001:100\nbob\n")
    assert [file.of("alice").uid for _ in range(3)] == [20001] * 3
    assert len(read) == 1


@pytest.mark.parametrize("broken", ["gone", "no ids"])
def test_a_file_that_never_could_be_read_stops_the_start(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "ids"
    if broken == "no ids":
        path.write_text("alice,20001\n")
    with pytest.raises(SettingsError, match=r"hubs.user_ids .*(No such file|line 1)"):
        UserIdsFile(path).read()


@pytest.mark.parametrize(
    ("kind", "account", "works"), [("local", 0, True), ("local", 1000, False), ("kubernetes", 1000, True)]
)
def test_a_process_that_can_give_nobody_an_id_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, account: int, works: bool
) -> None:
    """Else all users would have the ids of the process, while the settings say that each has their own."""
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:20000\n")
    made = Settings.model_validate({"hubs": [{"user_ids": str(path)}], "runtime": {"kind": kind}})
    monkeypatch.setattr(os, "getuid", lambda: account)
    with contextlib.nullcontext() if works else pytest.raises(SettingsError, match="as root"):
        userids.require_user_ids(made, *made.hubs)


def ids_of(tmp_path: Path, identity: Any, course: CourseAccess | None = None, **policy: Any) -> tuple[int, int]:
    path = tmp_path / "ids"
    path.write_text("alice:x:20001:20000\n")
    os.utime(path, ns=(1, 1))
    homes = {"service_path_template": "_services/{username}"}
    hubs = [{"name": "hub", "user_ids": str(path)}]
    settings = Settings.model_validate(
        {"hubs": hubs, "policy": {"uid": 1000, "gid": 100, **policy}, "homes": homes}
    )
    has = entitlements(settings, identity, course)
    return has.uid, has.gid


@pytest.mark.parametrize(
    ("policy", "ids"),
    [
        ({}, (20001, 20000)),
        ({"rules": [{"users": ["alice"], "uid": 7}]}, (7, 100)),
        ({"rules": [{"users": ["alice"], "gid": 8}]}, (20001, 8)),
        ({"rules": [{"users": ["bob"], "uid": 7}]}, (20001, 20000)),
    ],
)
def test_a_rule_comes_before_the_file_and_the_file_before_the_policy(
    tmp_path: Path, policy: dict[str, Any], ids: tuple[int, int]
) -> None:
    assert ids_of(tmp_path, an_identity(), **policy) == ids


def test_who_is_not_in_the_file_gets_nothing_but_by_a_rule(tmp_path: Path) -> None:
    bob = an_identity("bob")
    with pytest.raises(Denied) as caught:
        ids_of(tmp_path, bob)
    assert caught.value.code == "no_user_id"
    assert ids_of(tmp_path, bob, rules=[{"users": ["bob"], "uid": 7}]) == (7, 100)


def test_the_group_of_a_role_in_a_course_comes_before_the_file(tmp_path: Path) -> None:
    course = {"image": "lab:1", "roles": {"grader": {"gid": 8}}}
    hub = HubFile.model_validate({"semester": "ws26", "storage": {"root": "/c"}, "courses": {"ml": course}})
    access = CourseAccess(hub, Membership("ml", "ws26", "grader"))
    assert ids_of(tmp_path, an_identity(), access) == (20001, 8)
    with pytest.raises(Denied):
        ids_of(tmp_path, an_identity("bob"), access)


def test_a_service_called_like_a_user_has_not_their_ids(tmp_path: Path) -> None:
    service = an_identity(kind="service")
    assert ids_of(tmp_path, service) == (1000, 100)


@pytest.mark.parametrize("policy", [{"uid": 20001}, {"rules": [{"users": ["zoe"], "uid": 20001}]}])
def test_a_user_whose_id_the_policy_gives_to_others_has_none(tmp_path: Path, policy: dict[str, Any]) -> None:
    with pytest.raises(Denied, match="no user id of your own") as caught:
        ids_of(tmp_path, an_identity(), **policy)
    assert "of `policy`" in caught.value.detail
