"""The demo with courses in a process of its own, and somebody at a browser in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from person import DESKTOP, SECONDS, Hub, Person
from selenium import webdriver

CHECKOUT = Path(__file__).parents[2]
COURSES_HUB = CHECKOUT / "tests" / "local" / "courses_hub.py"


@contextlib.contextmanager
def demo_with_courses(need: Any, **variables: str) -> Iterator[Hub]:
    """The demo with courses, in a process of its own, since it ends all that is below it."""
    for name in ("hub", "kernels"):
        need((CHECKOUT / ".envs" / name / "bin" / "python").exists(), f"the {name} environment", "make env")
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    command = [str(CHECKOUT / ".venv" / "bin" / "python"), str(COURSES_HUB)]
    environment = {**os.environ, **variables}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            about = json.loads(process.stdout.readline() or "null")
            assert about, "the hub did not start; its last words are above"
            courses = Path(about["courses"])

            def kill_gateway() -> None:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                assert process.stdout.readline(), "no other gateway runs"

            yield Hub(
                about["url"],
                about["password"],
                courses,
                process.pid,
                yaml.safe_load(courses.read_text(encoding="utf-8")),
                kill_gateway,
            )
        finally:
            process.stdin.close()
            process.wait(120)


@contextlib.contextmanager
def at_a_browser(hub: Hub, pictures: Path, need: Any, test: str) -> Iterator[Person]:
    """Somebody in front of a hub."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "chromium", "apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # Nobody's network but loopback's: no updates, no lists, no name of another host is looked up.
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-dev-shm-usage",
        "disable-background-networking",
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
        "force-color-profile=srgb",
        "hide-scrollbars",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with contextlib.ExitStack() as cleanup:
        # What Chromium leaves; the path is short, since it is part of the name of a socket.
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True))
        service = webdriver.ChromeService(driver, env={**os.environ, "TMPDIR": folder})
        chrome = cleanup.enter_context(webdriver.Chrome(options, service))
        chrome.set_page_load_timeout(SECONDS)
        somebody = Person(hub, chrome, pictures)
        somebody.sized(DESKTOP)
        yield somebody
        with contextlib.suppress(Exception):
            somebody.picture(f"last-of-{test}")
