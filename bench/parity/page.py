"""A page of a notebook: one websocket of one kernel, and everything that has arrived over it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import websocket
from jupyter_server.base.zmqhandlers import deserialize_binary_message, serialize_binary_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Message = dict[str, Any]
PATIENCE_SECONDS = 30.0
SHOWN_CHARACTERS = 300
DATE = "2026-01-01T00:00:00Z"
CELL = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
REPLY_CHANNELS = frozenset({"shell", "control", "stdin"})


class Late(AssertionError):
    """Something did not happen in time, or can no longer happen."""


class Page:
    """A page. A thread of its own reads, so that a page always has what was sent to it."""

    def __init__(self, url: str, headers: dict[str, str], session: str) -> None:
        self.session = session
        self.messages: list[Message] = []
        self.closed: int | None = None
        """The status with which the other side has closed the websocket; 1006 if it only ended."""
        self._of: dict[str, list[Message]] = defaultdict(list)
        self._arrived = threading.Condition()
        fields = [f"{name}: {value}" for name, value in headers.items()]
        self.socket = websocket.create_connection(url, header=fields, timeout=PATIENCE_SECONDS)
        self.socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        status = 1006
        with contextlib.suppress(OSError, websocket.WebSocketException, ValueError, AttributeError):
            while True:
                kind, data = self.socket.recv_data()
                if kind == websocket.ABNF.OPCODE_CLOSE:
                    status = int.from_bytes(data[:2], "big") or 1005
                    break
                binary = kind == websocket.ABNF.OPCODE_BINARY
                self._take(deserialize_binary_message(data) if binary else json.loads(data))
        with self._arrived:
            self.closed = status
            self._arrived.notify_all()

    def _take(self, message: Message) -> None:
        with self._arrived:
            self.messages.append(message)
            self._of[str(message["parent_header"].get("msg_id"))].append(message)
            self._arrived.notify_all()

    def of(self, msg_id: str) -> list[Message]:
        """Return the messages that belong to a request."""
        with self._arrived:
            return list(self._of[msg_id])

    def wait(self, question: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return the first true answer; asked again when something arrives. Raises Late."""
        deadline = time.monotonic() + seconds
        with self._arrived:
            while not (answer := question()):
                left = deadline - time.monotonic()
                if self.closed is not None or left <= 0:
                    raise Late(f"the page was closed: no {what}" if self.closed else f"no {what}")
                self._arrived.wait(left)
        return answer

    def first(self, wanted: Callable[[Message], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Message:
        """Return the first message that is wanted, which may have arrived already. Raises Late."""
        found: Message = self.wait(
            lambda: next((one for one in self.messages if wanted(one)), None), what, seconds
        )
        return found

    def state(self, state: str, seconds: float = PATIENCE_SECONDS) -> Message:
        """Return the first message that says a state of the kernel itself, and not of a request."""
        return self.first(
            lambda one: one["content"].get("execution_state") == state and not one["parent_header"], state, seconds
        )

    def ask(
        self,
        kind: str,
        content: Message | None = None,
        channel: str = "shell",
        *,
        buffers: Sequence[bytes] = (),
        metadata: Message | None = None,
        subshell: str = "",
    ) -> Request:
        """Send a message and return the request that it is."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.session, "username": "u"}
        header |= {"date": DATE, "version": "5.4"} | ({"subshell_id": subshell} if subshell else {})
        message: Message = {
            "header": header,
            "parent_header": {},
            "metadata": metadata or {},
            "content": content or {},
        }
        message |= {"channel": channel, "buffers": list(buffers)}
        if buffers:
            self.socket.send_binary(serialize_binary_message(message))
        else:
            self.socket.send(json.dumps(message))
        return Request(self, header["msg_id"], kind)

    def cell(self, code: str, *, subshell: str = "", metadata: Message | None = None, **changes: Any) -> Request:
        """Send a cell as Lab does."""
        content = {**CELL, "code": code, **changes}
        return self.ask("execute_request", content, subshell=subshell, metadata=metadata)

    def run(self, code: str, **changes: Any) -> Request:
        """Send a cell and return it when it has ended."""
        return self.cell(code, **changes).wait()

    def answer(self, text: str) -> None:
        """Answer the kernel's question."""
        self.ask("input_reply", {"value": text, "status": "ok"}, "stdin")

    def leave(self) -> None:
        """Close the page as a browser does."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.socket.close(timeout=1)

    def drop(self) -> None:
        """End the page's connection without a word."""
        with contextlib.suppress(OSError, websocket.WebSocketException):
            if self.socket.sock is not None:
                self.socket.sock.shutdown(socket.SHUT_RDWR)  # closing alone waits for the thread that reads
            self.socket.shutdown()


class Request:
    """A request of a page, and what came of it."""

    def __init__(self, page: Page, msg_id: str, kind: str) -> None:
        self.page, self.msg_id, self.kind = page, msg_id, kind

    @property
    def messages(self) -> list[Message]:
        """All that has arrived of it."""
        return self.page.of(self.msg_id)

    def on(self, page: Page) -> Request:
        """Return the same request as another page sees it."""
        return Request(page, self.msg_id, self.kind)

    def replies(self) -> list[Message]:
        """Return its replies: one, unless something is wrong."""
        reply = self.kind.replace("_request", "_reply")
        return [one for one in self.messages if one["msg_type"] == reply]

    @property
    def reply(self) -> Message:
        """The content of its reply; empty if there is none."""
        return next((one["content"] for one in self.replies()), {})

    @property
    def states(self) -> list[str]:
        """The states that it brought the kernel into."""
        return [one["content"]["execution_state"] for one in self.messages if one["msg_type"] == "status"]

    @property
    def status(self) -> str:
        """The status of its reply, and the name of the error; "never ended" if the end is not here."""
        if not self.reply or "idle" not in self.states:
            return "never ended"
        return " ".join(filter(None, (self.reply.get("status"), self.reply.get("ename"))))

    def wait(self, seconds: float = PATIENCE_SECONDS) -> Request:
        """Return when the reply and the state idle are here. Raises Late."""
        self.page.wait(lambda: self.replies() and "idle" in self.states, f"end of {self.kind}", seconds)
        return self

    def replied(self, seconds: float = PATIENCE_SECONDS) -> Message:
        """Return the content of the reply when it is here. Raises Late."""
        self.page.wait(self.replies, f"reply to {self.kind}", seconds)
        return self.reply

    def running(self) -> Request:
        """Return when the kernel has begun with it."""
        self.page.wait(lambda: "busy" in self.states, f"begin of {self.kind}")
        return self

    def said(self, text: str, seconds: float = PATIENCE_SECONDS) -> Request:
        """Return when it has printed a text."""
        self.page.wait(lambda: text in self.text, f"output {text!r}", seconds)
        return self

    @property
    def text(self) -> str:
        """All that it has printed."""
        return "".join(one["content"]["text"] for one in self.messages if one["msg_type"] == "stream")

    @property
    def types(self) -> list[str]:
        """The types of its messages in their order, except for states and replies."""
        return [
            one["msg_type"]
            for one in self.messages
            if one["msg_type"] != "status" and one.get("channel") not in REPLY_CHANNELS
        ]

    @property
    def shown(self) -> list[str]:
        """What is shown in the cell, piece by piece."""
        pieces: list[str] = []
        for one in self.messages:
            kind, content = one["msg_type"], one["content"]
            if kind == "stream":
                begin = f"{content['name']}: "
                if pieces and pieces[-1].startswith(begin):
                    pieces[-1] += content["text"]
                else:
                    pieces.append(begin + content["text"])
            elif kind in {"display_data", "execute_result", "update_display_data"}:
                pieces.append(f"{kind}: {_bundle(content['data'])}")
            elif kind == "error":
                pieces.append(f"error: {content['ename']}: {content['evalue']}")
            elif kind == "clear_output":
                pieces.append(f"clear_output: wait={content['wait']}")
        return [_short(piece) for piece in pieces]

    @property
    def seen(self) -> dict[str, Any]:
        """The end and what is shown, as one observation."""
        return {"end": self.status, "shown": self.shown}


def _bundle(data: Message) -> str:
    return ", ".join(f"{name} {_short(value if isinstance(value, str) else json.dumps(value))}"
                     for name, value in sorted(data.items()))  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:40]}… ({len(text)} characters)"
