"""Brings the demo up and takes it down: files, ports, processes, and nothing left of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelpod.base import shipped, yamltext
from kernelpod.errors import KernelpodError, StartFailed
from kernelpod.runtime.local.sandbox import check
from kernelpod.settings.loading import FILE_VARIABLE

USERS = ("alice", "bob", "john.doe", "ünal", "a@b.org")
# Those of the library whose commands are in the environment of the kernels.
KERNELSPECS = ("bash-pod", "python-pod")
READY_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 60
_PR_SET_CHILD_SUBREAPER = 36

Say = Callable[[str], None]


@dataclass
class Stack:
    """A running demo; made by `running_stack`."""

    folder: Path
    state: Path
    checkout: Path
    sandboxed: bool
    ports: dict[str, int]
    password: str
    service_token: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where a browser goes."""
        return f"http://127.0.0.1:{self.ports['proxy']}"

    @property
    def gateway_url(self) -> str:
        """Where servers reach the gateway."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def homes(self) -> Path:
        """Folder of the homes."""
        return self.folder / "homes"

    @property
    def logs(self) -> list[Path]:
        """Every log of the demo."""
        return sorted((self.folder / "logs").glob("*.log"))

    @property
    def settings_file(self) -> Path:
        """The one settings file of hub and gateway."""
        return self.folder / "settings.yaml"

    def start_gateway(self) -> None:
        """Start the gateway and return when it is ready."""
        command = [str(Path(self.checkout) / ".venv" / "bin" / "kernelpod"), "gateway"]
        self._start("gateway", [*command, "--settings", str(self.settings_file)], {})
        self.wait_for("gateway", f"{self.gateway_url}/readyz")

    def start_hub(self) -> None:
        """Start hub and proxy and return when a login page is served."""
        binaries = self.checkout / ".envs" / "hub" / "bin"
        environment = {FILE_VARIABLE: str(self.settings_file), "PATH": f"{binaries}:{os.environ['PATH']}"}
        self._start(
            "hub",
            [str(binaries / "jupyterhub"), "--config", str(self.folder / "jupyterhub_config.py")],
            environment,
        )
        self.wait_for("hub", f"{self.url}/hub/login")

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        keep = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "USER")
        inherited = {key: os.environ[key] for key in keep if key in os.environ}
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env={**inherited, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for(self, name: str, url: str) -> None:
        """Return when `url` answers. Raises KernelpodError with the log's end if the process gives up."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                if answer.status < 500:
                    return
            time.sleep(0.05)
        log = self.folder / "logs" / f"{name}.log"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise KernelpodError(f"the demo's {name} did not start; the end of {log}:\n{tail}")

    def kill_gateway(self) -> None:
        """End the gateway the hard way, as a crash would."""
        self.processes["gateway"].kill()
        self.processes["gateway"].wait(timeout=STOP_TIMEOUT_SECONDS)

    def stop(self) -> list[int]:
        """End hub, servers, gateway and kernels, in this order; return the pids that had to be killed."""
        for name in ("hub", "gateway"):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=STOP_TIMEOUT_SECONDS)
        left = descendants(os.getpid())
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        return left


