"""A user's notebook server, and what a browser asks of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from bench.parity.page import PATIENCE_SECONDS, Page
from bench.processes import BenchError, end, free_port, spawn, tail
from bench.upstream import ROOT

if TYPE_CHECKING:
    from bench.parity.relay import Relay

PYTHON = ROOT / ".envs" / "hub" / "bin" / "python"
READY_SECONDS = 60
TOKEN = "parity"
# Lab's pages have nothing to do with kernels, and take half of a server's start.
WITHOUT_LAB = "--ServerApp.jpserver_extensions={'jupyterlab': False, 'notebook_shim': False}"


class Server:
    """One jupyter_server, whose root folder is a user's home."""

    def __init__(self, folder: Path, root: Path, environment: dict[str, str], arguments: list[str]) -> None:
        self.log, self.root, self.port = folder / f"server-{uuid.uuid4().hex[:6]}.log", root, free_port()
        self._environment, self._arguments = environment, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.headers = {"Authorization": f"token {TOKEN}"}
        self._over = False

    def start(self) -> None:
        """Start it, and return when it answers. Raises BenchError, also once it was ended for good."""
        if self._over:
            raise BenchError("the comparison has ended")
        command = [
            str(PYTHON),
            "-m",
            "jupyter_server",
            f"--port={self.port}",
            "--ip=127.0.0.1",
            "--port-retries=0",
        ]
        command += [f"--IdentityProvider.token={TOKEN}", "--no-browser", "--allow-root"]
        command += [f"--ServerApp.root_dir={self.root}", WITHOUT_LAB, *self._arguments]
        self._process = spawn(command, self._environment, self.log)
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the notebook server did not start:\n{tail(self.log)}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Return whether it runs and answers."""
        if self._process is None:
            return False
        try:
            return self.ask("GET", "status", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    @property
    def pid(self) -> int:
        """Its process. Raises BenchError."""
        if self._process is None:
            raise BenchError("the notebook server does not run")
        return self._process.pid

    def signal(self, signum: int) -> None:
        """Send a signal to its process."""
        if self._process is not None:
            os.kill(self._process.pid, signum)

    def kill(self) -> None:
        """Kill it, so that it cannot stop its kernels."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None

    def stop(self) -> None:
        """End it, and let it stop its kernels."""
        if self._process is not None:
            end(self._process, PATIENCE_SECONDS)
            self._process = None

    def end(self) -> None:
        """End it for good."""
        self._over = True
        self.stop()

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> requests.Response:
        """Return the answer of `/api/<path>`, or of an absolute path."""
        url = f"http://127.0.0.1:{self.port}{path if path.startswith('/') else f'/api/{path}'}"
        seconds = how.pop("timeout", PATIENCE_SECONDS * 2)
        return requests.request(method, url, json=body, headers=self.headers, timeout=seconds, **how)

    def page(self, kernel_id: str, session: str | None = None, relay: Relay | None = None) -> Page:
        """Open a page of a kernel; without a session as a page that is loaded anew."""
        session = uuid.uuid4().hex if session is None else session
        port = relay.port if relay else self.port
        url = f"ws://127.0.0.1:{port}/api/kernels/{kernel_id}/channels?session_id={quote(session)}"
        return Page(url, self.headers, session)
