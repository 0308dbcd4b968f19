"""A real JupyterHub with its proxy on loopback, and a person's browser in front of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import yaml

from doubles import eventually
from ports import free_port

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = CHECKOUT / "hub" / "logins"
LIGHT_SERVER = [sys.executable, str(Path(__file__).parent / "light_server.py")]
TIMEOUT_SECONDS = 60
# Then a process is killed.
END_SECONDS = 20


def example(name: str, **replaced: Any) -> dict[str, Any]:
    """Return an example of hub/logins with some traits replaced, each as Class__trait, which must be there."""
    sections: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    for key, value in replaced.items():
        section, _, trait = key.partition("__")
        assert trait in sections[section], f"{name}.yaml has no {section}.{trait}"
        sections[section][trait] = value
    return sections


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process of the tests and all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=TIMEOUT_SECONDS)


@contextlib.contextmanager
def cleaned(folder: Path) -> Iterator[None]:
    """End what a hub leaves that was killed, or whose database was gone: its proxy, its users' light servers."""
    try:
        yield
    finally:
        kill_left(*folder.glob("homes/*/pid"), *folder.glob("hub/jupyterhub-proxy.pid"))


def kill_left(*files: Path) -> None:
    """Kill the processes whose ids are in these files, as far as they are still there."""
    for file in files:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int(file.read_text(encoding="utf-8")), signal.SIGKILL)


class Hub:
    """A JupyterHub in a folder of its own; `with` starts and ends it."""

    verify: bool | str = True
    """Whose certificates its browsers trust, if it speaks HTTPS."""

    def __init__(self, folder: Path, sections: dict[str, Any], port: int = 0, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.port = folder, port or free_port()
        self.inner_url = f"http://127.0.0.1:{free_port()}"
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "config.yaml").write_text(yaml.safe_dump(sections, allow_unicode=True), encoding="utf-8")
        self.environment = {
            "PATH": os.environ["PATH"],
            "KERNELPOD_HUB_CONFIG": str(folder / "config.yaml"),
            "TEST_HUB_URL": self.url,
            "TEST_HUB_INNER_URL": self.inner_url,
            "TEST_HUB_PROXY_API": f"http://127.0.0.1:{free_port()}",
            **environment,
        }

    def __enter__(self) -> Hub:
        command = [sys.executable, "-m", "jupyterhub", "--config", str(Path(__file__).parent / "hub_config.py")]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            eventually(self._answers, what="the hub answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log[-4000:]
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/hub/health", timeout=TIMEOUT_SECONDS, verify=self.verify).ok
        return False

    def __exit__(self, *_: object) -> None:
        ended(self.process)
        kill_left(self.folder / "jupyterhub-proxy.pid")  # a hub with internal TLS does not always end it

    @property
    def log(self) -> str:
        """What hub and proxy have said."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")


class Browser(requests.Session):
    """A person's browser: follows redirects, keeps cookies, fills in the hub's form."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.trust_env = False
        self.verify = hub.verify

    def request(self, method: str, url: str, *rest: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send a request; paths are the hub's."""
        options.setdefault("timeout", TIMEOUT_SECONDS)
        return super().request(method, f"{self.hub.url}{url}" if url.startswith("/") else url, *rest, **options)

    def submit(self, **form: str) -> requests.Response:
        """Fill in the login form; return what the hub answers to that."""
        page = self.get("/hub/login")
        hidden = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        assert hidden, page.text[:2000]
        return self.post("/hub/login", data={**form, "_xsrf": hidden[1]}, allow_redirects=False)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Return what the hub's API answers to a page of the hub."""
        xsrf = next((str(one.value) for one in self.cookies if one.name == "_xsrf" and one.path == "/hub/"), "")
        return self.request(method, f"/hub/api{path}", headers={"X-XSRFToken": xsrf}, **options)

    @property
    def user(self) -> str | None:
        """Return who the hub takes this browser for."""
        answer = self.call("GET", "/user")
        return str(answer.json()["name"]) if answer.ok else None


def start_server(browser: Browser, name: str) -> None:
    """Start a user's server and return when it is there."""
    assert browser.user == name
    started = browser.call("POST", f"/users/{name}/server", json={})
    assert started.status_code in (201, 202), started.text
    eventually(lambda: browser.call("GET", f"/users/{name}").json()["server"], what=f"the server of {name} runs")


def logged_in(hub: Hub, name: str, password: str) -> str | None:
    """Return as whom the hub's form lets somebody in, in a browser of her own."""
    with Browser(hub) as browser:
        browser.submit(username=name, password=password)
        return browser.user
