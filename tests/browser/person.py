"""Somebody at a browser, and the hub in front of them."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.support.ui import WebDriverWait

DESKTOP, PHONE = (1280, 800), (390, 844)
SECONDS = 60


@dataclass
class Hub:
    """A running hub, and its courses file."""

    url: str
    password: str
    courses: Path
    process: int = 0
    """The process that hub, gateway, servers and kernels are below."""
    given: dict[str, Any] = field(default_factory=dict)
    kill_gateway: Callable[[], None] = lambda: None
    """Kills the gateway and returns when another runs."""

    def wear(self, **theme: Any) -> None:
        """Give the hub's pages a theme; the hub reads it by itself."""
        self.write({**self.given, "theme": theme})

    @property
    def plain(self) -> bool:
        """Whether the login page has no theme: the hub looks at its file at most every other second."""
        with urllib.request.urlopen(f"{self.url}/hub/login", timeout=SECONDS) as answer:  # noqa: S310
            page = answer.read().decode()
        return "--bs-" not in page and "data:image" not in page

    def write(self, courses: dict[str, Any]) -> None:
        """Replace the courses file."""
        made = self.courses.with_suffix(".new")
        made.write_text(yaml.safe_dump(courses, allow_unicode=True), encoding="utf-8")
        made.replace(self.courses)


class Person:
    """Somebody at a browser of their own."""

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
        wait = WebDriverWait(self.driver, SECONDS, poll_frequency=0.05, ignored_exceptions=[WebDriverException])
        return wait.until(lambda _driver: question(), f"not within {SECONDS} s: {what}")

    def one(self, selector: str) -> Any:
        """Return the first visible element, once there is one."""
        return self.until(
            lambda: next(
                (one for one in self.driver.find_elements("css selector", selector) if one.is_displayed()), None
            ),
            f"{selector} at {self.driver.current_url}",
        )

    def style(self, selector: str, name: str) -> str:
        """Return what the browser made of all rules for an element."""
        return str(
            self.ask("getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name)
        )

    def logs_in(self, name: str, password: str = "") -> None:
        """Fill in the hub's form."""
        self.opens("/hub/login")
        self.one("#username_input").send_keys(name)
        self.one("#password_input").send_keys(password or self.hub.password)
        self.one("#login_submit").click()
        self.until(lambda: "/hub/login" not in self.driver.current_url, f"{name} is logged in")

    def picture(self, name: str) -> Any:
        """Return what is seen; also kept as a file."""
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
