"""What the checks of the scenario share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from kernelpod.base.names import user_slug
from kernelpod.demo.client import TIMEOUT_SECONDS, Browser, Kernel
from kernelpod.demo.stack import Stack


@dataclass
class Scene:
    """What the checks share: the stack, the browsers, alice's kernel, and every secret seen so far."""

    stack: Stack
    browsers: dict[str, Browser] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.secrets |= {self.stack.password, self.stack.service_token}

    def browser(self, name: str) -> Browser:
        """Return the browser of a user, logged in and with a running server."""
        if name not in self.browsers:
            browser = Browser(self.stack.url, name)
            browser.login(self.stack.password)
            browser.spawn()
            self.browsers[name] = browser
        return self.browsers[name]

    def close(self) -> None:
        """Close every connection."""
        for kernel in self.kernels.values():
            kernel.close()
        for browser in self.browsers.values():
            browser.close()

    def kernel(self, name: str) -> Kernel:
        """Return a running Python kernel of a user, connected through her server."""
        if name not in self.kernels:
            self.kernels[name] = self.browser(name).start_notebook("first.ipynb", "python-pod")
            self.note_keys()
        return self.kernels[name]

    def home(self, name: str) -> Path:
        """Return where a user's home lies on this machine."""
        return self.stack.homes / user_slug(name)

    def place(self, name: str) -> str:
        """Return where the user's server and kernel see her home."""
        return "/home/jovyan" if self.stack.sandboxed else str(self.home(name))

    def gateway(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        """Call the gateway directly with a user's own token, as she could from a terminal."""
        headers = {"Authorization": f"token {self.tokens[user]}"}
        url = f"{self.stack.gateway_url}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def starts(self) -> list[Path]:
        """Return the folder of every kernel that runs."""
        return sorted((self.stack.state / "k").glob("*-*"))

    def note_keys(self) -> None:
        """Add the keys of all running kernels to the secrets."""
        for file in (self.stack.state / "k").glob("*/c/connection.json"):
            self.secrets.add(json.loads(file.read_text(encoding="utf-8"))["key"])


def equal(found: Any, wanted: Any) -> None:
    """Raise AssertionError showing both unless they are equal."""
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")
