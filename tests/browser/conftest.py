"""A person's browser in front of a real hub with courses, its gateway and kernels on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
COURSES_HUB = CHECKOUT / "tests" / "local" / "courses_hub.py"
DESKTOP, PHONE = (1280, 800), (390, 844)
SECONDS = 60
sys.path.insert(0, str(COURSES_HUB.parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@dataclass
class Hub:
    """A running hub, and its courses file."""

    url: str
    password: str
    courses: Path
    given: dict[str, Any] = field(default_factory=dict)

    def wear(self, **theme: Any) -> None:
        """Give the hub's pages a theme; the hub reads it by itself."""
        self.write({**self.given, "theme": theme})

    def write(self, courses: dict[str, Any]) -> None:
        """Replace the courses file."""
        made = self.courses.with_suffix(".new")
        made.write_text(yaml.safe_dump(courses, allow_unicode=True), encoding="utf-8")
        made.replace(self.courses)


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
            yield Hub(
                about["url"],
                about["password"],
                courses,
                yaml.safe_load(courses.read_text(encoding="utf-8")),
            )
        finally:
            process.stdin.close()
            process.wait(120)


@pytest.fixture
def hub(running_hub: Hub) -> Iterator[Hub]:
    """The hub, without a theme before and after."""
    yield running_hub
    running_hub.write(running_hub.given)


class Person:
    """Somebody at a browser of her own."""

    def __init__(self, hub: Hub, driver: Any, pictures: Path) -> None:
        self.hub, self.driver, self.pictures = hub, driver, pictures

    def sized(self, size: tuple[int, int]) -> None:
        """Look through a window of this size; narrower than a real one can be."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefers(self, scheme: str) -> None:
        """Have the system's dark or light mode."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def opens(self, path: str) -> None:
        """Open a page of the hub."""
        self.driver.get(f"{self.hub.url}{path}")

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what a script of the page answers."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def until(self, question: Callable[[], Any], what: str) -> Any:
        """Return the first true answer; one from a page that is being replaced counts as none."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, SECONDS, poll_frequency=0.05, ignored_exceptions=[WebDriverException])
        return wait.until(lambda _driver: question(), f"not within {SECONDS} s: {what}")

    def one(self, selector: str) -> Any:
        """Return the first visible element, once there is one."""
        return self.until(
            lambda: next((one for one in self.driver.find_elements("css selector", selector) if one.is_displayed()), None),
            f"{selector} at {self.driver.current_url}",
        )

    def style(self, selector: str, name: str) -> str:
        """Return what the browser made of all rules for an element."""
        return str(self.ask("getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name))

    def logs_in(self, name: str, password: str = "") -> None:
        """Fill in the hub's form."""
        self.opens("/hub/login")
        self.one("#username_input").send_keys(name)
        self.one("#password_input").send_keys(password or self.hub.password)
        self.one("#login_submit").click()
        self.until(lambda: "/hub/login" not in self.driver.current_url, f"{name} is logged in")

    def picture(self, name: str) -> Any:
        """Return what is seen; also kept as a file."""
        from PIL import Image

        content = self.driver.get_screenshot_as_png()
        (self.pictures / f"{name}.png").write_bytes(content)
        return Image.open(io.BytesIO(content)).convert("RGB")

    def fits(self) -> bool:
        """Return whether nobody has to scroll sideways."""
        return bool(self.ask("document.documentElement.scrollWidth <= window.innerWidth"))

    def complaints(self, *levels: str) -> list[str]:
        """Return the errors and warnings of the browser's console since they were last asked for."""
        wanted = levels or ("SEVERE", "WARNING")
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in wanted]


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
    need(importlib.util.find_spec("selenium"), "the browser environment", "make test-browser")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    need(browser and driver, "chromium", "apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    # Nobody's network but loopback's: no updates, no lists, no name of another host is looked up.
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking",
                 "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "force-color-profile=srgb", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as chrome:
        chrome.set_page_load_timeout(SECONDS)
        somebody = Person(hub, chrome, pictures)
        somebody.sized(DESKTOP)
        yield somebody
        with contextlib.suppress(Exception):
            somebody.picture(f"last-of-{request.node.name}")
