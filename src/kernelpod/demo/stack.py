"""Starts and stops the demo's processes, and removes everything temporary afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kernelpod.base import shipped, yamltext
from kernelpod.base.freeports import hold_port
from kernelpod.base.missingtools import require
from kernelpod.demo import config
from kernelpod.demo.logs import end_of_log
from kernelpod.demo.places import SETTINGS, make_folders, only_one_in, parent_of_state, temporary, write_private
from kernelpod.demo.processes import adopt_orphans, end_descendants
from kernelpod.errors import KernelpodError, StartFailed
from kernelpod.runtime.local.sandbox import require_sandbox
from kernelpod.settings.loading import FILE_VARIABLE

# Kernelspecs of the library whose commands are in the environment of the kernels.
KERNELSPECS = ("bash-pod", "python-pod")
# Preferred ports. Other ports are used if these are taken.
WISHED_PORTS = {"proxy": 8000, "gateway": 8888, "hub": 8081, "proxy-api": 8001}
READY_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.5
# A gateway that ends so often within this time is not started again.
MOST_ENDS, ENDS_SECONDS = 5, 120

Say = Callable[[str], None]


@dataclass
class Stack:
    """A running demo, made by `running_stack`."""

    folder: Path
    state: Path
    logs_folder: Path
    checkout: Path
    no_sandbox: str
    """Why there is no sandbox. Empty if there is one."""
    ports: dict[str, int]
    password: str
    admin_password: str
    service_token: str
    admin_token: str
    subdomains: bool = False
    """Whether each server has a host of its own below the hub's."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def sandboxed(self) -> bool:
        """Whether servers and kernels run in sandboxes."""
        return not self.no_sandbox

    @property
    def url(self) -> str:
        """URL of the hub for browsers."""
        return f"http://{'hub.localhost' if self.subdomains else '127.0.0.1'}:{self.ports['proxy']}"

    @property
    def gateway_url(self) -> str:
        """URL of the gateway for servers."""
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def homes(self) -> Path:
        """Folder of the homes."""
        return self.folder / "homes"

    @property
    def logs(self) -> list[Path]:
        """All log files of the demo."""
        return sorted(self.logs_folder.glob("*.log"))

    @property
    def audit(self) -> Path:
        """The gateway's audit log."""
        return self.logs_folder / "audit.log"

    @property
    def settings_file(self) -> Path:
        """The common settings file of hub and gateway."""
        return self.folder / SETTINGS

    def start_gateway(self) -> None:
        """Start the gateway and return when it is ready."""
        command = [str(self.checkout / ".venv" / "bin" / "kernelpod"), "gateway"]
        self._start("gateway", [*command, "--settings", str(self.settings_file)], {})
        self.wait_for("gateway", f"{self.gateway_url}/readyz")

    def start_hub(self) -> None:
        """Start hub and proxy and return when the login page is served."""
        binaries = self.checkout / ".envs" / "hub" / "bin"
        environment = {
            FILE_VARIABLE: str(self.settings_file),
            "PATH": f"{binaries}:{os.environ.get('PATH', os.defpath)}",
        }
        self._start(
            "hub",
            [str(binaries / "jupyterhub"), "--config", str(self.folder / "jupyterhub_config.py")],
            environment,
        )
        self.wait_for("hub", f"http://127.0.0.1:{self.ports['proxy']}/hub/login")

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        keep = ("LANG", "LC_ALL", "PATH", "TMPDIR", "USER")
        inherited = {key: os.environ[key] for key in keep if key in os.environ}
        # Jupyter would write to the user's home, which may not exist, and read the user's own configuration.
        inherited["HOME"] = str(self.state)
        with (self.logs_folder / f"{name}.log").open("ab") as log:
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
        """Wait until `url` answers. Raises KernelpodError with the end of the log if it does not."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310
                if answer.status < 500:
                    return
            time.sleep(0.05)
        raise KernelpodError(f"the demo's {name} did not start; {self._last_words(name)}")

    def _last_words(self, name: str) -> str:
        hidden = (self.password, self.admin_password, self.service_token, self.admin_token)
        return end_of_log(self.logs_folder / f"{name}.log", hidden)

    def revoke(self, user: str) -> str:
        """Revoke a user as an admin does, by the command. Return what it prints. Raises KernelpodError."""
        done = subprocess.run(
            [str(self.checkout / ".venv" / "bin" / "kernelpod"), "users", "revoke", user],
            env={**os.environ, FILE_VARIABLE: str(self.settings_file)},
            capture_output=True,
            text=True,
            timeout=STOP_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise KernelpodError(
                f"kernelpod users revoke exited with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def kill_gateway(self) -> None:
        """Kill the gateway, as in a crash."""
        self.processes["gateway"].kill()
        self.processes["gateway"].wait(timeout=STOP_TIMEOUT_SECONDS)

    def keep_running(self, say: Say) -> None:
        """Start a gateway that has ended again, as Kubernetes or systemd would; kernels go on meanwhile.

        Raises KernelpodError when the hub has ended, or the gateway again and again.
        """
        ends: deque[float] = deque(maxlen=MOST_ENDS)
        while self.processes["hub"].poll() is None:
            time.sleep(LOOK_SECONDS)
            if (status := self.processes["gateway"].poll()) is None:
                continue
            ends.append(time.monotonic())
            if len(ends) == MOST_ENDS and ends[-1] - ends[0] < ENDS_SECONDS:
                raise KernelpodError(f"the demo's gateway ends again and again; {self._last_words('gateway')}")
            say(f"the gateway has ended ({_ended_by(status)}); starting it again")
            try:
                self.start_gateway()
                say("gateway ready")
            except KernelpodError as error:
                say(error.message)
        raise KernelpodError(f"the demo's hub has ended; {self._last_words('hub')}")

    def stop(self) -> list[int]:
        """End hub, servers, gateway and kernels, in this order. Return the pids that had to be killed."""
        try:
            for name in ("hub", "gateway"):
                process = self.processes.get(name)
                if process is not None and process.poll() is None:
                    process.terminate()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=STOP_TIMEOUT_SECONDS)
        finally:  # also when this is interrupted
            left = end_descendants()
        return left


def _ended_by(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


@contextlib.contextmanager
def running_stack(
    checkout: Path, folder: Path | None, say: Say, logs: Path | None = None, *, subdomains: bool = False
) -> Iterator[Stack]:
    """Yield a running demo. Its processes and temporary files are always removed afterwards.

    `folder` keeps homes for the next run; None uses a temporary one. `logs` is the folder of logs, by default in
    `folder`. With `subdomains`, each server has a host of its own. Raises KernelpodError.
    """
    require("bash", "prlimit", *(["setpriv"] if os.getuid() == 0 else []), wished=("bwrap",))
    for name in ("hub", "kernels"):
        if not (checkout / ".envs" / name / "bin" / "python").exists():
            raise KernelpodError(f"the {name} environment is missing in {checkout}; run `make env` first")
    adopt_orphans()
    with contextlib.ExitStack() as cleanup:
        state = cleanup.enter_context(temporary(parent_of_state()))
        if folder is None:
            folder = cleanup.enter_context(temporary())
        make_folders(folder)
        cleanup.enter_context(only_one_in(folder))
        stack = Stack(
            folder,
            state,
            logs or folder / "logs",
            checkout,
            no_sandbox=_why_no_sandbox(),
            ports=cleanup.enter_context(_held_ports()),
            password=secrets.token_urlsafe(9),
            admin_password=secrets.token_urlsafe(24),  # JupyterHub wants 32 characters
            service_token=secrets.token_hex(32),
            admin_token=secrets.token_hex(32),
            subdomains=subdomains,
        )
        if stack.no_sandbox:
            say(f"NO ISOLATION BETWEEN USERS: {stack.no_sandbox}")
        _prepare(stack)
        cleanup.callback(stack.stop)
        say(f"files in {folder}")
        stack.start_gateway()
        say("gateway ready")
        stack.start_hub()
        say("hub and proxy ready")
        yield stack


@contextlib.contextmanager
def _held_ports() -> Iterator[dict[str, int]]:
    """Yield the demo's ports. They are held until its end, because the checks restart the gateway."""
    with contextlib.ExitStack() as held:
        ports = {}
        for name, wished in WISHED_PORTS.items():
            port = hold_port(wished)
            held.callback(port.release)
            ports[name] = port.number
        yield ports


def _why_no_sandbox() -> str:
    try:
        require_sandbox()
    except StartFailed as error:
        return error.message
    return ""


def _prepare(stack: Stack) -> None:
    # Users can pass through it to their own folders, but cannot list it.
    stack.state.chmod(0o711)
    make_folders(stack.state, stack.homes, stack.logs_folder)
    for name in KERNELSPECS:
        shutil.rmtree(stack.folder / "kernelspecs" / name, ignore_errors=True)
        shutil.copytree(shipped.kernelspecs() / name, stack.folder / "kernelspecs" / name)
    write_private(stack.folder / "service-token", stack.service_token)
    write_private(stack.folder / "admin-token", stack.admin_token)
    write_private(stack.settings_file, yamltext.dump(config.settings(stack)))
    write_private(stack.folder / "jupyterhub_config.py", config.hub_config(stack))
