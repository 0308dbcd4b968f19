"""Whether this gateway leads, and if not, who does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from kernelpod.base.addresses import split_address
from kernelpod.base.logs import Seldom
from kernelpod.errors import KernelpodError
from kernelpod.runtime.interface import Lease

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25
CONNECT_SECONDS = 1.0
# How old a line to the leader may be, which closes what is silent for 300 s. A line that it closes while it ends,
# and accepts no other, would look like the end of its process.
LINE_SECONDS = 60.0


class Leadership:
    """The part of one gateway among those with the same lease. Without a lease it leads."""

    def __init__(self, lease: Lease | None = None) -> None:
        self._lease = lease
        self._news = asyncio.Event()
        self._seldom = Seldom(log)
        self._line: Line | None = None
        self.leads = lease is None
        """Whether this gateway runs the kernels."""

    @property
    def leader(self) -> str:
        """Host and port of the gateway that leads; empty if none is known, or if it is this one."""
        return "" if self._lease is None else self._lease.leader

    @property
    def may_act(self) -> bool:
        """Whether no other gateway may lead by now. One that was frozen may not know yet that another one does."""
        return self._lease is None or not self._lease.expired

    @property
    def term(self) -> int:
        """How often the lease has changed hands until this gateway took it."""
        return self._lease.term if self._lease else 0

    def lost(self, term: int) -> None:
        """Know from another gateway that it leads; see `Lease`."""
        if self._lease is not None:
            self._lease.lost(term)
            self._tell()

    async def follow(self, lead: Callable[[str], Awaitable[None]], look: Callable[[], Awaitable[None]]) -> None:
        """Return when this gateway led and does so no more: then it must end, and change nothing.

        `lead` is called once, when this gateway begins to lead, with the address of the one that led before, and
        `look` again and again until then.
        """
        assert self._lease is not None  # noqa: S101 - for the type checker
        taking_over: asyncio.Task[None] | None = None
        try:
            held, former = False, ""
            while True:
                try:
                    was_held, held = held, await self._lease.hold(self._is_gone)
                    if was_held and not held:
                        break
                    if held and taking_over is None:
                        log.info("this gateway leads from now on")
                        taking_over = asyncio.ensure_future(self._take_over(lead, former))
                    elif not held:
                        former = self.leader
                        await look()
                    self._tell()
                except KernelpodError as error:
                    self._seldom.say(logging.WARNING, "it is not known which gateway leads: %s", error)
                if taking_over is not None and taking_over.done():
                    taking_over.result()
                await self.news(LOOK_SECONDS)
        finally:
            if taking_over is not None:
                taking_over.cancel()
            self._hang_up()
        log.error("another gateway leads")

    async def _take_over(self, lead: Callable[[str], Awaitable[None]], former: str) -> None:
        self._hang_up()
        await lead(former)
        self.leads = True
        self._tell()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _tell(self) -> None:
        self._news.set()
        self._news.clear()

    async def news(self, seconds: float) -> None:
        """Return when something may have changed, at the latest after so many seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    async def release(self) -> None:
        """Let another gateway lead."""
        if self._lease is not None:
            try:
                await self._lease.release()
            except KernelpodError as error:
                log.warning("the lease could not be released, and expires: %s", error)

    async def _is_gone(self) -> bool:
        """Return whether the leader's process has ended: a line to it is cut, and its machine refuses a new one.

        Without a line before, a refusal may come from somebody between.
        """
        address = self._lease.leader if self._lease else ""
        host, port = split_address(address)
        before = self._line
        is_open = before is not None and before.open_to(address)
        if not host or (is_open and before is not None and not before.is_old):
            return False
        try:
            opening = asyncio.open_connection(host, port)
            self._line = Line(address, *await asyncio.wait_for(opening, CONNECT_SECONDS))
        except ConnectionRefusedError:
            return before is not None and before.address == address and not is_open
        except (OSError, asyncio.TimeoutError):  # it may be cut off, and still lead
            return False
        if before is not None:
            before.close()
        return False


class Line:
    """A connection to the leader on which nothing is said. It is cut when the leader's process ends."""

    def __init__(self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """`address` is where the leader listens."""
        self.address, self._reader, self._writer = address, reader, writer
        self._since = time.monotonic()

    def open_to(self, address: str) -> bool:
        """Return whether it is a connection to this address, and was not cut."""
        cut = self._reader.at_eof() or self._reader.exception() is not None
        return self.address == address and not cut

    @property
    def is_old(self) -> bool:
        """Whether another line should take its place before the leader closes it."""
        return time.monotonic() - self._since > LINE_SECONDS

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
