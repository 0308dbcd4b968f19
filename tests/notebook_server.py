"""A user's notebook server in gateway mode, in a process of its own; and programs beside it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import requests

from client import Caller
from doubles import eventually
from hubs import ended
from ports import free_port

CHECKOUT = Path(__file__).parents[1]
# Whose servers are tested: the newest, or those of another environment below .envs.
PYTHON = CHECKOUT / ".envs" / os.environ.get("KERNELPOD_SERVERS", "hub") / "bin" / "python"
CLIENTS = CHECKOUT / ".envs" / "clients" / "bin" / "python"
# Less than a test has. Such a program imports much, starts a kernel and runs cells.
PROGRAM_SECONDS = 100
WITHOUT_EXTENSION = "--ServerApp.jpserver_extensions={'kernelpod.singleuser': False}"


class Server:
    """A user's notebook server in gateway mode."""

    def __init__(self, site: Any, folder: Path, *arguments: str, **environment: str) -> None:
        self.site, self.folder, self.port, self.arguments = site, folder, free_port(), arguments
        self.caller = Caller(f"http://127.0.0.1:{self.port}", "server-token")
        self.process: subprocess.Popen[bytes] | None = None
        self.more = environment

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """The environment that the hub's side gives to a server."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "KERNEL"))},
            "HOME": str(self.folder),
            "JUPYTER_GATEWAY_URL": self.site.gateway.url,
            "JUPYTER_GATEWAY_WS_URL": self.site.gateway.url.replace("http", "ws", 1),
            "JUPYTER_GATEWAY_AUTH_TOKEN": str(self.site.alice.token),
            "JUPYTERHUB_SERVER_NAME": "",
            **self.more,
        }

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [str(PYTHON), "-m", "jupyter_server", f"--port={self.port}", "--ip=127.0.0.1"]
        command += ["--port-retries=0", "--IdentityProvider.token=server-token", "--no-browser", "--allow-root"]
        command += [f"--ServerApp.root_dir={self.folder}", "--GatewayWebSocketConnection.kernel_ws_protocol="]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, what="the server answers")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        try:
            return self.caller.ask("GET", "status").status_code == 200
        except requests.ConnectionError:
            return False

    @property
    def log(self) -> str:
        """Everything that it has said."""
        return (self.folder / "server.log").read_text(encoding="utf-8")

    def session(self, path: str = "Untitled.ipynb", kernel: str = "python-pod") -> requests.Response:
        """Return the answer to what Lab sends when it opens a notebook."""
        wish = {"path": path, "name": path.rpartition("/")[2], "type": "notebook", "kernel": {"name": kernel}}
        return self.caller.ask("POST", "sessions", json=wish)

    def beside(self, *command: str, python: Path = PYTHON) -> subprocess.CompletedProcess[str]:
        """Run a Python program in the server's environment, as in a terminal of the server."""
        return subprocess.run(
            [str(python), *command],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=False,
        )

    def kill(self) -> None:
        """Kill it, so that it cannot stop its kernels."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            ended(self.process)
            self.process = None
