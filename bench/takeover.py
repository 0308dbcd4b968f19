"""The gateway that leads is killed while cells print, and another one stands by.

Pages do what users' servers do: they connect again to whichever gateway answers, say what they had, and ask what
has become of their cells.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import websocket
import yaml

from bench.ours import OursPeer
from bench.peers import READY_SECONDS, VENV
from bench.processes import BenchError, end, free_port, spawn, tail
from bench.road import ours
from bench.turns import say
from kernelpod.base.headers import COMEBACK, IN_ORDER

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from bench.client import WebSocketAddress
    from bench.table import Measure

PAUSE_SECONDS = 0.05
KILL_AFTER_SECONDS = 2.0
PATIENCE_SECONDS = 60
PRINT = "import time\nfor line in range({count}): print(line, flush=True); time.sleep({pause})"
LISTENS = "this gateway listens to it"


@dataclass(frozen=True)
class Size:
    """The amount of work."""

    kernels: int = 30
    kills: int = 2


SMALL = Size(4, 1)


class PairPeer(OursPeer):
    """Two gateways for the same kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[int] = []
        self._gateways: dict[int, subprocess.Popen[bytes]] = {}

    def settings(self) -> dict[str, Any]:
        made = super().settings()
        made["gateway"] |= {"stop_kernels_on_exit": False, "replicated": True}
        return made

    def start(self) -> None:
        super().start()
        self.ports = [self.port, free_port()]
        assert self._process is not None
        self._gateways = {self.port: self._process}
        self.run_again()

    def log(self, port: int) -> Path:
        """Return the log of the gateway on a port."""
        return self.folder / f"log-{port}"

    def run_again(self) -> None:
        """Start those gateways that do not run, and return when they answer."""
        for port in self.ports:
            if port in self._gateways:
                continue
            file = self.folder / f"settings-{port}.yaml"
            settings = self.settings()
            settings["gateway"]["port"] = port
            file.write_text(yaml.safe_dump(settings), encoding="utf-8")
            command = [str(VENV / "kernelpod"), "gateway", "--settings", str(file)]
            self._gateways[port] = spawn(command, self.environment(), self.log(port))
            deadline = time.monotonic() + READY_SECONDS
            self.port = port
            while not self._ready():
                if time.monotonic() > deadline:
                    raise BenchError(f"the gateway on port {port} did not start:\n{tail(self.log(port))}")
                time.sleep(0.05)

    def kill_leader(self) -> None:
        """Kill the gateway that leads, and talk to the other one from now on."""
        lease = (self.folder / "k.lease").read_text(encoding="ascii")
        port = int(lease.rpartition(":")[2])
        killed = self._gateways.pop(port)
        killed.kill()
        killed.wait()
        self.port = next(iter(self._gateways))

    def stop(self) -> None:
        with contextlib.suppress(OSError, BenchError, ValueError):
            for model in json.loads(self.request("GET", "/api/kernels")[1]):
                self.stop_kernel(model["id"])
        for process in self._gateways.values():
            end(process)
        self._gateways, self._process = {}, None
        super().stop()


