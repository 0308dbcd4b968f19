"""Two hubs with courses at one gateway: whose kernels see which folders, and which are refused."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websocket
import yaml

from client import Caller
from doubles import FakeHub, eventually, user_model

UID, GID = (1000, 100) if os.getuid() == 0 else (os.getuid(), os.getgid())
TEACHING: dict[str, Any] = {
    "hub": "teaching",
    "semester": "ws26",
    "block": ["mallory"],
    "defaults": {"image": "lab:1"},
    "courses": {
        "ml": {
            "folder": {"path": "folders/{course}", "mount_path": "/srv/course"},
            "exchange": {"path": "exchange/{course}"},
            "kernelspecs": ["python-pod"],
            "students": ["alice", "mallory"],
            "graders": ["bob"],
            "roles": {"grader": {"kernelspecs": []}},
        },
        "stats": {"students": ["alice", "bob"]},
    },
}
EXAM: dict[str, Any] = {
    "hub": "exam",
    "mode": "exam",
    "home": "_exams/{semester}/{course}/{username}",
    "courses": {
        "ml": {"image": "exam:1", "network": "none", "kernelspecs": ["exam-pod"], "students": ["alice", "bob"]}
    },
}


def on_server(name: str, **options: Any) -> dict[str, Any]:
    """Return what the hub says of a user whose server was started with these options."""
    server = {"name": "", "ready": True, "url": f"/user/{name}/", "user_options": options}
    return user_model(name, servers={"": server})


@dataclass
class Two:
    """A teaching hub and an exam hub at one gateway."""

    site: Any
    teaching: FakeHub
    exam: FakeHub
    courses: Path
    folders: Path

    def caller(self, hub: FakeHub, name: str, **options: Any) -> Caller:
        """Return a user's server at a hub, started with these options."""
        token = f"{name}-{sorted(options.items())}"
        hub.users[token] = on_server(name, **options)
        return Caller(f"{self.site.gateway.url}/hubs/{'exam' if hub is self.exam else 'teaching'}", token)

    def write(self, courses: dict[str, Any]) -> None:
        """Change the courses of the teaching hub."""
        (self.courses / "teaching.yaml").write_text(yaml.safe_dump(courses), encoding="utf-8")

    def folder(self, path: str) -> Path:
        """Return a folder of the courses, made if need be as servers or admins would."""
        folder = self.folders / path
        folder.mkdir(parents=True, exist_ok=True)
        for one in (folder, *folder.parents[: path.count("/")]):
            os.chown(one, UID, GID)
        return folder

    def stop_kernels(self) -> None:
        """End the kernels of both hubs."""
        admin = Caller(f"{self.site.gateway.url}/hubs/exam", "admin-token")
        for kernel_id in admin.ids():
            admin.ask("DELETE", f"kernels/{kernel_id}")
        self.site.stop_kernels()


@pytest.fixture(scope="module")
def two(make_site: Callable[..., Any]) -> Iterator[Two]:
    """Both hubs, their homes and the folders of the course."""
    with tempfile.TemporaryDirectory(prefix="kp-", dir="/tmp") as made, FakeHub() as teaching, FakeHub() as exam:
        folder = Path(made)
        folder.chmod(0o755)
        hubs = []
        for name, hub, courses in (("teaching", teaching, TEACHING), ("exam", exam, EXAM)):
            file = folder / f"{name}.yaml"
            storage = {"storage": {"root": str(folder / "courses")}}
            file.write_text(yaml.safe_dump({**courses, **storage}), encoding="utf-8")
            hubs.append({"name": name, "api_url": hub.api_url, "courses": str(file), "timeout_seconds": 30})
            # The callers that every site has.
            hub.users["admin-token"] = user_model("carol", scopes=ADMIN)
            hub.users["alice-token"] = on_server("alice", **({"profile": "stats"} if hub is teaching else {}))
        site = make_site(hubs=hubs)
        site.spec("exam-pod")
        both = Two(site, teaching, exam, folder, folder / "courses")
        for path in ("folders/ml", "exchange/ml/inbound/alice", "exchange/ml/inbound/zoe", "exchange/ml/outbound"):
            both.folder(path)
        both.folder("exchange/ml/feedback/alice")
        for name in ("alice", "bob"):
            site.home(f"_exams/current/ml/{name}")
        yield both


