"""Pages that come from another gateway, which has ended: what they have had, and what they still wait for.

This gateway has listened to the kernel meanwhile. It has not heard the replies, which went to the other one, but
output and states say how a cell ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from kernelpod.gateway.channels import wire

# How long output is kept of a kernel that another gateway runs, in case that gateway ends.
KEEP_SECONDS = 30
# How much earlier a gateway may have stopped to send than its pages have noticed.
UNNOTICED_SECONDS = 5
# Pages that say nothing of themselves go on with what came since so long before the other gateway was missed.
RECENT_SECONDS = 1
# How long the answer to a page's question waits for the output before it.
OUTPUT_SECONDS = 2
MOST_CELLS = 1000
MOST_CELLS_BYTES = 256 * 1024
# A larger message is not read for what a cell's reply says.
MOST_READ_BYTES = 64 * 1024
TOO_LONG = b'{"ename": "Error", "evalue": "The error is in the output of the cell.", "traceback": []}'
MOST_IDS = 50


class Comeback(BaseModel):
    """What a page says of itself when it connects."""

    had: tuple[str, ...] = Field((), max_length=MOST_IDS)
    """The ids of some of the last messages that it has received."""
    open: tuple[str, ...] = Field((), max_length=MOST_IDS)
    """The ids of its cells that have no reply."""
    away_seconds: float = Field(0, ge=0, allow_inf_nan=False)
    """How long it was not connected."""


def read_comeback(text: str | None) -> Comeback:
    """Return what a page says; a page that says nothing, or nothing of use, is treated as one without a past."""
    try:
        return Comeback.model_validate_json(text or "{}")
    except ValidationError:
        return Comeback()


@dataclass
class _Cell:
    parent: bytes
    begun: bool = False
    count: int | None = None
    error: bytes = b""
    ended: bool = False
    aborted: bool = False
    reply: int = 0
    """The number of the kernel's own reply, if it has come."""

    @property
    def size(self) -> int:
        """The number of bytes, with its id, which is in the parent header as well."""
        return 2 * len(self.parent) + len(self.error)


class Outcomes:
    """How cells have ended, by the kernel's output. Of the newest ones some are remembered."""

    def __init__(self) -> None:
        self._cells: OrderedDict[str, _Cell] = OrderedDict()
        self._failed = False
        self.size = 0
        """The size of all cells in bytes."""

    def hear(self, message: wire.FromKernel) -> None:
        """Note a message of the kernel's output. Raises NotAMessageError."""
        if message.msg_type not in ("execute_input", "error", "status"):
            return
        parent = message.parent()
        if parent.get("msg_type") != "execute_request" or len(message.parts[wire.PARENT]) > MOST_READ_BYTES:
            return
        msg_id, said = str(parent.get("msg_id")), message.parts[wire.CONTENT]
        cell = self._cells.pop(msg_id, None)
        if cell is None:
            cell = _Cell(message.parts[wire.PARENT])
        else:
            self.size -= cell.size
        if message.msg_type == "execute_input":
            cell.begun, cell.count, self._failed = True, _count(said), False
        elif message.msg_type == "error":
            cell.error, self._failed = said if len(said) <= MOST_READ_BYTES else TOO_LONG, True
        else:
            cell.ended = message.content().get("execution_state") == "idle"
            # A kernel aborts cells that wait when one fails. It says their states, and nothing else of them.
            cell.aborted = self._failed and not (cell.begun or cell.error)
        self._cells[msg_id] = cell
        self.size += cell.size
        while len(self._cells) > MOST_CELLS or self.size > MOST_CELLS_BYTES:
            self.size -= self._cells.popitem(last=False)[1].size

    def replied(self, msg_id: str, number: int) -> None:
        """Note the number of the kernel's own reply to a cell."""
        if (cell := self._cells.get(msg_id)) is not None:
            cell.reply = number

    def own_reply(self, msg_id: str) -> int:
        """Return the number of the kernel's own reply to a cell; 0 if none has come."""
        cell = self._cells.get(msg_id)
        return cell.reply if cell else 0

    def reply(self, msg_id: str) -> tuple[dict[str, Any], bytes] | None:
        """Return what the kernel will have replied to a cell, and the cell's header; None if it has not ended."""
        cell = self._cells.get(msg_id)
        if cell is None or not cell.ended:
            return None
        told: dict[str, Any] = {"status": "aborted" if cell.aborted else "ok"}
        if cell.error:
            error = _read(cell.error)
            told = {"status": "error", **{name: error.get(name) for name in ("ename", "evalue", "traceback")}}
        return {**told, "execution_count": cell.count, "user_expressions": {}, "payload": []}, cell.parent


