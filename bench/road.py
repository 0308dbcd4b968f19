"""The road between pages and a kernel: measures of Kernelpod's gateway alone, each with its goal.

Every figure has its reference in the same run: one page, a quiet gateway, the memory and the descriptors before.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.counted import FILE_VARIABLE
from bench.large import large_messages
from bench.ours import OursPeer
from bench.peers import VENV
from bench.processes import BenchError, cpu_seconds, resident_megabytes
from bench.table import Goal, Measure
from bench.turns import say, usable_kernel, wait_quiet
from kernelpod.settings.sections import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.client import Channel, WebSocketAddress, WebSocketChannel

MEGABYTE = 1_000_000
BUDGET_MB = Gateway().max_backlog_bytes / MEGABYTE
PATIENCE_SECONDS = 60
OUTPUTS = """
from IPython.display import display
for number in range({count}):
    display({{"text/plain": f"line {{number:06}} " + "x" * 60}}, raw=True)
"""
LINES = """
for number in range({count}):
    print("x" * 1_000_000, flush=True)
"""
TICKS = """
import time
while True:
    print("tick", flush=True)
    time.sleep(0.05)
"""
BUSY = "import time\nwhile True: time.sleep(0.01)"


@dataclass(frozen=True)
class Size:
    """The amount of work."""

    messages: int = 6000
    openings: int = 40
    lines: int = 400
    restarts: int = 3
    hang_ups: int = 1000
    large: int = 4
    large_turns: int = 3
    rounds: int = 200


SMALL = Size(1000, 10, 200, 1, 1000, 1, 1, 50)


class RoadPeer(OursPeer):
    """Kernelpod's gateway whose tasks can be counted."""

    def command(self) -> list[str]:
        return [str(VENV / "python"), "-m", "bench.counted", *super().command()[1:]]

    def environment(self) -> dict[str, str]:
        root = str(Path(__file__).parents[1])
        return {**super().environment(), FILE_VARIABLE: str(self.folder / "tasks"), "PYTHONPATH": root}

    def tasks(self) -> int:
        """Return the number of tasks in the gateway's event loop."""
        file = self.folder / "tasks"
        file.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        wait(file.exists, "the gateway counts its tasks")
        return int(file.read_text(encoding="ascii"))

    def descriptors(self) -> int:
        """Return the number of the gateway's open descriptors."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def die(self) -> None:
        """Kill the gateway; its kernels stay."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def wait(condition: Callable[[], object], what: str) -> None:
    """Return when the condition holds. Raises BenchError if it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"never happened: {what}")
        time.sleep(0.005)


def measure(peer: RoadPeer, size: Size) -> list[Measure]:
    """Return all rows of one gateway, which is started here and which the caller stops."""
    say("the road between pages and kernels: starting a gateway")
    peer.start()
    rows: list[Measure] = []
    for take in (many_pages, opening, hanging_up, beside_large, not_reading, restarting):
        kernel_id = usable_kernel(peer)
        wait_quiet()
        rows += take(peer, kernel_id, size)
        peer.stop_kernel(kernel_id)
    return rows


def ours(measure: str, unit: str, figures: Sequence[float], most: float | None = None, note: str = "") -> Measure:
    """Return a row with the median of some figures, which may be `most`."""
    figure = statistics.median(figures)
    say(f"{measure}: {figure:.4g} {unit}")
    goal = None if most is None else Goal(plus=most)
    return Measure(measure, unit, {"ours": figure}, goal, note, {"ours": list(figures)})


@contextmanager
def idle_readers(address: WebSocketAddress, count: int) -> Iterator[None]:
    """Open pages that read everything and do nothing with it."""
    with ExitStack() as stack:
        for _ in range(count):
            page = address.open(PATIENCE_SECONDS)
            reader = threading.Thread(target=page.discard, daemon=True)
            reader.start()
            stack.callback(reader.join, PATIENCE_SECONDS)
            stack.callback(page.shut_down)
        yield


def many_pages(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Measure the gateway's CPU for a kernel's messages with one page, and with ten pages that all read them."""
    address, ratios, costs = peer.address(kernel_id), [], []
    for _ in range(3):
        with closing(address.open()) as page:
            one = stream_cpu(peer, page, size.messages)
            with idle_readers(address, 9):
                ten = stream_cpu(peer, page, size.messages)
        costs.append(1e6 * one / size.messages)
        ratios.append(ten / one)
    return [
        ours("gateway CPU for an output with one page", "µs", costs),
        ours("gateway CPU for an output with ten pages", "x one page", ratios, 1.5),
    ]


def stream_cpu(peer: RoadPeer, page: Channel, messages: int) -> float:
    """Return the CPU seconds that the gateway needs for a cell with so many outputs."""
    before = cpu_seconds(peer.pid)
    outcome = page.execute(OUTPUTS.format(count=messages), PATIENCE_SECONDS)
    if outcome.outputs < 0.98 * messages:
        raise BenchError(f"only {outcome.outputs} of {messages} outputs have arrived")
    return cpu_seconds(peer.pid) - before


