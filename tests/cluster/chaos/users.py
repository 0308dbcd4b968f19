"""A user who counts in notebooks, and notices when a number is wrong and nobody has said why."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket

from client import Caller, Channels
from doubles import FakeHub
from notebook_server import Server

# The longest that anything may take, whatever fails meanwhile.
BOUND_SECONDS = 120.0
AFTER_CUT_SECONDS = 30.0
MOST_NOTEBOOKS = 2
COUNT = "n += 1\nprint('count', n)"
PRINT = "import time\nfor line in range(20): print('line', line, flush=True); time.sleep(0.05)\n" + COUNT
# What the gateway, and the server, say of output that is lost.
TOLD = ("lost", "may be missing", "not shown")
ACTIONS = {"count": 10, "print": 4, "restart": 1, "end": 1, "open": 2, "reload": 2, "log out": 0.3}


class WrongError(AssertionError):
    """A promise was broken."""


class NoKernelError(Exception):
    """The notebook's kernel is not there any more."""


@dataclass
class Notebook:
    """A notebook: its kernel, its page, and what its counter may be."""

    path: str
    kernel_id: str
    counts: set[int] = field(default_factory=lambda: {0})
    """What the counter may be; several after a cell of which the user was told that its end is not known."""
    fresh: bool = True
    """Whether the kernel has no counter yet: it is new, or the user was told that it was started again or died."""


@dataclass
class Tally:
    """What users did, and how it went."""

    cells: int = 0
    told: int = 0
    refused: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)


class User(threading.Thread):
    """Acts until it is told to stop; never two things at a time."""

    def __init__(self, name: str, server: Server, hub: FakeHub, seed: int, tally: Tally) -> None:
        super().__init__(daemon=True, name=name)
        self.server, self._hub, self.tally = server, hub, tally
        self.computer = threading.Lock()
        """Held by who stops or starts the server."""
        self._random = random.Random(f"{seed} {name}")
        self._notebooks: list[Notebook] = []
        self._made = 0
        self.turn = threading.Lock()
        """Held while the user acts; who takes it finds them at rest."""
        self.stopped = threading.Event()

    def run(self) -> None:
        """Act again and again. The first broken promise ends the run."""
        while not self.stopped.is_set():
            with self.turn:
                try:
                    self._act()
                except WrongError as error:
                    self.tally.wrong.append(f"{self.name}: at {time.strftime('%H:%M:%S')}: {error}")
                    self.stopped.set()
            time.sleep(0.01)

    def _act(self) -> None:
        choices = list(ACTIONS)
        action = self._random.choices(choices, [ACTIONS[one] for one in choices])[0]
        began = time.monotonic()
        if not self._notebooks or (action == "open" and len(self._notebooks) < MOST_NOTEBOOKS):
            self._open()
        elif action == "log out":
            self._log_out()
        else:
            notebook = self._random.choice(self._notebooks)
            {"restart": self._restart, "end": self._end}.get(action, self._run)(notebook, action)
        took = time.monotonic() - began
        self.tally.longest = max(self.tally.longest, took)
        if took > BOUND_SECONDS + 10:
            raise WrongError(f"{action} took {took:.0f} s")

    def _ask(self, method: str, path: str, **how: Any) -> requests.Response:
        """Return the server's answer; the server itself may have been killed and started again."""
        deadline = time.monotonic() + BOUND_SECONDS
        while True:
            try:
                return self.server.caller.ask(method, path, timeout=BOUND_SECONDS, **how)
            except requests.ConnectionError:
                if time.monotonic() > deadline:
                    raise WrongError(f"{method} {path}: the server does not answer") from None
                time.sleep(0.2)
            except requests.Timeout:
                raise WrongError(f"{method} {path} was not answered in {BOUND_SECONDS:g} s") from None

    def _open(self) -> None:
        self._made += 1
        path = f"{self._made}.ipynb"
        wish = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python-pod"}}
        answer = self._ask("POST", "sessions", json=wish)
        if answer.status_code == 201:
            self._notebooks.append(Notebook(path, answer.json()["kernel"]["id"]))
        else:
            self._refused(answer)

    def _refused(self, answer: requests.Response) -> None:
        """Note a refusal, which must say why."""
        self.tally.refused += 1
        if len(answer.json().get("message") or "") < 10:
            raise WrongError(f"{answer.status_code} without a reason: {answer.text[:200]}")
        time.sleep(0.5)

    def _restart(self, notebook: Notebook, _: str) -> None:
        answer = self._ask("POST", f"kernels/{notebook.kernel_id}/restart")
        notebook.fresh = True
        if answer.status_code == 404:
            self._notebooks.remove(notebook)
        elif answer.status_code != 200:
            self._refused(answer)

    def _end(self, notebook: Notebook, _: str) -> None:
        answer = self._ask("DELETE", f"kernels/{notebook.kernel_id}")
        if answer.status_code in (204, 404):
            self._notebooks.remove(notebook)
        else:
            self._refused(answer)

    def _log_out(self) -> None:
        """Stop the server, and log in again when the gateway has ended the kernels, because the hub says so."""
        with self.computer:
            self.server.kill()
            self._hub.servers.discard(self.name)
            deadline = time.monotonic() + BOUND_SECONDS
            while self._kernels():
                if time.monotonic() > deadline:
                    raise WrongError("the kernels of a user who has logged out are not ended")
                time.sleep(0.2)
            self._notebooks.clear()
            self._hub.servers.add(self.name)
            self.server.start()

    def _kernels(self) -> list[str]:
        """Return the user's kernels at the gateway; anything, if it does not say."""
        try:
            return Caller(self.server.site.gateway.url, self.server.site.alice.token).ids()
        except (requests.RequestException, ValueError, TypeError):
            return ["unknown"]

    def _run(self, notebook: Notebook, action: str) -> None:
        code = ("n = 0\n" if notebook.fresh else "") + (PRINT if action == "print" else COUNT)
        if notebook.fresh:
            notebook.counts = {0}
        self.tally.cells += 1
        cell, began = _Cell(code), time.monotonic()
        while not cell.done:
            deadline = began + BOUND_SECONDS if cell.cut_at is None else cell.cut_at + AFTER_CUT_SECONDS
            if time.monotonic() > deadline:
                if cell.cut_at is None:
                    raise WrongError(f"{notebook.kernel_id}: a cell was not ended in {BOUND_SECONDS:g} s: {cell}")
                break  # it was on its way in the server, and was lost with it: who has waited runs it again
            try:
                socket = self._page(notebook)
            except NoKernelError:  # it has ended meanwhile, and so the user is told
                self._notebooks.remove(notebook)
                return
            if socket is not None:
                cell.follow(socket, deadline)
        self._judge(notebook, cell, 20 if action == "print" else 0)

    def _page(self, notebook: Notebook) -> websocket.WebSocket | None:
        """Return the websocket of the notebook's page; None if the server does not answer now."""
        url = f"{self.server.caller.url.replace('http', 'ws', 1)}/api/kernels/{notebook.kernel_id}"
        headers = ["Authorization: token server-token"]
        try:
            return websocket.create_connection(
                f"{url}/channels?session_id={notebook.path}", header=headers, timeout=BOUND_SECONDS
            )
        except websocket.WebSocketBadStatusException as error:
            if error.status_code == 404:
                raise NoKernelError from None
        except OSError:
            pass
        time.sleep(0.2)
        return None

    def _judge(self, notebook: Notebook, cell: _Cell, lines: int) -> None:
        """Compare what the cell printed with what it must have printed."""
        may_be = {count + 1 for count in notebook.counts}
        said = [text.split() for text in cell.text.splitlines()]
        counted = [int(words[1]) for words in said if words[:1] == ["count"] and len(words) == 2]
        printed = [int(words[1]) for words in said if words[:1] == ["line"] and len(words) == 2]
        told = cell.cut_at is not None or any(text in cell.text for text in TOLD)
        if told or cell.error or cell.dead:
            self.tally.told += 1
        if not cell.done or cell.dead or (cell.error and (cell.error != "NameError" or notebook.fresh)):
            # The user is told that the kernel died, or that the cell's end is not known.
            notebook.counts |= may_be
            if cell.dead or cell.error == "KernelEnded":
                self._restart(notebook, "")
            return
        if cell.error:
            raise WrongError(
                f"kernel {notebook.kernel_id} has forgotten its counter, and nobody has said so: {cell}"
            )
        notebook.fresh = False
        if counted and (len(counted) > 1 or counted[0] not in may_be):
            raise WrongError(f"kernel {notebook.kernel_id} counts {counted}, not one of {may_be}: {cell}")
        if not told and (not counted or printed != list(range(lines))):
            raise WrongError(f"kernel {notebook.kernel_id}: output is missing without a word: {cell}")
        notebook.counts = set(counted) or may_be