@pytest.fixture(autouse=True)
def none_left(two: Two) -> Iterator[None]:
    """No kernel of one test is there in the next."""
    yield
    two.stop_kernels()


ADMIN = ["access:services!service=kernelpod", "custom:kernelpod:admin"]
LOOK = """
import os
def can(path):
    if not os.path.isdir(path): return "-"
    return "rw" if os.access(path, os.W_OK) else "ro"
print(*(can(path) for path in %r))
"""
PLACES = ("/srv/course", "/srv/exchange/ml/inbound", "/srv/exchange/ml/outbound", "/srv/exchange/ml")


def looked(caller: Caller, spec: str = "python-pod") -> str:
    kernel_id = caller.start(spec)
    with caller.channels(kernel_id) as channels:
        return channels.run(LOOK % (PLACES,)).strip()


def refused(caller: Caller, spec: str = "python-pod") -> tuple[int, str, str]:
    answer = caller.post(spec)
    body = answer.json()
    return answer.status_code, body.get("code", ""), body.get("message", "")


def test_a_student_s_kernel_sees_the_folders_of_her_course_as_her_server_does(two: Two) -> None:
    assert looked(two.caller(two.teaching, "alice", profile="ml")) == "ro rw ro ro"


def test_a_kernel_for_another_course_sees_none_of_them(two: Two) -> None:
    assert looked(two.caller(two.teaching, "alice", profile="stats")) == "- - - -"


def test_a_grader_s_kernel_sees_the_whole_exchange(two: Two) -> None:
    assert looked(two.caller(two.teaching, "bob", profile="ml")) == "rw rw rw rw"


def test_a_student_cannot_list_what_others_handed_in(two: Two) -> None:
    caller = two.caller(two.teaching, "alice", profile="ml")
    with caller.channels(caller.start("python-pod")) as channels:
        listed = channels.run("import os; print(os.listdir('/srv/exchange/ml/inbound'), os.listdir('/srv'))")
    assert "zoe" not in listed
    assert "inbound" not in listed.split("]")[1]


@pytest.mark.parametrize("options", [{"profile": "exam"}, {"profile": "stats", "semester": "ss20"}])
def test_a_course_in_user_options_that_is_not_hers_is_refused(two: Two, options: dict[str, str]) -> None:
    """Whoever can start servers by the hub's API writes what she likes into user_options."""
    status, code, said = refused(two.caller(two.teaching, "alice", **options))
    assert (status, code) == (403, "not_in_course")
    assert "yours are: ml ws26, stats ws26" in said
    assert two.site.traces() == []


def test_who_is_blocked_and_who_is_in_no_course_gets_no_kernel(two: Two) -> None:
    for name in ("mallory", "nobody"):
        assert refused(two.caller(two.teaching, name, profile="ml"))[1] == "not_in_course"
        assert two.caller(two.teaching, name).ask("GET", "kernelspecs").json()["kernelspecs"] == {}


def test_a_service_is_in_no_course(two: Two) -> None:
    two.teaching.users["robot"] = user_model("alice", kind="service")
    assert refused(Caller(f"{two.site.gateway.url}/hubs/teaching", "robot"))[1] == "not_in_course"


def test_a_student_is_offered_and_given_the_kernelspecs_of_her_course_only(two: Two) -> None:
    alice = two.caller(two.teaching, "alice", profile="ml")
    assert set(alice.ask("GET", "kernelspecs").json()["kernelspecs"]) == {"python-pod"}
    assert alice.ask("GET", "kernelspecs/exam-pod").status_code == 404
    assert refused(alice, "exam-pod")[1] == "kernelspec_forbidden"
    bob = two.caller(two.teaching, "bob", profile="ml")
    assert set(bob.ask("GET", "kernelspecs").json()["kernelspecs"]) == {"python-pod", "exam-pod"}


def test_an_exam_has_a_home_of_its_own(two: Two) -> None:
    teaching, exam = two.caller(two.teaching, "alice", profile="stats"), two.caller(two.exam, "alice")
    with teaching.channels(teaching.start("python-pod")) as channels:
        channels.run("open('notes.txt', 'w').write('of the term')")
    with exam.channels(exam.start("exam-pod")) as channels:
        assert "notes.txt" not in channels.run("import os; print(os.listdir())")
        channels.run("open('answer.txt', 'w').write('42')")
    assert (two.site.homes / "_exams/current/ml/alice/answer.txt").read_text() == "42"
    assert (two.site.homes / "alice/notes.txt").exists()


