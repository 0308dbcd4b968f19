"""A real hub on this machine whose users' servers and kernels follow a courses file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from courses_hub import ADMIN, CHECKOUT

from kernelpod.demo.client import Browser, wait_until
from kernelpod.errors import KernelpodError
from kernelpod.settings.hubs import Hub as SettingsHub
from kernelpod.start.hubanswers import HubAnswer, parse_answer

pytestmark = pytest.mark.timeout(300)
LOOK = """
import os
def can(path):
    return "-" if not os.path.isdir(path) else "rw" if os.access(path, os.W_OK) else "ro"
print(*(can(path) for path in ("/srv/course", "/srv/exchange/ml/inbound", "/srv/exchange/ml/outbound")))
"""
ASK_HUB = """python3 -c '
import os
from urllib.request import Request, urlopen
token = os.environ["JUPYTERHUB_API_TOKEN"]
request = Request(os.environ["JUPYTERHUB_API_URL"] + "/user", headers={"Authorization": "token " + token})
print(urlopen(request, timeout=60).read().decode())
'"""


@dataclass(frozen=True)
class Hub:
    """A running hub with courses."""

    url: str
    password: str
    courses: Path


@pytest.fixture(scope="module")
def hub(need: Any) -> Iterator[Hub]:
    """The demo with courses, in sandboxes; in a process of its own, since it ends all that is below it."""
    need((CHECKOUT / ".envs" / "hub" / "bin" / "python").exists(), "the hub environment", "make env")
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    command = [sys.executable, str(Path(__file__).with_name("courses_hub.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            about = json.loads(process.stdout.readline() or "null")
            assert about, "the hub did not start; its last words are above"
            yield Hub(about["url"], about["password"], Path(about["courses"]))
        finally:
            process.stdin.close()
            process.wait(120)


def logged_in(hub: Hub, name: str) -> Browser:
    browser = Browser(hub.url, name)
    browser.login(hub.password)
    return browser


def opened(browser: Browser) -> None:
    """Return when Lab's page of a server that starts is served."""
    wait_until(browser._server_ready, f"the server of {browser.name}")
    assert browser._get(f"{browser.base}/lab").status_code == 200


def looked(browser: Browser) -> str:
    kernel = browser.start_notebook("look.ipynb", "python-pod")
    try:
        return kernel.run(LOOK).strip()
    finally:
        kernel.close()


def test_a_student_chooses_a_course_in_the_form_and_server_and_kernel_follow(hub: Hub) -> None:
    alice = logged_in(hub, "alice")
    page = alice.session.get(f"{hub.url}/hub/spawn", timeout=60).text
    assert "Machine Learning" in page
    assert "Statistics" in page
    form = {"profile": "ml", "_xsrf": alice._xsrf("/hub/")}
    answer = alice.session.post(f"{hub.url}/hub/spawn/alice", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 302, answer.text[-500:]
    opened(alice)
    assert looked(alice) == "ro rw ro"
    server = alice.terminal(
        "cd /srv/exchange/ml/inbound && echo mine > a && ls -1d /srv/course /srv/exchange/ml/*"
    )
    assert server.split() == [
        "/srv/course",
        *(f"/srv/exchange/ml/{name}" for name in ("feedback", "inbound", "outbound")),
    ]
    alice.stop_server()
    alice.spawn(profile="stats")
    assert looked(alice) == "- - -"
    alice.stop_server()


def test_a_grader_sees_what_was_handed_in(hub: Hub) -> None:
    bob = logged_in(hub, "bob")
    page = bob.session.get(f"{hub.url}/hub/spawn", timeout=60, allow_redirects=False)
    assert page.status_code == 302, "one course without options: no question"
    opened(bob)
    assert looked(bob) == "rw rw rw"
    told = parse_answer(SettingsHub(api_url=hub.url), HubAnswer(200, bob.terminal(ASK_HUB).encode()))
    assert told.owner.created is not None, "the hub tells a server's token when it made the user"
    bob.stop_server()


@pytest.mark.parametrize("name", ["mallory", "nobody"])
def test_who_is_blocked_or_in_no_course_does_not_get_in(hub: Hub, name: str) -> None:
    with pytest.raises(KernelpodError, match="answered 403"):
        logged_in(hub, name)


def test_an_admin_of_the_lists_is_in_every_course(hub: Hub) -> None:
    """But no admin of this hub: its authenticator says itself who is one, by another password."""
    carol = logged_in(hub, "carol")
    page = carol.session.get(f"{hub.url}/hub/spawn", timeout=60).text
    assert "Machine Learning" in page
    assert "Statistics" in page
    assert carol.hub("GET", "/users/carol").json()["admin"] is False


def test_a_course_that_is_not_hers_is_refused_with_a_sentence(hub: Hub) -> None:
    alice = logged_in(hub, "alice")
    answer = alice.session.post(
        f"{hub.url}/hub/api/users/alice/server",
        json={"profile": "secret"},
        headers={"X-XSRFToken": alice._xsrf("/hub/")},
        timeout=60,
    )
    assert answer.status_code >= 400
    assert "yours are: ml current, stats current" in answer.json()["message"]


def test_the_admin_page_says_what_is_wrong_with_the_courses(hub: Hub) -> None:
    """And the last good version counts meanwhile."""
    file = hub.courses
    admin = Browser(hub.url, "root2")
    admin.login(ADMIN)
    assert "alert-warning" not in admin._get("/hub/admin").text
    good = file.read_text(encoding="utf-8")
    try:
        file.write_text(good + "mode: <b>exams</b>\n", encoding="utf-8")

        def told() -> bool:
            admin._get("/hub/spawn")  # looks at the files
            page = admin._get("/hub/admin").text
            assert "<b>exams</b>" not in page
            return f"{file}:" in page

        wait_until(told, "the page to say it")
        assert logged_in(hub, "dora")
    finally:
        file.write_text(good, encoding="utf-8")