@contextlib.contextmanager
def running_stack(checkout: Path, folder: Path | None, say: Say) -> Iterator[Stack]:
    """Yield a running demo; whatever happens, its processes and temporary files are gone afterwards.

    `folder` keeps homes and logs for the next time; None takes a temporary one. Raises KernelpodError.
    """
    for name in ("hub", "kernels"):
        if not (checkout / ".envs" / name / "bin" / "python").exists():
            raise KernelpodError(f"the {name} environment is missing in {checkout}; run `make env` first")
    # Orphans of a killed gateway come to this process then, so none can outlive the demo.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with contextlib.ExitStack() as cleanup:
        state = Path(cleanup.enter_context(_temporary()))
        if folder is None:
            folder = Path(cleanup.enter_context(_temporary()))
        stack = _prepare(checkout, folder, state, say)
        cleanup.callback(stack.stop)
        say(f"files in {folder}")
        stack.start_gateway()
        say("gateway ready")
        stack.start_hub()
        say("hub and proxy ready")
        yield stack


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="kernelpod-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(checkout: Path, folder: Path, state: Path, say: Say) -> Stack:
    try:
        check()
        sandboxed = True
    except StartFailed as error:
        say(f"NO ISOLATION BETWEEN USERS: {error.message}")
        sandboxed = False
    # Others may pass through on the way to their own places, and read nothing else.
    state.chmod(0o711)
    for part in (folder, folder / "homes", folder / "logs"):
        part.mkdir(mode=0o711, parents=True, exist_ok=True)
    ports = {
        "proxy": free_port(8000),
        "gateway": free_port(8888),
        "hub": free_port(8081),
        "proxy-api": free_port(8001),
    }
    stack = Stack(
        folder,
        state,
        checkout,
        sandboxed,
        ports,
        password=secrets.token_urlsafe(9),
        service_token=secrets.token_hex(32),
    )
    for name in KERNELSPECS:
        shutil.copytree(shipped.kernelspecs() / name, folder / "kernelspecs" / name)
    _write_private(folder / "service-token", stack.service_token)
    _write_private(stack.settings_file, yamltext.dump(_settings(stack)))
    _write_private(folder / "jupyterhub_config.py", _hub_config(stack))
    return stack


def _settings(stack: Stack) -> dict[str, Any]:
    kernels, base = stack.checkout / ".envs" / "kernels", _base_python(stack.checkout / ".envs" / "kernels")
    switch = stack.sandboxed and os.getuid() == 0
    return {
        "hubs": [
            {
                "name": "demo",
                "api_url": f"http://127.0.0.1:{stack.ports['hub']}/hub/api",
                "token_file": str(stack.folder / "service-token"),
            }
        ],
        "gateway": {"port": stack.ports["gateway"], "stop_kernels_on_exit": True},
        "servers": {"gateway_url": stack.gateway_url},
        "kernelspecs": {"path": str(stack.folder / "kernelspecs")},
        "policy": {"uid": 1000 if switch else os.getuid(), "gid": 100 if switch else os.getgid()},
        "homes": {"root": str(stack.homes), "create_local": True},
        "runtime": {
            "kind": "local",
            "local": {
                "state_dir": str(stack.state / "k"),
                "sandbox": "required" if stack.sandboxed else "none",
                "search_path": [str(kernels / "bin")],
                "read_only_paths": [str(kernels), str(base)],
            },
        },
    }


def _hub_config(stack: Stack) -> str:
    values: dict[str, Any] = {
        "JupyterHub.bind_url": stack.url,
        "JupyterHub.hub_bind_url": f"http://127.0.0.1:{stack.ports['hub']}",
        "JupyterHub.db_url": f"sqlite:///{stack.state}/jupyterhub.sqlite",
        "JupyterHub.cookie_secret_file": f"{stack.state}/cookie-secret",
        "JupyterHub.authenticator_class": "shared-password",
        "ConfigurableHTTPProxy.api_url": f"http://127.0.0.1:{stack.ports['proxy-api']}",
        "ConfigurableHTTPProxy.pid_file": f"{stack.state}/proxy.pid",
        "SharedPasswordAuthenticator.user_password": stack.password,
        "Authenticator.allowed_users": set(USERS),
        "Spawner.start_timeout": 60,
    }
    first = f"load_subconfig({str(stack.checkout / 'hub' / 'jupyterhub_config.py')!r})"
    last = "from kernelpod.hub.config import let_lists_decide\nlet_lists_decide(c)"
    return "\n".join([first, *(f"c.{name} = {value!r}" for name, value in values.items()), last, ""])


def _base_python(environment: Path) -> Path:
    """Return the installation that an environment's Python lies in."""
    return (environment / "bin" / "python").resolve().parents[1]


def free_port(wished: int) -> int:
    """Return `wished` if it is free on loopback, else any free port."""
    for port in (wished, 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))
            return int(one.getsockname()[1])
    raise KernelpodError("no free port on 127.0.0.1")


def descendants(pid: int) -> list[int]:
    """Return the living processes below `pid`, zombies left out."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return sorted(found[1:])


def reap() -> None:
    """Collect every child that has ended, adopted ones included."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