def test_alice_of_the_exam_is_not_alice_of_the_term(two: Two) -> None:
    teaching, exam = two.caller(two.teaching, "alice", profile="stats"), two.caller(two.exam, "alice")
    kernel_id = teaching.start("python-pod")
    assert kernel_id in teaching.ids()
    assert exam.ids() == []
    assert exam.ask("DELETE", f"kernels/{kernel_id}").status_code == 404
    admin = Caller(f"{two.site.gateway.url}/hubs/exam", "admin-token")
    assert kernel_id not in admin.ids()


def test_a_token_is_shown_to_no_other_hub_than_the_url_names(two: Two) -> None:
    alice = two.caller(two.teaching, "alice", profile="ml")
    before = two.exam.asked
    assert alice.ask("GET", "kernels").status_code == 200
    assert two.exam.asked == before
    astray = Caller(alice.url.replace("teaching", "exam"), alice.token)
    assert astray.ask("GET", "kernels").status_code == 401
    nowhere = Caller(alice.url.replace("teaching", "other"), alice.token)
    assert nowhere.ask("GET", "kernels").status_code == 404
    without = Caller(two.site.gateway.url, alice.token)
    assert without.ask("GET", "kernels").status_code == 200


@pytest.mark.parametrize("path", ["/hubs/exam/../teaching/api/kernels", "/hubs//api/kernels", "/hubs/%65xam/api"])
def test_no_spelling_of_a_path_names_two_hubs(two: Two, path: str) -> None:
    """A raw request: clients mend such paths before they send them."""
    import http.client

    host = two.site.gateway.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    alice = two.caller(two.teaching, "alice", profile="ml")
    before = two.exam.asked
    connection.request("GET", path, headers={"Authorization": f"token {alice.token}"})
    assert connection.getresponse().status in (401, 404)
    connection.close()
    assert two.exam.asked <= before + 1


def test_who_leaves_a_course_keeps_running_kernels_and_gets_no_new_ones(two: Two) -> None:
    storage = {"storage": {"root": str(two.folders)}}
    bob = two.caller(two.teaching, "bob", profile="stats")
    kernel_id = bob.start("python-pod")
    two.write({**TEACHING, **storage, "courses": {**TEACHING["courses"], "stats": {"students": ["alice"]}}})
    eventually(lambda: refused(bob)[1] == "not_in_course", what="the list is read again")
    assert kernel_id in bob.ids()
    two.write({**TEACHING, **storage})
    eventually(lambda: bob.post("python-pod").status_code == 201, what="the list is read again")


def test_who_left_a_course_can_only_stop_its_kernels(two: Two) -> None:
    storage = {"storage": {"root": str(two.folders)}}
    alice = two.caller(two.teaching, "alice", profile="ml")
    stats = two.caller(two.teaching, "alice", profile="stats")
    kernel_id, other = alice.start("python-pod"), stats.start("python-pod")
    assert stats.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204, "she is in both courses"
    without = {**TEACHING["courses"]["ml"], "students": ["mallory"]}
    two.write({**TEACHING, **storage, "courses": {**TEACHING["courses"], "ml": without}})

    def restarted() -> int:
        return int(stats.ask("POST", f"kernels/{kernel_id}/restart").status_code)

    try:
        eventually(lambda: restarted() == 403, what="the list is read again")
        assert "You may no longer use" in stats.ask("POST", f"kernels/{kernel_id}/restart").json()["message"]
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"), stats.channels(kernel_id):
            pass
        assert stats.run(other, "print(1)") == "1\n"
        assert stats.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    finally:
        two.write({**TEACHING, **storage})
        eventually(lambda: alice.post("python-pod").status_code == 201, what="the list is read again")


def test_a_broken_file_changes_nothing(two: Two) -> None:
    alice = two.caller(two.teaching, "alice", profile="stats")
    (two.courses / "teaching.yaml").write_text("courses: [", encoding="utf-8")
    eventually(
        lambda: (
            alice.post("python-pod").status_code == 201 and "last valid version is used" in two.site.gateway.log
        ),
        what="the file was looked at",
    )
    two.write({**TEACHING, "storage": {"root": str(two.folders)}})
