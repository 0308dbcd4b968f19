"""One side of the comparison: a user's notebook server and what runs its kernels."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import requests

from bench.parity.page import PATIENCE_SECONDS, Late, Page
from bench.parity.relay import Relay
from bench.processes import resident_megabytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from bench.parity.server import Server

PYTHON = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
SHELL = "exec python -m ipykernel_launcher -f {connection_file}"
# What a kernel is started by, by the name of its kernelspec.
SPECS: dict[str, list[str]] = {
    "python-pod": PYTHON,
    "other": [*PYTHON, "--IPKernelApp.exec_lines=other=True"],
    "slow": ["bash", "-c", f"sleep 1; {SHELL}"],
    "fragile": ["bash", "-c", f"if [ -e broken ]; then exit 3; fi; {SHELL}"],
    "bash-kernel": ["python", "-m", "bash_kernel", "-f", "{connection_file}"],
    "broken": ["bash", "-c", "exit 3", "{connection_file}"],
}


class Side(ABC):
    """A side, with what one behaviour has opened on it; everything of it is gone before the next one."""

    name: ClassVar[str]

    def __init__(self, *, small: bool) -> None:
        self.small = small
        self.folder = Path(tempfile.mkdtemp(prefix="parity-"))
        self.server: Server
        self._opened = contextlib.ExitStack()
        self._subject, self._shared = "", ""
        self._over = False

    @property
    @abstractmethod
    def home(self) -> Path:
        """The folder that is the server's root and the home of the kernels."""

    @abstractmethod
    def start(self) -> None:
        """Start everything. Raises BenchError."""

    @abstractmethod
    def repair(self) -> None:
        """Start again what a behaviour has ended."""

    @abstractmethod
    def kill_middle(self) -> None:
        """Kill what runs kernels for the server: the gateway, or the server itself."""

    @abstractmethod
    def stop_middle(self) -> None:
        """End the same in an orderly way, as an upgrade does."""

    @abstractmethod
    def start_middle(self) -> None:
        """Start the same again, and return when it answers."""

    @abstractmethod
    def signal_middle(self, signum: int) -> None:
        """Send it a signal."""

    @abstractmethod
    def another_server(self) -> tuple[Server, Relay | None]:
        """Return a second running server of the user, and the relay between it and what runs its kernels."""

    @property
    @abstractmethod
    def middle_pid(self) -> int:
        """Its process."""

    @abstractmethod
    def traces(self) -> int:
        """Return how many kernels live, listed or not."""

    def stop(self) -> None:
        """End everything that was started, for good."""
        self._over = True
        if hasattr(self, "server"):
            self.server.end()

    def remove(self) -> None:
        """Remove all files, once nothing writes them any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # For behaviours

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> requests.Response:
        """Return the server's answer."""
        return self.server.ask(method, path, body, **how)

    def status(self, method: str, path: str, body: Any = None) -> int:
        """Return the status of the server's answer."""
        return self.ask(method, path, body).status_code

    def kernel(self, spec: str = "python-pod") -> str:
        """Start a kernel and return its id."""
        answer = self.ask("POST", "kernels", {"name": spec, "path": "notebook.ipynb"})
        assert answer.status_code == 201, f"start: {answer.status_code} {answer.text[:150]}"
        return str(answer.json()["id"])

    def model(self, kernel_id: str) -> dict[str, Any]:
        """Return a kernel's model."""
        found: dict[str, Any] = self.ask("GET", f"kernels/{kernel_id}").json()
        return found

    def page(self, kernel_id: str, session: str | None = None, relay: Relay | None = None) -> Page:
        """Open a page; it is closed at the end."""
        page = self.server.page(kernel_id, session, relay)
        self._opened.callback(page.drop)
        return page

    def kernel_page(self, spec: str = "python-pod") -> tuple[str, Page]:
        """Start a kernel and open a page of it."""
        kernel_id = self.kernel(spec)
        return kernel_id, self.page(kernel_id)

    def any_kernel(self) -> str:
        """Return a kernel that may have run other cells of the same subject: a start costs most of the time."""
        if not self._shared:
            self._shared = self.kernel()
        return self._shared

    def any_kernel_page(self) -> tuple[str, Page]:
        """Open a page of such a kernel."""
        return self.any_kernel(), self.page(self.any_kernel())

    def any_page(self) -> Page:
        """Open a page of such a kernel."""
        return self.any_kernel_page()[1]

    def new_page(self, spec: str = "python-pod") -> Page:
        """Return a page of a new kernel."""
        return self.kernel_page(spec)[1]

    def drop(self, kernel_id: str, page: Page) -> None:
        """Cut off the only page of a kernel, and return when that is known."""
        self.eventually(lambda: self.model(kernel_id)["connections"] == 1, "connection of the page")
        page.drop()
        self.eventually(lambda: self.model(kernel_id)["connections"] == 0, "page that has left")

    def restart(self, kernel_id: str) -> int:
        """Restart a kernel and return the status of the answer."""
        return self.status("POST", f"kernels/{kernel_id}/restart")

    def interrupt(self, kernel_id: str) -> int:
        """Interrupt a kernel and return the status of the answer."""
        return self.status("POST", f"kernels/{kernel_id}/interrupt")

    def meanwhile(self, action: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do something at the same time."""
        pool = ThreadPoolExecutor(1)
        self._opened.callback(pool.shutdown, wait=False)
        return pool.submit(action, *arguments)

    def relay(self, port: int) -> Relay:
        """Return a relay to a port; it is closed at the end."""
        relay = Relay(port)
        self._opened.callback(relay.close)
        return relay

    def at_the_end(self, action: Callable[[], object]) -> None:
        """Do something when the behaviour has been looked at."""
        self._opened.callback(action)

    def descriptors(self) -> int:
        """Return how many descriptors are open in what runs kernels for the server."""
        return len(list(Path(f"/proc/{self.middle_pid}/fd").iterdir()))

    def megabytes(self) -> float:
        """Return the memory of the same."""
        return resident_megabytes(self.middle_pid)

    def touch(self, name: str) -> None:
        """Make an empty file in the home."""
        (self.home / name).touch()

    def there(self, name: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Return when a kernel has made a file."""
        self.eventually((self.home / name).exists, f"file {name}", seconds)

    def eventually(self, question: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return the first true answer. Raises Late."""
        deadline = time.monotonic() + seconds
        while not (answer := question()):
            if self._over or time.monotonic() > deadline:
                raise Late(f"no {what}")
            time.sleep(0.02)
        return answer

    # For the run

    @contextlib.contextmanager
    def turn(self, subject: str) -> Iterator[None]:
        """The turn of one behaviour: what is left of those before it is at most a kernel of the same subject."""
        if subject != self._subject:
            self._subject, self._shared = subject, ""
            self._tidy()
        try:
            yield
        except Exception:
            self._shared = ""
            raise
        finally:
            with self._opened:
                pass
            self._opened = contextlib.ExitStack()
            self.repair()
            self._tidy()

    def _tidy(self) -> None:
        for kind in ("sessions", "kernels", "terminals"):
            for one in self.ask("GET", kind).json():
                if (name := one.get("id") or one["name"]) != self._shared:
                    self.ask("DELETE", f"{kind}/{name}")
        for left in self.home.iterdir():
            if not left.name.startswith("."):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_specs(folder: Path, extra: dict[str, Any], python: Path | None = None) -> None:
    """Write all kernelspecs. `python` is what they run, if it is not the `python` of the search path."""
    for name, argv in SPECS.items():
        words = [str(python) if python and word == "python" else word for word in argv]
        words = [word.replace("exec python", f"exec {python}") if python else word for word in words]
        spec = {"display_name": name, "language": "python", "argv": words, "metadata": {"debugger": True}}
        target = folder / name / "kernel.json"
        target.parent.mkdir(parents=True)
        whole = {**spec, **{key: value for key, value in extra.items() if key != "metadata"}}
        whole["metadata"] = {"debugger": True, **extra.get("metadata", {})}
        target.write_text(json.dumps(whole), encoding="utf-8")
