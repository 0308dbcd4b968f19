"""What the checks of the scenario share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from kernelpod.base.names import server_log, user_slug
from kernelpod.demo.client import TIMEOUT_SECONDS, Browser, Kernel
from kernelpod.demo.logs import end_of_log
from kernelpod.demo.stack import Stack
from kernelpod.errors import KernelpodError


@dataclass
class Scene:
    """What the checks share: the stack, the browsers, alice's kernel, and every secret seen so far."""

    stack: Stack
    browsers: dict[str, Browser] = field(default_factory=dict)
    kernels: dict[str, Kernel] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        stack = self.stack
        self.secrets |= {stack.password, stack.admin_password, stack.service_token, stack.admin_token}

    def browser(self, name: str) -> Browser:
        """Return the browser of a user, logged in and with a running server.

        Raises KernelpodError with the end of the server's log if it does not start.
        """
        if name not in self.browsers:
            browser = Browser(self.stack.url, name)
            try:
                browser.login(self.stack.password)
                browser.spawn()
            except KernelpodError as error:
                browser.close()
                raise KernelpodError(f"{error.message}\n{self._said_by_server(name)}") from error
            self.browsers[name] = browser
        return self.browsers[name]

    def _said_by_server(self, name: str) -> str:
        """Return the end of a server's log, or of the hub's if the server has none."""
        own = self.stack.logs_folder / server_log(name)
        return end_of_log(own if own.exists() else self.stack.logs_folder / "hub.log", self.secrets)

    def close(self) -> None:
        """Close every connection."""
        for kernel in self.kernels.values():
            kernel.close()
        for browser in self.browsers.values():
            browser.close()

    def kernel(self, name: str) -> Kernel:
        """Return a running Python kernel of a user, connected through their server."""
        if name not in self.kernels:
            self.kernels[name] = self.browser(name).start_notebook("first.ipynb", "python-pod")
            self.note_keys()
        return self.kernels[name]

    def token(self, name: str) -> str:
        """Return the token that a user's server has for the gateway, as the user reads it in a terminal."""
        if name not in self.tokens:
            self.tokens[name] = self.browser(name).terminal("echo $JUPYTER_GATEWAY_AUTH_TOKEN")
            self.secrets.add(self.tokens[name])
        return self.tokens[name]

    def home(self, name: str) -> Path:
        """Return the path of a user's home on this machine."""
        return self.stack.homes / user_slug(name)

    def place(self, name: str) -> str:
        """Return the path of the home in the user's server and kernels."""
        return "/home/jovyan" if self.stack.sandboxed else str(self.home(name))

    def gateway(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        """Call the gateway directly with a user's own token, as they could from a terminal."""
        headers = {"Authorization": f"token {self.token(user)}"}
        url = f"{self.stack.gateway_url}{path}"
        return requests.request(method, url, json=body, headers=headers, timeout=TIMEOUT_SECONDS)

    def starts(self) -> list[Path]:
        """Return the folders of all running kernels."""
        return sorted((self.stack.state / "k").glob("*-*"))

    def note_keys(self) -> None:
        """Add the keys of all running kernels to the secrets."""
        for file in (self.stack.state / "k").glob("*/connection.json"):
            self.secrets.add(json.loads(file.read_text(encoding="utf-8"))["key"])


def equal(found: Any, wanted: Any) -> None:
    """Raise AssertionError showing both unless they are equal."""
    if found != wanted:
        raise AssertionError(f"found {found!r}, wanted {wanted!r}")
