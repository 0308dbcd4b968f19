"""One page's place in a kernel's backlog: what it has received, and what it has lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kernelpod.gateway.channels.backlog import Backlog, Entry
from kernelpod.gateway.channels.receipts import Receipts
from kernelpod.gateway.channels.wire import Frame

# Bytes given to a page's websocket that it has not sent yet. Everything else waits in the backlog, once for all.
IN_FLIGHT_BYTES = 1024 * 1024
# Pages that are gone are remembered, in case they come back, up to this number.
MOST_AWAY = 8
# How long messages of a kernel that was found again are kept for the pages that the gateway before had.
RETURN_SECONDS = 60
# Stands for these pages; no page has this session.
RETURNING = ""

log = logging.getLogger(__name__)

Write = Callable[[Frame], "asyncio.Future[None]"]
"""Writes a frame. The future is done when it is sent; frames that are written together have the same future."""
Close = Callable[[int, str], None]
Notice = Callable[[int, bytes], Frame]
Count = int | None
"""How many frames a page has received; 0: it begins to count; None: it does not count."""


@dataclass
class _Writing:
    """Frames that are written together: their future, their size in bytes, and the number of the last message."""

    written: asyncio.Future[None]
    write: Write
    size: int
    number: int


class Subscriber:
    """A page under its session. It stays while the page is away, so that the page can go on where it was."""

    def __init__(self, backlog: Backlog, session: str, notice: Notice, caught_up: Callable[[], None]) -> None:
        """`notice` makes the output that says how many bytes are not shown, in the cell with this parent header.

        `caught_up` is called when the page's websocket has sent everything that it was given.
        """
        self.session = session
        self.sent = backlog.last
        """The number of the last message that the page's websocket has sent."""
        self.given = backlog.last
        """The number of the last message that the websocket was given, or that is not for this page."""
        self._backlog, self._notice, self._caught_up = backlog, notice, caught_up
        self._write: Write | None = None
        self._close: Close | None = None
        self._in_flight = 0
        self._writing: _Writing | None = None
        self._lost_bytes = 0
        self._lost_parent = b"{}"
        self._receipts: Receipts | None = None

    @property
    def attached(self) -> bool:
        """Whether the page is connected."""
        return self._write is not None

    @property
    def needed(self) -> int:
        """The number of the last message that the page does not need any more, also if it is cut off now."""
        return self.sent if self._receipts is None or self._receipts.complete else self._receipts.confirmed

    def attach(self, write: Write, close: Close, count: Count = None) -> None:
        """Send to the page with `write`, whose future is done when the websocket has sent the frame.

        A page that counts frames goes on after those that it has received, as far as they are still known.
        """
        if self._receipts is not None and count is not None and count > 0:
            self.sent, lost = self._receipts.resume(count, self._backlog.has)
            self.given = self.sent
            self._lost_bytes += lost
        self._receipts = None if count is None else Receipts(count, self.sent)
        self._write, self._close, self._in_flight = write, close, 0

    def confirm(self, count: int) -> None:
        """Note that the page has received so many frames."""
        if self._receipts is not None:
            self._receipts.confirm(count)
            self._caught_up()

    def begin_with(self, other: Subscriber, after: int | None = None) -> None:
        """Begin where another page is, with its losses, or after a later message."""
        self.sent = self.given = other.given
        self._lost_bytes, self._lost_parent = other._lost_bytes, other._lost_parent
        if after is not None and after > other.given:
            self.skip(after)

    def skip(self, number: int) -> None:
        """Go on after a message, if the page is not there yet. What was lost before is forgotten."""
        if number > self.given:
            self.sent = self.given = number
            self._lost_bytes, self._lost_parent = 0, b"{}"

    @property
    def has_lost(self) -> bool:
        """Whether output was dropped that the page has not received."""
        return bool(self._lost_bytes)

    def detach(self, write: Write) -> bool:
        """Send nothing until the page comes back. Return False if it is already back, with another `write`."""
        if self._write != write:
            return False
        self._write = self._close = None
        self.given = self.sent
        return True

    def close(self, status: int, reason: str) -> None:
        """Close the page's websocket, if there is one."""
        close, self._write, self._close = self._close, None, None
        self.given = self.sent
        if close is not None:
            close(status, reason)

    def pump(self) -> None:
        """Send the page what it has not received, as far as its websocket takes it."""
        while self._write is not None and self._in_flight < IN_FLIGHT_BYTES:
            entry = self._backlog.after(self.given)
            if entry is None:
                break
            self.given = entry.number
            if entry.to is not None and entry.to != self.session:
                continue
            if self._lost_bytes:
                lost, self._lost_bytes = self._lost_bytes, 0
                self._send(self._notice(lost, self._lost_parent), self.sent)
            self._send(entry.frame, entry.number)
        if self._write is not None and not self._in_flight:
            self.sent = self.given

    def lose(self, entry: Entry) -> bool:
        """Note that a message was dropped. Return True if it is the first that this page loses.

        It is no loss if the page has been given the message, or does not need it.
        """
        if entry.number <= self.given or entry.to not in (None, self.session):
            return False
        first = not self._lost_bytes
        self._lost_bytes += entry.size
        self._lost_parent = entry.parent
        return first

    def _send(self, frame: Frame, number: int) -> None:
        assert self._write is not None  # noqa: S101 - for the type checker
        size = len(frame.data)
        self._in_flight += size
        if self._receipts is not None:
            self._receipts.sent(number, size)
        written = self._write(frame)
        if self._writing is not None and self._writing.written is written:
            self._writing.size += size
            self._writing.number = number
        else:
            writing = self._writing = _Writing(written, self._write, size, number)
            written.add_done_callback(lambda _: self._sent(writing))

    def _sent(self, writing: _Writing) -> None:
        if self._writing is writing:
            self._writing = None
        done = writing.written
        if done.cancelled() or done.exception() is not None or self._write != writing.write:
            return
        full = self._in_flight >= IN_FLIGHT_BYTES
        self._in_flight -= writing.size
        self.sent = max(self.sent, writing.number)
        if full:  # otherwise nothing waits, or only for what comes within milliseconds; see `pace.py`
            self.pump()
        if not self._in_flight:
            self.sent = self.given
            self._caught_up()