class Page:
    """One page with one cell, over however many websockets."""

    def __init__(self, addresses: Sequence[WebSocketAddress], count: int) -> None:
        self._addresses, self.count = addresses, count
        # As those of Lab: no two pages or requests have the same.
        self._session, self._cell = uuid.uuid4().hex, uuid.uuid4().hex
        self._question = ""
        self._had: list[str] = []
        self._cut: float | None = None
        self.away_seconds = 0.0
        self.lines: list[str] = []
        self.ended = self.replied = self.lost = False

    def run(self, begun: threading.Barrier) -> None:
        """Run the cell to its end."""
        code = PRINT.format(count=self.count, pause=PAUSE_SECONDS)
        content = {"code": code, "silent": False, "stop_on_error": False}
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = False
        while not ((self.ended and self.replied) or self.lost):
            if time.monotonic() > deadline:
                raise BenchError(f"a cell did not end: {len(self.lines)} of {self.count} lines")
            try:
                with contextlib.closing(self._open()) as channel:
                    if not asked:
                        begun.wait()
                        self._send(channel, self._cell, "execute_request", content)
                        asked = True
                    else:
                        self._question = uuid.uuid4().hex
                        self._send(channel, self._question, "kernel_info_request", {}, **{IN_ORDER: True})
                    self._read(channel)
            except (OSError, websocket.WebSocketException):
                self._cut = self._cut or time.monotonic()
                time.sleep(0.05)

    def _open(self) -> websocket.WebSocket:
        away = time.monotonic() - self._cut if self._cut else 0
        told = {"had": self._had[-20:], "open": [] if self.replied else [self._cell], "away_seconds": away}
        for address in self._addresses:
            headers = {**address.headers, COMEBACK: json.dumps(told)}
            with contextlib.suppress(ConnectionError):
                url = f"{address.url}?session_id={self._session}&received=0"
                return websocket.create_connection(
                    url, timeout=PATIENCE_SECONDS, header=headers, skip_utf8_validation=True
                )
        raise ConnectionError("no gateway answers")

    def _send(
        self, channel: websocket.WebSocket, msg_id: str, kind: str, content: dict[str, Any], **more: Any
    ) -> None:
        header = {
            "msg_id": msg_id,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "version": "5.3",
            **more,
        }
        header["date"] = "2026-01-01T00:00:00Z"
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}
        channel.send(json.dumps({**message, "channel": "shell"}))

    def _read(self, channel: websocket.WebSocket) -> None:
        while not (self.ended and self.replied):
            data = channel.recv()
            if not data:
                raise ConnectionError("the websocket was closed")
            message = json.loads(data)
            self._had.append(message["header"]["msg_id"])
            kind, parent = message["header"]["msg_type"], message["parent_header"].get("msg_id")
            if parent == self._question and kind == "kernel_info_reply":
                self.lost = not self.replied
                if self.lost:
                    self._note_time_away()
                    return
            if parent != self._cell:
                continue
            self._note_time_away()
            if kind == "stream":
                self.lines += message["content"]["text"].split()
            self.replied = self.replied or kind == "execute_reply"
            self.ended = self.ended or message["content"].get("execution_state") == "idle"

    def _note_time_away(self) -> None:
        if self._cut is not None:
            self.away_seconds, self._cut = time.monotonic() - self._cut, None


def measure(peer: PairPeer, size: Size) -> list[Measure]:
    """Return the figures of a leader that is killed, over all pages of all kills."""
    say("two gateways: starting")
    peer.start()
    kernels = [peer.start_kernel() for _ in range(size.kernels)]
    pages: list[Page] = []
    for _ in range(size.kills):
        _listened(peer, kernels)
        pages += _killed(peer, kernels)
        peer.run_again()
    return figures(pages, f"{size.kernels} kernels, whose cells print and end meanwhile")


def figures(pages: Sequence[Page], said: str, *, alone: bool = False) -> list[Measure]:
    """Return the rows of pages whose leader was killed, or whose only gateway: what it alone heard is lost."""
    who = "the only gateway is killed" if alone else "a leader is killed"
    seconds, cells = (None, None) if alone else (2, 0)
    missing = sum(page.lines != [str(line) for line in range(page.count)] for page in pages)
    away = sorted(page.away_seconds for page in pages if page.away_seconds)
    return [
        ours(f"{who}: page without output, p50", "s", away, seconds, said),
        ours(f"{who}: page without output, longest", "s", [max(away)], seconds),
        ours(f"{who}: cells without their reply", "cells", [sum(page.lost for page in pages)], cells),
        ours(f"{who}: cells that miss output", "cells", [missing], cells),
    ]


def _listened(peer: PairPeer, kernels: Sequence[str]) -> None:
    """Return when each gateway runs or hears every kernel."""
    deadline = time.monotonic() + READY_SECONDS
    logs = [peer.folder / "log", *(peer.log(port) for port in peer.ports)]
    while True:
        said = "".join(log.read_text(encoding="utf-8") for log in logs if log.exists())
        if all(f"kernel {kernel_id}: {LISTENS}" in said for kernel_id in kernels):
            return
        if time.monotonic() > deadline:
            raise BenchError("the gateway that stands by does not hear every kernel")
        time.sleep(0.1)


def _killed(peer: PairPeer, kernels: Sequence[str]) -> list[Page]:
    addresses = []
    for kernel_id in kernels:
        both = []
        for port in peer.ports:
            peer.port = port
            both.append(peer.address(kernel_id))
        addresses.append(both)
    return through_a_kill(addresses, peer.kill_leader)


def through_a_kill(addresses: Sequence[Sequence[WebSocketAddress]], kill: Callable[[], None]) -> list[Page]:
    """Return pages, one for each kernel with its address at all gateways; `kill` comes while their cells print."""
    pages = []
    for number, both in enumerate(addresses):
        turned = [*both[number % 2 :], *both[: number % 2]]
        pages.append(Page(turned, 30 + 60 * number // len(addresses)))
    begun = threading.Barrier(len(pages) + 1)
    with ThreadPoolExecutor(len(pages)) as pool:
        runs = [pool.submit(page.run, begun) for page in pages]
        begun.wait(PATIENCE_SECONDS)
        time.sleep(KILL_AFTER_SECONDS)
        kill()
        for run in runs:
            run.result()
    return pages