def _read(content: bytes) -> dict[str, Any]:
    """Return a content, or nothing if it is none: it is passed on nevertheless."""
    try:
        return wire.parsed(content)
    except wire.NotAMessageError:
        return {}


def _count(content: bytes) -> int | None:
    """Return the number of a cell that begins. Its code may be long."""
    count = _read(content).get("execution_count") if len(content) <= MOST_READ_BYTES else None
    return count if isinstance(count, int) else None


def _nothing() -> None:
    """Stand for an answer that has not come yet."""


@dataclass
class _Question:
    session: str
    pass_on: Callable[[], None] = _nothing
    answered: bool = False
    output_ended: bool = False


class Comebacks:
    """What one kernel has said of late, by the numbers of messages, and what pages wait for that come back."""

    def __init__(self, reply: Callable[[str, dict[str, Any], bytes], None]) -> None:
        """`reply` is called with a page's session, the reply to one of its cells and the cell's header."""
        self._reply = reply
        self._marks: deque[tuple[float, int]] = deque()
        self._cut_off_at = 0
        self._open: dict[str, set[str]] = {}
        self._questions: dict[str, _Question] = {}
        self.outcomes = Outcomes()

    def cut_off(self, number: int) -> None:
        """Note that some messages after this one were not heard."""
        self._cut_off_at = number

    def listen_anew(self) -> None:
        """Forget when there were which messages, because some were not heard."""
        self._marks.clear()

    def mark(self, number: int) -> int:
        """Note the newest message now. Return the newest of those that are too old to be kept."""
        now, old = time.monotonic(), 0
        self._marks.append((now, number))
        while len(self._marks) > 1 and self._marks[1][0] < now - KEEP_SECONDS:
            self._marks.popleft()
        if self._marks[0][0] < now - KEEP_SECONDS:
            old = self._marks[0][1]
        return old

    def recent(self) -> int:
        """Return the number of the last message before the gateway that has ended was missed."""
        since = self._marks[-1][0] - RECENT_SECONDS if self._marks else 0
        return next((number for at, number in reversed(self._marks) if at <= since), 0)

    def has_heard(self, comeback: Comeback, newest: int | None, since: float | None) -> bool:
        """Return whether all was heard that the kernel has said since the page was cut off.

        `newest` is the number of the last message that the page has had, if it is known; `since` is when this
        gateway was connected to the kernel's output, by time.monotonic(), None if it is not connected now.
        """
        if since is None:
            return False
        heard_seconds = min(KEEP_SECONDS, time.monotonic() - since)
        return (newest or 0) > self._cut_off_at or comeback.away_seconds + UNNOTICED_SECONDS < heard_seconds

    def expect(self, session: str, comeback: Comeback, gets: Callable[[int], bool]) -> None:
        """Note which replies a page waits for. It `gets` those with some numbers, which have come."""
        if cells := {one for one in comeback.open if not gets(self.outcomes.own_reply(one))}:
            self._open[session] = cells

    def replied(self, msg_id: str, number: int) -> None:
        """Note that the kernel's own reply has come, with this number."""
        self.outcomes.replied(msg_id, number)
        for waiting in self._open.values():
            waiting.discard(msg_id)

    def forget(self, session: str) -> None:
        """Forget what a page waits for, because it has left. It will say so again."""
        self._open.pop(session, None)
        for msg_id in [msg_id for msg_id, question in self._questions.items() if question.session == session]:
            self._questions.pop(msg_id).pass_on()

    def asked_in_order(self, session: str, msg_id: str) -> None:
        """Note a page's question, its only one: before its answer the page wants to know of its cells."""
        if cells := self._open.get(session):
            self.forget(session)
            self._open[session], self._questions[msg_id] = cells, _Question(session)

    def holds(self, msg_id: str, pass_on: Callable[[], None]) -> bool:
        """Return whether this is the answer to such a question, which is passed on after all output before it."""
        question = self._questions.get(msg_id)
        if question is None:
            return False
        question.pass_on, question.answered = pass_on, True
        if question.output_ended:
            self._answer(msg_id)
        else:
            asyncio.get_running_loop().call_later(OUTPUT_SECONDS, self._answer, msg_id)
        return True

    def output_ended(self, msg_id: str) -> None:
        """Note that all output of a request has come.

        If it is a question whose answer has not, a cell's own reply may still come before that.
        """
        if question := self._questions.get(msg_id):
            question.output_ended = True
            if question.answered:
                self._answer(msg_id)

    def _answer(self, question: str) -> None:
        """Reply to the page's cells that have ended, since the kernel will not; then answer its question."""
        if found := self._questions.pop(question, None):
            for msg_id in self._open.pop(found.session, ()):
                if (reply := self.outcomes.reply(msg_id)) is not None:
                    self._reply(found.session, *reply)
            found.pass_on()
