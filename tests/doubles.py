"""Doubles that are real: a hub that answers over HTTP, a gateway that runs as it ships, and complete plans.

Tests and benchmarks share them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import unquote

import yaml

from kernelpod.base.freeports import HeldPort, hold_port
from kernelpod.kernelspecs.model import KernelSpec
from kernelpod.pods.kernel import POD_PORTS
from kernelpod.runtime.local.processes import Process
from kernelpod.settings.sections import Settings
from kernelpod.start.connection import Connection, new_connection
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.plan import KernelPlan
from kernelpod.start.policy import Usage, decide
from kernelpod.start.request import KernelRequest

ACCESS = "access:services!service=kernelpod"
KERNEL_ID = "0123abcd-1111-4222-8333-444455556666"
PATIENCE_SECONDS = 60.0

_RUN_GATEWAY = (
    "import sys, pathlib; from kernelpod.gateway.app import run; from kernelpod.settings.loading import load; "
)
_RUN_GATEWAY += "run(load(pathlib.Path(sys.argv[1])))"
_LISTENS = re.compile(r"listens on (https?://127\.0\.0\.1:\d+)")


def eventually(question: Callable[[], Any], seconds: float = PATIENCE_SECONDS, *, what: str = "") -> Any:
    """Return the first true answer. Raises AssertionError when there was none in time.

    A sleep from which this process woke late is not counted: then the machine stood still, and nobody could act.
    """
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        asked = time.monotonic()
        if asked > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or question!r}")
        time.sleep(0.02)
        deadline += max(0.0, time.monotonic() - asked - 1)
    return answer


def an_identity(name: str = "alice", **changes: Any) -> Identity:
    """Return a user of a hub, "hub" unless told otherwise, who may use the gateway."""
    owner = Owner(hub=changes.pop("hub", "hub"), kind=changes.pop("kind", "user"), name=name)
    return Identity(owner=owner, **{"scopes": frozenset({ACCESS}), **changes})


def a_spec(**changes: Any) -> KernelSpec:
    """Return a kernelspec as `read_folder` would."""
    whole: dict[str, Any] = {
        "spec": "python-pod",
        "display_name": "Python",
        "language": "python",
        "argv": ("python", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
        "env": {},
        "interrupt_mode": "message",
        "image": "registry.example/kernel:1",
        "transport": "ipc",
        "debugger": True,
        "folder": Path("/nowhere"),
    }
    return KernelSpec(**{**whole, **changes})


def a_plan(
    request: KernelRequest | None = None,
    identity: Identity | None = None,
    spec: KernelSpec | None = None,
    settings: Settings | None = None,
    usage: Usage | None = None,
) -> KernelPlan:
    """Return what policy decides; every part that is not given is ordinary."""
    wish = request or KernelRequest(spec="python-pod")
    made = settings or Settings()
    return decide(KERNEL_ID, wish, identity or an_identity(), spec or a_spec(), made, usage or Usage())


def a_connection(**changes: Any) -> Connection:
    """Return the connection of a pod, with a key that is always the same."""
    made = new_connection("tcp", "0.0.0.0", POD_PORTS, "python-pod")
    return Connection.model_validate({**made.model_dump(), "key": "k" * 64, **changes})


def user_model(name: str, **changes: Any) -> dict[str, Any]:
    """Return what JupyterHub 6 answers to `GET /hub/api/user` with a server's own token."""
    server = {"name": "", "ready": True, "url": f"/user/{name}/", "user_options": {}}
    model = {
        "kind": "user",
        "name": name,
        "admin": False,
        "groups": [],
        "scopes": [ACCESS],
        "servers": {"": server},
    }
    return {**model, **changes}