class _Cell:
    """A cell, over however many websockets of its page."""

    def __init__(self, code: str) -> None:
        self.code, self.asked = code, ""
        self.text, self.error = "", ""
        self.replied = self.idle = self.dead = False
        self.cut_at: float | None = None

    @property
    def done(self) -> bool:
        """Whether the user sees that it has ended."""
        return (self.replied and self.idle) or self.dead

    def __str__(self) -> str:
        return json.dumps({**vars(self), "code": self.code[-30:]})

    def follow(self, socket: websocket.WebSocket, deadline: float) -> None:
        """Read until the cell has ended, the page is cut off, or nothing more comes in time."""
        page = Channels(socket)
        try:
            if not self.asked:
                self.asked = page.start(self.code)
            page.receive(self._take, max(0.1, deadline - time.monotonic()))
        except (OSError, websocket.WebSocketException, AssertionError):
            if time.monotonic() < deadline - 1:
                self.cut_at = time.monotonic()  # the page has lost its server, and shows that
        finally:
            with contextlib.suppress(OSError):
                socket.shutdown()

    def _take(self, got: dict[str, Any]) -> bool:
        content, mine = got["content"], got["parent_header"].get("msg_id") == self.asked
        if got["msg_type"] == "status" and content["execution_state"] in ("dead", "restarting"):
            self.dead = True
        elif mine and got["msg_type"] == "stream":
            self.text += content["text"]
        elif mine and got["msg_type"] == "execute_reply":
            self.replied = True
            self.error = str(content.get("ename", "")) if content["status"] != "ok" else ""
        elif mine and got["msg_type"] == "status" and content["execution_state"] == "idle":
            self.idle = True
        return self.done