class Subscribers:
    """All pages of one kernel, connected or away."""

    def __init__(self, kernel_id: str, backlog: Backlog, notice: Notice, caught_up: Callable[[], None]) -> None:
        """See Subscriber."""
        self._kernel_id, self._backlog, self._notice, self._caught_up = kernel_id, backlog, notice, caught_up
        self._pages: dict[str, Subscriber] = {}

    def __iter__(self) -> Iterator[Subscriber]:
        """Return the pages at this moment."""
        return iter(list(self._pages.values()))

    def attached(self, session: str) -> bool:
        """Return whether a page is connected."""
        return session in self._pages and self._pages[session].attached

    def attach(
        self, session: str, write: Write, close: Close, count: Count = None, after: int | None = None
    ) -> Subscriber:
        """Attach a page and send it what it has not received since it was there last.

        A page of another gateway goes on after the message `after`; None: with all that is kept.
        """
        page = self._pages.get(session)
        if page is None:
            page = self._pages[session] = self._new(session)
            if RETURNING in self._pages:
                page.begin_with(self._pages[RETURNING], after)
        elif page.attached:
            log.info("kernel %s: a page has connected again and replaces its old connection", self._kernel_id)
            page.close(1001, "the same page has connected again")
        page.attach(write, close, count)
        away = [one for one in self if not one.attached]
        for forgotten in away[:-MOST_AWAY]:
            del self._pages[forgotten.session]
        page.pump()
        return page

    def leave(self, page: Subscriber, write: Write) -> bool:
        """Detach a page, and return whether it is gone; it is not if it has already come back."""
        if not page.detach(write):
            return False
        if page.session in self._pages:
            # The last to leave is the last to be forgotten.
            self._pages[page.session] = self._pages.pop(page.session)
        return True

    def pump(self) -> None:
        """Send each page what it has not received, as far as its websocket takes it."""
        for page in self:
            page.pump()

    @property
    def returning(self) -> bool:
        """Whether pages may come that another gateway had."""
        return RETURNING in self._pages

    @property
    def has_all(self) -> bool:
        """Whether nothing was dropped of what these pages may want."""
        return RETURNING in self._pages and not self._pages[RETURNING].has_lost

    def keep(self, after: int = 0) -> None:
        """Keep what comes from now on, without what comes up to the message `after`, for pages that may come."""
        if RETURNING not in self._pages:
            self._pages[RETURNING] = self._new(RETURNING)
        self._pages[RETURNING].skip(after)

    def expect_return(self) -> None:
        """Keep what comes from now on, for a while, for pages that are not known yet."""
        self.keep()
        asyncio.get_running_loop().call_later(RETURN_SECONDS, self._expect_no_more)

    def _expect_no_more(self) -> None:
        self._pages.pop(RETURNING, None)
        self._caught_up()

    def _new(self, session: str) -> Subscriber:
        return Subscriber(self._backlog, session, self._notice, self._caught_up)