class FakeHub:
    """JupyterHub's `/hub/api/user`, and what revoking a user needs, on loopback unless told otherwise.

    The id of a token is the token.

    `mode` says how it fails, `stop()` makes it unreachable.
    """

    def __init__(self, address: str = "127.0.0.1", https: ssl.SSLContext | None = None) -> None:
        self._address, self._https = address, https
        self.users: dict[str, dict[str, Any]] = {}
        self.servers: set[str] = set()
        """Names of the users whose servers run, for `GET /users/NAME`."""
        self.options: dict[str, Any] = {}
        """What users chose for their servers, by their names, for `GET /users/NAME`."""
        self.mode = "ok"
        """ok, or one of: error (500), html (a proxy's page), slow (no answer before the mode changes), late (as
        slow, but the answer is of the time of the question)."""
        self.tokenless: set[str] = set()
        """Names of users who may have no token left."""
        self.stubborn: set[str] = set()
        """Names of the users whose servers do not stop."""
        self.asked = 0
        self._port = 0
        self._held: HeldPort | None = None
        self._server: ThreadingHTTPServer | None = None

    @property
    def api_url(self) -> str:
        """Where the hub is, also while it is down."""
        return f"{'https' if self._https else 'http'}://{self._address}:{self._port}/hub/api"

    def start(self) -> None:
        """Listen; again on the same port after `stop()`, which nobody else gets meanwhile."""
        if not self._port and self._address == "127.0.0.1":
            self._held = hold_port()
            self._port = self._held.number
        self._server = _server = _HubServer((self._address, self._port), _HubPage)
        _server.hub = self
        if self._https:
            _server.socket = self._https.wrap_socket(_server.socket, server_side=True)
        self._port = int(_server.server_address[1])
        threading.Thread(target=_server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> FakeHub:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.mode = "ok"
        self.stop()
        if self._held:
            self._held.release()

    def answer(self, path: str, token: str) -> tuple[int, str, bytes]:
        """Return status, content type and body."""
        self.asked += 1
        mode = self.mode
        if mode == "late":
            known = self.users.get(token)
            eventually(lambda: self.mode != "late" or self._server is None, what="the hub is fast again")
            return self._answer(path, token, {token: known} if known else {})
        if mode == "slow":
            eventually(lambda: self.mode != "slow" or self._server is None, what="the hub is fast again")
        if mode == "error":
            return 500, "text/plain", b"Internal Server Error"
        if mode == "html":
            return 200, "text/html", b"<html><body>Please log in</body></html>"
        return self._answer(path, token, self.users)

    def _answer(self, path: str, token: str, users: dict[str, dict[str, Any]]) -> tuple[int, str, bytes]:
        if path.startswith("/hub/api/users/") and token in users:
            name, _, more = unquote(path.removeprefix("/hub/api/users/")).partition("/")
            tokenless = self.servers | self.tokenless
            if name not in tokenless and not any(model["name"] == name for model in self.users.values()):
                return 404, "application/json", b'{"status": 404, "message": "Not Found"}'
            if more == "tokens":
                ids = [{"id": known} for known, model in self.users.items() if model["name"] == name]
                return 200, "application/json", json.dumps({"api_tokens": ids}).encode()
            server = {"ready": True, "user_options": self.options.get(name, {})}
            servers = {"": server} if name in self.servers else {}
            return 200, "application/json", json.dumps({"kind": "user", "name": name, "servers": servers}).encode()
        if path != "/hub/api/user":
            return 404, "application/json", b'{"status": 404, "message": "Not Found"}'
        if token not in users:
            return 403, "application/json", b'{"status": 403, "message": "Forbidden"}'
        return 200, "application/json", json.dumps(users[token]).encode()

    def delete(self, path: str, token: str) -> int:
        """Delete a token or stop a server, and return the status."""
        if self.mode != "ok" or token not in self.users:
            return 500 if token in self.users else 403
        name, _, what = unquote(path.removeprefix("/hub/api/users/")).partition("/")
        if what == "server":
            self.servers -= {name} - self.stubborn
            return 202 if name in self.stubborn else 204
        self.tokenless.add(name)
        return 204 if self.users.pop(what.removeprefix("tokens/"), None) else 404


class _HubServer(ThreadingHTTPServer):
    hub: FakeHub
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


class _HubPage(BaseHTTPRequestHandler):
    server: _HubServer

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("token ")
        status, content_type, body = self.server.hub.answer(self.path, token)
        with contextlib.suppress(OSError):  # the gateway may have given up
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def do_DELETE(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("token ")
        self.send_response(self.server.hub.delete(self.path, token))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class GatewayProcess:
    """A gateway in a process of its own, on a free port of loopback, with a log to read.

    `state_dir` must be the test's own: `remove()` ends every sandbox that binds something in it.
    """

    running: ClassVar[list[GatewayProcess]] = []
    """Those that were started and not removed; a test that fails shows their logs."""

    def __init__(self, settings: dict[str, Any], folder: Path) -> None:
        self.state_dir = Path(settings["runtime"]["local"]["state_dir"])
        self.url = ""
        self._settings, self._settings_file = settings, folder / "settings.yaml"
        self._log_file = folder / "gateway.log"
        self._settings_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        self._log_file.touch()
        self._process: subprocess.Popen[bytes] | None = None
        self._began = 0
        self.python = sys.executable
        """Whose gateway it is: the Python of a checkout's environment."""
        self.environment: dict[str, str] = {}
        """Variables that it has at every start."""

    @property
    def log(self) -> str:
        """Everything the gateway has said, over all its starts."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    @property
    def last_said(self) -> float:
        """When it said something last, in seconds since 1970."""
        return self._log_file.stat().st_mtime

    @property
    def pid(self) -> int:
        """The gateway's process."""
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> None:
        """Return when it listens. Raises AssertionError with its last words if it ends instead."""
        before = self._began = len(self.log)
        if self not in self.running:
            self.running.append(self)
        with self._log_file.open("ab") as output:
            self._process = process = subprocess.Popen(
                [self.python, "-c", _RUN_GATEWAY, str(self._settings_file)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )
        said = eventually(
            lambda: _LISTENS.search(self.log, before) or process.poll() is not None, what="listening"
        )
        if said is True:
            raise AssertionError(f"the gateway ended: {self.log[before:][-3000:]}")
        self.url = said[1]

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def said(self) -> str:
        """What it has said since it was started last."""
        return self.log[self._began :]

    def twin(self, folder: Path, **changes: Any) -> GatewayProcess:
        """Return another gateway with the same settings, except for some sections, and a log in `folder`."""
        return GatewayProcess({**self._settings, **changes}, folder)

    def runtime_with(self, **kubernetes: Any) -> dict[str, Any]:
        """Return its section of the runtime, with some keys of `kubernetes` changed."""
        section = self._settings["runtime"]
        return {**section, "kubernetes": {**section["kubernetes"], **kubernetes}}

    def memory_bytes(self) -> int:
        """Return its resident memory."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Signal it and return when it has ended; nothing happens if it has."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)
            self._process = None

    def signal(self, signum: int) -> None:
        """Signal it, without waiting."""
        assert self._process is not None
        self._process.send_signal(signum)

    def kernels(self) -> list[Process]:
        """Return the processes of the kernels that live, found by what the runtime noted in `state_dir`."""
        found = []
        for folder in sorted(self.state_dir.glob("*-*")):
            with contextlib.suppress(OSError, ValueError):
                noted = json.loads((folder / "process.json").read_text(encoding="utf-8"))
                if process := Process.found(noted):
                    found.append(process)
        return found

    def traces(self) -> list[str]:
        """Return all that is left of kernels: folders, and sandboxes of this state folder."""
        folders = [folder.name for folder in self.state_dir.glob("*")]
        return [*folders, *(" ".join(words[-4:]) for words in _sandboxes(str(self.state_dir)).values())]

    def remove(self) -> None:
        """End the gateway and its kernels, and remove the state folder."""
        self.stop()
        if self in self.running:
            self.running.remove(self)
        for pid in _sandboxes(str(self.state_dir)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _sandboxes(str(self.state_dir)), what="all kernels gone")
        shutil.rmtree(self.state_dir, ignore_errors=True)


def _sandboxes(state_dir: str) -> dict[int, list[str]]:
    """Return the command lines of the sandboxes that bind something below `state_dir`, by their pids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                if words[0] == "bwrap" and any(word.startswith(state_dir) for word in words):
                    found[int(entry.name)] = words
    return found
