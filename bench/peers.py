"""The peers that are compared. A `Peer` starts kernels and returns their addresses."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bench.client import WebSocketAddress, ZmqAddress, ZmqChannel
from bench.processes import BenchError, end, free_port, spawn, tail
from bench.upstream import KERNEL_PYTHON, ROOT, stock_launcher, stock_site

if TYPE_CHECKING:
    import subprocess

    from bench.client import Address

VENV = ROOT / ".venv" / "bin"
READY_SECONDS = 60
REQUEST_SECONDS = 60


class Peer(ABC):
    """One way to get a kernel. `start` creates a temporary folder; `stop` removes everything that was created."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.folder = Path()
        self.failures = 0  # number of repeated attempts, counted by `bench.turns.persist`

    def start(self) -> None:
        """Prepare to start kernels. Raises BenchError if that fails."""
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))

    def stop(self) -> None:
        """End every process and remove the folder. It may be called twice or before `start`."""
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = Path()

    @abstractmethod
    def start_kernel(self) -> str:
        """Start a kernel and return its id; it counts as started when this returns. Thread-safe."""

    @abstractmethod
    def stop_kernel(self, kernel_id: str) -> None:
        """End one kernel."""

    @abstractmethod
    def address(self, kernel_id: str) -> Address:
        """Return the kernel's address for clients."""

    def environment(self) -> dict[str, str]:
        """Return the environment of the peer's processes; all of Jupyter's folders are in the temporary folder."""
        return {
            "PATH": f"{VENV}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder),  # the stock launcher writes connection files there
            "IPYTHONDIR": str(self.folder / "ipython"),
            "JUPYTER_PATH": str(self.folder / "share"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "JUPYTER_CONFIG_DIR": str(self.folder / "config"),
        }


class BarePeer(Peer):
    """Only ipykernel: the lower bound for every gateway."""

    name = "bare"

    def __init__(self) -> None:
        super().__init__()
        self._kernels: dict[str, tuple[subprocess.Popen[bytes], dict[str, Any]]] = {}

    def start_kernel(self) -> str:
        """Start a kernel on free loopback ports, and return its id once it has answered kernel_info."""
        ports = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        connection: dict[str, Any] = {port: free_port() for port in ports}
        connection |= {"transport": "tcp", "ip": "127.0.0.1", "key": uuid.uuid4().hex}
        connection["signature_scheme"] = "hmac-sha256"
        kernel_id = str(uuid.uuid4())
        file = self.folder / f"{kernel_id}.json"
        file.write_text(json.dumps(connection), encoding="utf-8")
        command = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", str(file)]
        self._kernels[kernel_id] = (spawn(command, self.environment(), self.folder / "log"), connection)
        channel = ZmqChannel(ZmqAddress(connection))
        try:
            channel.wait_reply(time.monotonic() + READY_SECONDS)
        finally:
            channel.close()
        return kernel_id

    def stop_kernel(self, kernel_id: str) -> None:
        end(self._kernels.pop(kernel_id)[0])

    def address(self, kernel_id: str) -> Address:
        return ZmqAddress(self._kernels[kernel_id][1])

    def stop(self) -> None:
        for kernel_id in list(self._kernels):
            self.stop_kernel(kernel_id)
        super().stop()


class GatewayPeer(Peer):
    """A kernel gateway on loopback. Subclasses define how it is started: `prepare` and `command`."""

    kernel_name = "bench"

    def __init__(self) -> None:
        super().__init__()
        self.headers: dict[str, str] = {}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Write the gateway's files into `self.folder` before it starts."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the gateway's command line, with 127.0.0.1 and `self.port` as its address."""

    @property
    def pid(self) -> int:
        """Return the pid of the gateway's process, for its memory and CPU."""
        if self._process is None:
            raise BenchError(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        super().start()
        self.port = free_port()
        self.prepare()
        self.run()

    def run(self) -> None:
        """Start the gateway's process in the prepared folder, and return when it answers."""
        log = self.folder / "log"
        self._process = spawn(self.command(), self.environment(), log)
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{self.name} did not start:\n{tail(log)}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
        self._process = None
        super().stop()

    def _ready(self) -> bool:
        try:
            return self.request("GET", "/api")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def connect(self) -> http.client.HTTPConnection:
        """Return a keep-alive connection for the caller alone."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and body of one request on a new connection."""
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def start_kernel(self) -> str:
        """Start a kernel and return its id once its POST is answered with 201."""
        model = {"name": self.kernel_name, "env": {"KERNEL_USERNAME": "bench"}}
        status, body = self.request("POST", "/api/kernels", model)
        if status != 201:
            log = tail(self.folder / "log")
            raise BenchError(f"{self.name} answers {status} to POST /api/kernels: {body[:400]!r}\n{log}")
        return str(json.loads(body)["id"])

    def stop_kernel(self, kernel_id: str) -> None:
        status, body = self.request("DELETE", f"/api/kernels/{kernel_id}")
        if status not in {204, 404}:  # 404: it ended by itself, which does not matter here
            raise BenchError(f"{self.name} answers {status} to DELETE of a kernel: {body[:400]!r}")

    def address(self, kernel_id: str) -> WebSocketAddress:
        return WebSocketAddress(f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels", self.headers)


class StockLocalPeer(GatewayPeer):
    """Stock Enterprise Gateway with kernels as local processes: its fastest path, without a cluster."""

    name = "stock-local"

    def kernelspec(self) -> dict[str, Any]:
        """Return the kernel.json of the benchmark's kernel."""
        argv = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return {"argv": argv, "metadata": {}, "env": self.kernel_environment()}

    def kernel_environment(self) -> dict[str, str]:
        """Return the kernelspec's environment; stock passes nothing of its own environment to kernels."""
        return {name: value for name, value in super().environment().items() if name != "JUPYTER_PATH"}

    def prepare(self) -> None:
        folder = self.folder / "share" / "kernels" / self.kernel_name
        folder.mkdir(parents=True)
        spec = {"display_name": "Bench", "language": "python"} | self.kernelspec()
        (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")

    def command(self) -> list[str]:
        """Return stock's command with its defaults, except that it must use the given port."""
        flags = {"ip": "127.0.0.1", "port": self.port, "port_retries": 0}
        script = str(VENV / "jupyter-enterprisegateway")
        return [script, *(f"--EnterpriseGatewayApp.{name}={value}" for name, value in flags.items())]

    def environment(self) -> dict[str, str]:
        """Return the environment: listing on, as notebook servers need it; the response socket on loopback."""
        names = {"EG_LIST_KERNELS": "True", "EG_RESPONSE_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
        return super().environment() | names


class StockPeer(StockLocalPeer):
    """Stock Enterprise Gateway with its remote path, as used on Kubernetes."""

    name = "stock"

    def kernelspec(self) -> dict[str, Any]:
        options = ("kernel-id", "port-range", "response-address", "public-key")
        argv = [str(KERNEL_PYTHON), str(stock_launcher())]
        for option in options:
            argv += [f"--RemoteProcessProxy.{option}", "{" + option.replace("-", "_") + "}"]
        proxy = {"class_name": "bench.stock_proxy.FakePodProxy", "config": {"image_name": "none"}}
        environment = self.kernel_environment() | {"PYTHONPATH": str(stock_site())}
        return {"argv": argv, "metadata": {"process_proxy": proxy}, "env": environment}
