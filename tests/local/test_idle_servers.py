"""A real hub with its culler, real servers and kernels, a real gateway: what is idle ends, what computes stays.

Nobody asks a user's server anything while it is looked at: that would be activity. The hub, the gateway's log and
its folder of kernels tell.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually
from kernelpod.base.names import server_log, user_slug
from kernelpod.demo.client import Browser
from kernelpod.hub import servers
from kernelpod.settings.loading import load

pytestmark = pytest.mark.timeout(600)
CHECKOUT = Path(__file__).parents[2]
IDLE_SECONDS = 10
PATIENCE = 240
# Computes, silently, until it is told to end.
COMPUTE = "import os, time\nwhile not os.path.exists('stop'): time.sleep(0.1)"


@dataclass
class Demo:
    """A running demo with culling."""

    process: subprocess.Popen[str]
    about: dict[str, str]

    def do(self, what: str) -> None:
        """Let the demo do something, and return when it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(what, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "done\n"

    def browser(self, name: str) -> Browser:
        browser = Browser(self.about["url"], name)
        browser.login(self.about["password"])
        browser.spawn()
        return browser

    def log(self, name: str) -> str:
        return Path(self.about["logs"], name).read_text(encoding="utf-8", errors="replace")

    def runs(self, kernel_id: str) -> bool:
        """Return whether a kernel's process is there."""
        return any(Path(self.about["state"]).glob(f"{kernel_id.replace('-', '')}*"))

    def stop_file(self, name: str) -> Path:
        """Return what ends a user's computation once it is there."""
        return Path(self.about["homes"], user_slug(name), "stop")

    @property
    def server_idle_seconds(self) -> int:
        return servers.culling(load(Path(self.about["settings"]))).server_idle_seconds


@pytest.fixture(scope="module")
def demo(need: Any) -> Iterator[Demo]:
    """The demo with culling; in a process of its own, since it ends all that is below it."""
    need((CHECKOUT / ".envs" / "hub" / "bin" / "python").exists(), "the hub environment", "make env")
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    command = [sys.executable, str(Path(__file__).with_name("culling_hub.py")), str(IDLE_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            about = json.loads(process.stdout.readline() or "null")
            assert about, "the demo did not start; its last words are above"
            yield Demo(process, about)
        finally:
            process.stdin.close()
            process.wait(120)


def server(browser: Browser) -> dict[str, Any] | None:
    """Return what the hub says of a user's server, None if there is none."""
    found: dict[str, Any] | None = (browser.hub("GET", f"/users/{browser.name}").json()["servers"] or {}).get("")
    return found


def active(browser: Browser) -> datetime:
    """Return when something last happened in a user's server, as far as the hub knows."""
    known = server(browser)
    assert known is not None, f"the server of {browser.name} is gone"
    return datetime.fromisoformat(known["last_activity"].replace("Z", "+00:00"))


def gone(browser: Browser) -> bool:
    return server(browser) is None


def when(log: str, pattern: str) -> datetime:
    """Return the time of the gateway's line that fits."""
    found = re.search(rf"^(\S+)Z .*{pattern}", log, re.MULTILINE)
    assert found, log[-3000:]
    return datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc)


def computing(demo: Demo, name: str) -> tuple[Browser, str]:
    """Return a user's browser and the kernel that computes for her, without any connection to it."""
    demo.stop_file(name).unlink(missing_ok=True)
    browser = demo.browser(name)
    kernel = browser.start_notebook("long.ipynb", "python-pod")
    assert kernel.run("1") == "1"
    message = kernel.begin(COMPUTE)
    kernel._until(message, lambda one: one["content"].get("execution_state") == "busy")
    kernel.close()
    return browser, kernel.kernel_id


def still_there(browser: Browser, since: datetime, seconds: float) -> None:
    """Return when the hub has heard of a server for so long; it would have ended an idle one by then."""
    later = since + timedelta(seconds=seconds)
    eventually(lambda: active(browser) > later, PATIENCE, what=f"{browser.name}'s server tells that it is active")


def test_an_idle_server_ends_after_its_kernel_and_one_whose_kernel_computes_stays(demo: Demo) -> None:
    with contextlib.ExitStack() as closing:
        alice, busy = computing(demo, "alice")
        bob = demo.browser("bob")
        for browser in (alice, bob):
            closing.callback(browser.close)
        idle = bob.start_notebook("short.ipynb", "python-pod")
        assert idle.run("2") == "2"
        idle.close()
        began = datetime.now(timezone.utc)
        eventually(lambda: gone(bob), PATIENCE, what="the idle server is ended")
        ended = datetime.now(timezone.utc)
        log = demo.log("gateway.log")
        assert when(log, f"kernel {idle.kernel_id} was idle for") < ended - timedelta(seconds=1)
        assert "Culling server bob" in demo.log("hub.log")
        assert not demo.runs(idle.kernel_id)
        still_there(alice, began, demo.server_idle_seconds + 5)
        assert demo.runs(busy)
        # Its activity is that of its kernel; when that is done, both end.
        demo.stop_file("alice").touch()
        eventually(lambda: not demo.runs(busy), PATIENCE, what="the kernel is ended")
        assert f"kernel {busy} was idle for" in demo.log("gateway.log")
        eventually(lambda: gone(alice), PATIENCE, what="the server is ended")


def test_while_the_gateway_is_away_a_server_whose_kernel_computes_stays(demo: Demo) -> None:
    john, busy = computing(demo, "john.doe")
    try:
        # Until the server itself has seen it compute.
        still_there(john, datetime.now(timezone.utc), 5)
        demo.do("kill the gateway")
        still_there(john, datetime.now(timezone.utc), demo.server_idle_seconds + 5)
        demo.do("start the gateway")
        assert demo.runs(busy)
        still_there(john, datetime.now(timezone.utc), demo.server_idle_seconds + 5)
        assert demo.runs(busy)
        assert demo.log(server_log("john.doe")).count("the gateway does not list kernels") == 1
        demo.stop_file("john.doe").touch()
        eventually(lambda: gone(john), PATIENCE, what="the server is ended")
        assert not demo.runs(busy)
    finally:
        john.close()


def test_after_a_hub_that_was_away_for_long_a_server_whose_kernel_computes_stays(demo: Demo) -> None:
    """The hub heard nothing of it for longer than a server may be idle; its culler waits before it looks."""
    bob, busy = computing(demo, "bob")
    try:
        demo.do("kill the hub")
        back = datetime.now(timezone.utc) + timedelta(seconds=demo.server_idle_seconds + 5)
        eventually(lambda: datetime.now(timezone.utc) > back, PATIENCE, what="the hub was away for long")
        demo.do("start the hub")
        still_there(bob, back, demo.server_idle_seconds + 5)
        assert demo.runs(busy)
        demo.stop_file("bob").touch()
        eventually(lambda: gone(bob), PATIENCE, what="the server is ended")
        assert not demo.runs(busy)
    finally:
        bob.close()


def test_nothing_was_raised(demo: Demo) -> None:
    """Neither by what asks nor at the end of a server."""
    logs = [path.name for path in Path(demo.about["logs"]).glob("*.log")]
    assert {"hub.log", server_log("alice"), server_log("bob")} <= set(logs)
    for name in logs:
        for word in ("Task was destroyed", "Task exception", "kernelpod.singleuser.activity"):
            assert word not in demo.log(name), name
