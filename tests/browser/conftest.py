"""A person's browser in front of a real hub with courses, its gateway and kernels on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from person import DESKTOP, SECONDS, Hub, Person
from selenium import webdriver

from doubles import eventually

CHECKOUT = Path(__file__).parents[2]
COURSES_HUB = CHECKOUT / "tests" / "local" / "courses_hub.py"
sys.path.insert(0, str(COURSES_HUB.parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def running_hub(need: Any) -> Iterator[Hub]:
    """The demo with courses, in a process of its own, since it ends all that is below it."""
    for name in ("hub", "kernels"):
        need((CHECKOUT / ".envs" / name / "bin" / "python").exists(), f"the {name} environment", "make env")
    need(shutil.which("bwrap"), "bubblewrap", "apt-get install bubblewrap")
    command = [str(CHECKOUT / ".venv" / "bin" / "python"), str(COURSES_HUB)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
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


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    """The hub, without a theme before and after."""
    yield running_hub
    running_hub.write(running_hub.given)
    eventually(lambda: running_hub.plain, what="the hub's pages have no theme")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all screenshots; KERNELPOD_PICTURES keeps them elsewhere."""
    named = os.environ.get("KERNELPOD_PICTURES", "")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Say with a failure where the screenshots are."""
    report = yield
    if report.failed and (folder := getattr(item, "funcargs", {}).get("pictures")):
        report.sections.append(("screenshots", str(folder)))
    return report


@pytest.fixture
def person(hub: Hub, pictures: Path, need: Any, request: pytest.FixtureRequest) -> Iterator[Person]:
    """Somebody at a desktop's browser; what it shows when a test fails is kept, too."""
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
        "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
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
            somebody.picture(f"last-of-{request.node.name}")