def opening(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Measure how long a page takes to open while the kernel runs a cell."""
    address, seconds = peer.address(kernel_id), []
    with closing(address.open()) as page:
        asked = page.submit(BUSY)
        hear(page, asked, "status")
        for _ in range(size.openings):
            begin = time.perf_counter()
            other = address.open()
            seconds.append(time.perf_counter() - begin)
            other.close()
    return [ours("opening a page of a busy kernel, p50", "ms", [1000 * one for one in seconds], 50)]


def hear(page: Channel, asked: str, kind: str) -> None:
    """Return when a message of this kind arrives that belongs to a request."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (message := page.receive(deadline)).kind != kind or message.parent != asked:
        pass


def hanging_up(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Count what is left of clients that hang up as soon as they have asked for a kernel's websocket."""
    with closing(peer.address(kernel_id).open()) as page:
        page.execute("1")
    head = "".join(f"{name}: {value}\r\n" for name, value in peer.headers.items())
    request = (
        f"GET /api/kernels/{kernel_id}/channels HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"{head}\r\n"
    ).encode()
    hang_up(peer, request, 20)  # what is made once, such as threads
    settle(peer, 0, 0)
    descriptors, tasks = peer.descriptors(), peer.tasks()
    hang_up(peer, request, size.hang_ups)
    settle(peer, descriptors, tasks)
    name = f"left after {size.hang_ups} clients that hang up"
    return [
        ours(name, "descriptors", [max(0, peer.descriptors() - descriptors)], 0),
        ours(name, "tasks", [max(0, peer.tasks() - tasks)], 0),
    ]


def hang_up(peer: RoadPeer, request: bytes, times: int) -> None:
    """Ask for a websocket and hang up, at once or after the first byte of the answer."""
    for number in range(times):
        with socket.create_connection(("127.0.0.1", peer.port), PATIENCE_SECONDS) as opened:
            opened.sendall(request)
            if number % 2:
                opened.recv(1)


def settle(peer: RoadPeer, descriptors: int, tasks: int) -> None:
    """Return once the gateway has at most so many descriptors and tasks, or none the less after a while."""
    deadline, lowest = time.monotonic() + 5, (peer.descriptors(), peer.tasks())
    while time.monotonic() < deadline and (lowest[0] > descriptors or lowest[1] > tasks):
        time.sleep(0.1)
        lowest = min(lowest[0], peer.descriptors()), min(lowest[1], peer.tasks())


def beside_large(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Measure another kernel's round trips while messages of 60 MB go to a kernel, and come from it."""
    other, rows = usable_kernel(peer), []
    with closing(peer.address(kernel_id).open()) as page:
        for direction in ("to", "from"):
            slower, slowest = list[float](), list[float]()
            for _ in range(size.large_turns):
                quiet, loud = round_trips(page, size.rounds), list[float]()
                with large_messages(peer.address(other), direction, size.large) as more:
                    while more():
                        loud += round_trips(page, 1)
                slower.append(statistics.mean(loud) / statistics.mean(quiet))
                slowest.append(1000 * max(loud))
            name = f"execute beside messages of 60 MB {direction} another kernel"
            rows.append(ours(f"{name}, mean", "x quiet", slower, 3))
            rows.append(ours(f"{name}, slowest", "ms", slowest))
    peer.stop_kernel(other)
    return rows


def round_trips(page: Channel, rounds: int) -> list[float]:
    """Return the seconds of so many round trips of the cell `1`."""
    return [page.execute("1").seconds for _ in range(rounds)]


def not_reading(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Measure how much the gateway's memory grows while a kernel prints and none of its six pages reads."""
    pages: list[WebSocketChannel] = []
    with ExitStack() as stack:
        for _ in range(6):
            pages.append(peer.address(kernel_id).open())
            stack.callback(pages[-1].shut_down)
        before = most = resident_megabytes(peer.pid)
        pages[0].submit(LINES.format(count=size.lines))
        while state(peer, kernel_id) != "busy":
            time.sleep(0.01)
        while state(peer, kernel_id) == "busy":
            most = max(most, resident_megabytes(peer.pid))
            time.sleep(0.01)
    note = f"six pages that do not read: the goal is max_backlog_bytes, {BUDGET_MB:.0f} MB, and 20 MB more"
    name = f"memory for {size.lines} MB that six pages do not read"
    return [ours(name, "MB", [most - before], round(BUDGET_MB) + 20, note)]


def state(peer: RoadPeer, kernel_id: str) -> str:
    """Return what the gateway says of a kernel."""
    return str(json.loads(peer.request("GET", f"/api/kernels/{kernel_id}")[1])["execution_state"])


def restarting(peer: RoadPeer, kernel_id: str, size: Size) -> list[Measure]:
    """Measure how soon after the next gateway is ready a page hears the cell that has gone on meanwhile."""
    address = peer.address(kernel_id)
    page: Channel = address.open()
    asked = page.submit(TICKS)
    seconds = []
    for _ in range(size.restarts):
        hear(page, asked, "stream")
        peer.die()
        page.close()
        peer.run()
        ready = time.monotonic()
        page = address.open()
        hear(page, asked, "stream")
        seconds.append(time.monotonic() - ready)
    page.close()
    return [ours("gateway ready again to output of the running cell", "s", seconds, 2)]
