"""What the pages of one kernel are sent, within the kernel's budget in bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from kernelpod.base.logs import Seldom
from kernelpod.gateway.channels import wire
from kernelpod.gateway.channels.backlog import Backlog
from kernelpod.gateway.channels.pace import Pace
from kernelpod.gateway.channels.subscriber import Close, Count, Subscriber, Subscribers, Write
from kernelpod.gateway.channels.voice import Voice
from kernelpod.settings.sections import Gateway

log = logging.getLogger(__name__)


class Output:
    """The messages of one kernel, and of the gateway in its name, until every page has them."""

    def __init__(self, kernel_id: str, session: Any, limits: Gateway, resized: Callable[[], None]) -> None:
        """`session` makes headers. `resized` is called when more waits, or less."""
        self._limits, self._resized = limits, resized
        self._seldom = Seldom(log, f"kernel {kernel_id}: ")
        self._backlog = Backlog()
        self.voice = Voice(session, self.append)
        self._subscribers = Subscribers(kernel_id, self._backlog, self.voice.not_shown, self.trim)
        self._pace = Pace(self._subscribers.pump, lambda: self.pages)

    @property
    def size(self) -> int:
        """How many bytes wait."""
        return self._backlog.size

    @property
    def last(self) -> int:
        """The number of the newest message."""
        return self._backlog.last

    def newest(self, msg_ids: Collection[str]) -> int | None:
        """Return the number of the newest message that has one of these ids; None if there is none."""
        return self._backlog.newest(msg_ids)

    def has(self, number: int, *, after: int) -> bool:
        """Return whether the message of this number is among those after another one that were not dropped."""
        return number > after and self._backlog.has(number)

    def pass_on(
        self, channel: str, message: wire.FromKernel, *, to: str | None = None, kept: bool = False
    ) -> None:
        """Send the kernel's message to the page with the session `to`; None: to all."""
        frame, parent = wire.to_page(channel, message), message.parts[wire.PARENT] or b"{}"
        msg_id = message.msg_id if channel == "iopub" else ""
        self.append(frame, to=to, kept=kept, parent=parent, msg_id=msg_id)

    def append(
        self,
        frame: wire.Frame,
        *,
        to: str | None = None,
        kept: bool = False,
        parent: bytes = b"{}",
        msg_id: str = "",
    ) -> None:
        """Send a frame; see Entry."""
        self._backlog.append(frame, to=to, kept=kept, parent=parent, msg_id=msg_id)
        self._pace.add(len(frame.data), at_once=kept)
        self.trim()

    def trim(self) -> None:
        """Forget what every page has received, and keep the rest within its limit."""
        newest, subscribers = self._backlog.last, list(self._subscribers)
        self._backlog.forget(min((one.needed for one in subscribers), default=newest))
        behind = any(one.attached and one.given < newest for one in subscribers)
        self.drop(self._limits.max_backlog_bytes if behind else self._limits.max_offline_bytes)
        self._resized()

    def drop(self, limit: int) -> None:
        """Drop output until at most `limit` bytes wait."""
        for entry in self._backlog.drop(limit):
            for subscriber in self._subscribers:
                if subscriber.lose(entry):
                    self._seldom.say(logging.INFO, "a page reads too slowly or is away, and loses output")

    # Pages

    def attach(
        self, session: str, write: Write, close: Close, count: Count = None, after: int | None = None
    ) -> Subscriber:
        """Attach a page; see Subscribers."""
        return self._subscribers.attach(session, write, close, count, after)

    def leave(self, subscriber: Subscriber, write: Write) -> None:
        """Detach a page that is gone, and remember how far it has read, unless it has already come back."""
        if self._subscribers.leave(subscriber, write):
            self.trim()

    @property
    def pages(self) -> int:
        """The number of pages that are connected."""
        return sum(one.attached for one in self._subscribers)

    def attached(self, session: str) -> bool:
        """Return whether a page is connected."""
        return self._subscribers.attached(session)

    # Pages of another gateway

    @property
    def returning(self) -> bool:
        """Whether pages may come that another gateway had."""
        return self._subscribers.returning

    @property
    def has_all(self) -> bool:
        """Whether nothing was dropped of what these pages may want."""
        return self._subscribers.has_all

    def keep(self, after: int) -> None:
        """Keep what has come after this message, for these pages."""
        self._subscribers.keep(after)
        self.trim()

    def expect_return(self) -> None:
        """Keep what comes, for a while, for these pages."""
        self._subscribers.expect_return()
