"""What a notebook server does: HTTP with a token, and a kernel's channels over one websocket."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import requests
import websocket

from doubles import PATIENCE_SECONDS, GatewayProcess

NO_KERNEL = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Outcome:
    """An executed cell: the reply's content, and what was printed."""

    reply: dict[str, Any]
    text: str

    @property
    def error(self) -> str:
        """The name of the exception, "" if there was none."""
        return str(self.reply.get("ename", ""))


class Channels:
    """One open websocket of one kernel."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self.socket, self.session = socket, uuid.uuid4().hex
        # By the ids of this page's requests, messages that came while another one was waited for.
        self._others: dict[str, list[dict[str, Any]]] = {}

    def send(self, channel: str, kind: str, content: dict[str, Any]) -> str:
        """Send a message and return its id."""
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": kind,
            "session": self.session,
            "username": "root",
            "version": "5.3",
            "date": "2026-01-01T00:00:00Z",
        }
        whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        self.socket.send(json.dumps({**whole, "buffers": []}))
        self._others[str(header["msg_id"])] = []
        return str(header["msg_id"])

    def receive(
        self, wanted: Callable[[dict[str, Any]], Any], seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Return the first message that is wanted. Raises AssertionError when it does not come in time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                # With control frames: a ping would start the socket's time anew.
                kind, frame = self.socket.recv_data_frame(control_frame=True)
            except websocket.WebSocketTimeoutException:
                break
            if kind == websocket.ABNF.OPCODE_CLOSE:
                raise AssertionError("the gateway closed the websocket")
            if kind != websocket.ABNF.OPCODE_TEXT:
                continue
            message: dict[str, Any] = json.loads(frame.data)
            if wanted(message):
                return message
        raise AssertionError(f"no such message within {seconds} s")

    def ask(self, channel: str, kind: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the content of the reply to a request."""
        asked, reply = self.send(channel, kind, content or {}), kind.replace("_request", "_reply")
        answer = self.receive(lambda got: got["parent_header"].get("msg_id") == asked and got["msg_type"] == reply)
        content_of: dict[str, Any] = answer["content"]
        return content_of

    def start(self, code: str, *, stop_on_error: bool = False) -> str:
        """Send code and return the request's id."""
        quiet = {"silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
        return self.send("shell", "execute_request", {"code": code, "stop_on_error": stop_on_error, **quiet})

    def begin(self, code: str, *, stop_on_error: bool = False) -> str:
        """Send code and return the request's id once the kernel runs it."""
        asked = self.start(code, stop_on_error=stop_on_error)
        self.receive(
            lambda got: (
                (got["parent_header"].get("msg_id"), got["content"].get("execution_state")) == (asked, "busy")
            )
        )
        return asked

    def begin_running(self, code: str) -> str:
        """Send code and return the request's id once its lines run; an interrupt before leaves it unanswered."""
        asked = self.start(f"print('runs', flush=True)\n{code}")
        self.receive(lambda got: (got["parent_header"].get("msg_id"), got["msg_type"]) == (asked, "stream"))
        return asked

    def finish(self, asked: str, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Return what became of a request, once its reply and its last output are here."""
        replies: list[dict[str, Any]] = []
        texts: list[str] = []
        idle: list[bool] = []

        def take(got: dict[str, Any]) -> bool:
            parent = got["parent_header"].get("msg_id")
            if isinstance(parent, str) and parent in self._others:
                self._others[parent].append(got)
            elif parent == asked:
                content = got["content"]
                if got["msg_type"] == "execute_reply":
                    replies.append(content)
                elif got["msg_type"] == "stream":
                    texts.append(content["text"])
                elif got["msg_type"] == "status" and content["execution_state"] == "idle":
                    idle.append(True)
            return bool(replies and idle)

        # A cell's reply and its output come on two channels: output of the next cell may be here before it.
        if not any(take(got) for got in self._others.pop(asked, [])):
            try:
                self.receive(take, seconds)
            except AssertionError as error:
                raise AssertionError(f"{error}; replies {replies}, idle {bool(idle)}, text {texts}") from error
        return Outcome(replies[0], "".join(texts))

    def run(self, code: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Return what the code prints. Raises AssertionError if it fails."""
        outcome = self.finish(self.start(code), seconds)
        assert outcome.reply["status"] == "ok", outcome
        return outcome.text

    def closed(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return the status the gateway closes this websocket with (1006: no closing frame)."""
        return self.closed_with(seconds)[0]

    def closed_with(self, seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Return the status and the reason the gateway closes this websocket with."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
            while time.monotonic() < deadline:
                self.socket.settimeout(max(0.1, deadline - time.monotonic()))
                opcode, data = self.socket.recv_data()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    return int.from_bytes(data[:2], "big"), data[2:].decode()
            raise AssertionError(f"still open after {seconds} s")
        return 1006, ""


@dataclass(frozen=True)
class Caller:
    """Somebody who talks to a gateway with a token."""

    url: str
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def _headers(self) -> dict[str, str]:
        return {**({"Authorization": f"token {self.token}"} if self.token is not None else {}), **self.headers}

    def ask(self, method: str, path: str, **how: Any) -> requests.Response:
        """Return the answer of `/api/<path>`, or of an absolute path."""
        url = f"{self.url}{path if path.startswith('/') else f'/api/{path}'}"
        headers = {**self._headers(), **how.pop("headers", {})}
        return requests.request(method, url, headers=headers, timeout=how.pop("timeout", PATIENCE_SECONDS), **how)

    def post(self, name: str | None = "python-pod", **env: str) -> requests.Response:
        """Return the answer to a wish for a kernel."""
        return self.ask("POST", "kernels", json={"name": name, "env": env})

    def start(self, name: str = "python-pod", **env: str) -> str:
        """Return the id of a new kernel."""
        answer = self.post(name, **env)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ids(self) -> list[str]:
        """Return the ids of the kernels this caller sees."""
        return [model["id"] for model in self.ask("GET", "kernels").json()]

    def model(self, kernel_id: str) -> dict[str, Any]:
        """Return a kernel's model."""
        found: dict[str, Any] = self.ask("GET", f"kernels/{kernel_id}").json()
        return found

    @contextlib.contextmanager
    def channels(self, kernel_id: str, query: str = "") -> Iterator[Channels]:
        """Open a kernel's websocket. Raises websocket.WebSocketBadStatusException when it is refused."""
        url = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels{query}"
        headers = [f"{name}: {value}" for name, value in self._headers().items()]
        socket = websocket.create_connection(url, header=headers, timeout=PATIENCE_SECONDS)
        try:
            yield Channels(socket)
        finally:
            socket.shutdown()

    def run(self, kernel_id: str, code: str) -> str:
        """Return what code prints, over a websocket of its own."""
        with self.channels(kernel_id) as channels:
            return channels.run(code)


class Callers:
    """The people of a site, by the tokens that its hub knows."""

    gateway: GatewayProcess

    def by(self, token: str | None) -> Caller:
        """Return somebody with this token."""
        return Caller(self.gateway.url, token)

    @property
    def alice(self) -> Caller:
        """The user alice."""
        return self.by("alice-token")

    @property
    def bob(self) -> Caller:
        """The user bob."""
        return self.by("bob-token")

    @property
    def admin(self) -> Caller:
        """Carol, who holds the admin scope."""
        return self.by("admin-token")
