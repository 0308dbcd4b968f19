"""The pages that last: open websockets, and starts of kernels. They can be ended when their user is revoked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from kernelpod.start.identity import Owner


class Websocket(Protocol):
    """An open websocket of a kernel."""

    def is_of(self, user: Owner) -> bool:
        """Return whether the user opened it, or owns the kernel."""

    def revoke(self) -> None:
        """Close it with a sentence."""

    def close_with(self, status: int, reason: str) -> None:
        """Close it with a status of RFC 6455 and a reason."""


class Start(Protocol):
    """A start of a kernel that is under way."""

    def is_of(self, user: Owner) -> bool:
        """Return whether the user asked for the kernel."""

    @property
    def ended(self) -> asyncio.Future[Any]:
        """A future that is done when the start is."""

    def revoke(self) -> asyncio.Future[Any]:
        """Abort it. Return a future that is done when nothing goes on any more."""


@dataclass
class Visits:
    """All open websockets and starts."""

    websockets: set[Websocket] = field(default_factory=set)
    starts: set[Start] = field(default_factory=set)
