"""Both sides: a server with kernels of its own, and the same server with Kernelpod's gateway."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from bench.ours import PASSING, UNLIMITED, USER, OursPeer
from bench.parity.page import Late
from bench.parity.relay import Relay
from bench.parity.server import Server
from bench.parity.side import Side, write_specs
from bench.processes import BenchError, descendants
from bench.upstream import KERNEL_PYTHON, ROOT
from kernelpod.hub import servers
from kernelpod.settings.sections import Settings

HUB = ROOT / ".envs" / "hub" / "bin"
LEFT_SECONDS = 3
IMAGE = {"interrupt_mode": "message", "metadata": {"kernelpod": {"image": "registry.example/kernel:1"}}}


def environment(folder: Path, home: Path) -> dict[str, str]:
    """Return the environment that both servers have in common."""
    return {
        "PATH": f"{HUB}:{KERNEL_PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
    }


class LocalSide(Side):
    """A notebook server that runs its kernels itself."""

    name = "local kernel"

    def __init__(self, *, small: bool) -> None:
        super().__init__(small=small)
        self._others: list[Server] = []

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self) -> None:
        self.home.mkdir()
        write_specs(self.folder / "share" / "kernels", {}, KERNEL_PYTHON)
        self.server = self._server()
        self.server.start()

    def _server(self) -> Server:
        with_specs = {"JUPYTER_PATH": str(self.folder / "share")}
        return Server(self.folder, self.home, environment(self.folder, self.home) | with_specs, [])

    def repair(self) -> None:
        self.server.signal(signal.SIGCONT)
        if not self.server.answers():
            self.server.kill()
            self.server.start()

    def kill_middle(self) -> None:
        self.server.kill()

    def stop_middle(self) -> None:
        self.server.stop()

    def start_middle(self) -> None:
        self.server.start()

    def signal_middle(self, signum: int) -> None:
        self.server.signal(signum)

    @property
    def middle_pid(self) -> int:
        return self.server.pid

    def another_server(self) -> tuple[Server, Relay | None]:
        server = self._server()
        self.at_the_end(server.stop)
        server.start()
        return server, None

    def traces(self) -> int:
        return len(self._kernels())

    def _kernels(self) -> list[int]:
        return [pid for pid in descendants(os.getpid()) if _is_kernel(pid, str(self.folder))]

    def _tidy(self) -> None:
        super()._tidy()
        try:
            self.eventually(lambda: self.traces() <= bool(self._shared), "end of all kernels", LEFT_SECONDS)
        except Late:  # the server has forgotten kernels, and starts them again when they end
            self._shared = ""
            self.server.kill()
            for pid in self._kernels():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.server.start()


def _is_kernel(pid: int, folder: str) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        return False
    return "ipykernel_launcher" in words and folder in words


class Gateway(OursPeer):
    """The gateway as it ships, with limits as it ships, that may be ended and started again."""

    def settings(self) -> dict[str, Any]:
        """Return the settings: kernelspecs of the table, and the home at the same path for servers and kernels."""
        made = super().settings()
        port, home = made["gateway"]["port"], self.folder / "homes" / USER
        made["gateway"] = {name: value for name, value in made["gateway"].items() if name not in UNLIMITED}
        made["gateway"]["stop_kernels_on_exit"] = False
        made["kernelspecs"] = {"path": str(self.folder / "specs"), "default": "python-pod"}
        made["homes"]["mount_path"] = str(home)
        return {**made, "servers": {"gateway_url": f"http://127.0.0.1:{port}"}}

    def prepare(self) -> None:
        """Write kernelspecs, too."""
        super().prepare()
        write_specs(self.folder / "specs", IMAGE)

    def run(self) -> None:
        """Start its process. Raises BenchError once it was ended for good."""
        if self.folder == Path():
            raise BenchError("the comparison has ended")
        super().run()

    @property
    def home(self) -> Path:
        """The home of the gateway's only user."""
        return self.folder / "homes" / USER

    @property
    def state(self) -> Path:
        """What the gateway keeps of its kernels."""
        return self.folder / "k"

    def signal(self, signum: int) -> None:
        """Send a signal to the gateway's process."""
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """Kill only the gateway."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """End only the gateway, as an upgrade does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    @property
    def runs(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        """Return whether it runs and answers."""
        return self.runs and self._ready()

    def listed(self) -> list[str]:
        """Return the ids of all kernels that it lists."""
        return [str(model["id"]) for model in json.loads(self.request("GET", "/api/kernels")[1])]


class KernelpodSide(Side):
    """The same notebook server, configured as the hub's side does, with the gateway behind it."""

    name = "Kernelpod"

    def __init__(self, *, small: bool) -> None:
        super().__init__(small=small)
        self.middle = Gateway()
        self._middle_folder = Path()

    @property
    def home(self) -> Path:
        return self.middle.home

    def start(self) -> None:
        self.folder.chmod(PASSING)
        self.middle.start()
        self.server = self._server(self.middle.port)
        self.server.start()

    def _server(self, port: int) -> Server:
        own = self.folder / "server-home"
        own.mkdir(exist_ok=True)
        made = self.middle.settings()
        made["servers"]["gateway_url"] = f"http://127.0.0.1:{port}"
        settings = Settings.model_validate(made)
        variables = environment(self.folder, own) | servers.environment(settings, settings.hubs[0])
        variables |= {"JUPYTERHUB_SERVER_NAME": "", "KERNEL_PATH": str(self.home)}
        variables["JUPYTER_GATEWAY_AUTH_TOKEN"] = self.middle.headers["Authorization"].removeprefix("token ")
        return Server(self.folder, self.home, variables, servers.arguments(settings))

    def repair(self) -> None:
        if self.middle.runs:
            self.middle.signal(signal.SIGCONT)
        if not self.middle.answers():
            self.middle.kill()
            self.middle.run()
        self.server.signal(signal.SIGCONT)
        if not self.server.answers():
            self.server.kill()
            self.server.start()

    def kill_middle(self) -> None:
        self.middle.kill()

    def stop_middle(self) -> None:
        self.middle.terminate()

    def start_middle(self) -> None:
        self.middle.run()

    def signal_middle(self, signum: int) -> None:
        self.middle.signal(signum)

    @property
    def middle_pid(self) -> int:
        return self.middle.pid

    def another_server(self) -> tuple[Server, Relay | None]:
        relay = self.relay(self.middle.port)
        server = self._server(relay.port)
        self.at_the_end(server.kill)
        server.start()
        return server, relay

    def traces(self) -> int:
        return len(list(self.middle.state.glob("*-*")))

    def _tidy(self) -> None:
        super()._tidy()
        for kernel_id in set(self.middle.listed()) - {self._shared}:
            self.middle.stop_kernel(kernel_id)

    def stop(self) -> None:
        super().stop()
        self._middle_folder = self.middle.folder
        self.middle.stop()

    def remove(self) -> None:
        super().remove()
        if self._middle_folder != Path():
            shutil.rmtree(self._middle_folder, ignore_errors=True)
