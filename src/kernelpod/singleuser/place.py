"""How far a page has come with its kernel. It outlives the page's websocket: the page can come back."""

from __future__ import annotations

import json
import math
import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelpod.singleuser.connection import GatewayConnection

MOST_PLACES = 1000
# The gateway's messages begin with their header.
LOOK_CHARACTERS = 2000
# As many ids as a gateway reads, and as long as fits in a header.
MOST_HAD, MOST_OPEN, MOST_ID_CHARACTERS = 20, 50, 100
_MSG_ID = re.compile(rf'"msg_id":\s*"([\w-]{{1,{MOST_ID_CHARACTERS}}})"')


class Unheard:
    """How long there was no connection while cells ran, over all outages since cells run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._since = clock, math.inf
        self.seconds = 0.0

    def begins(self, *, anew: bool) -> None:
        """An outage begins; `anew` if no cell runs that has seen an earlier one."""
        self.seconds = 0.0 if anew else self.seconds
        self._since = min(self._since, self._clock())

    def ends(self) -> None:
        """The connection is there; it may be the first one."""
        self.seconds += self.so_far
        self._since = math.inf

    @property
    def so_far(self) -> float:
        """The length of this outage in seconds; 0 if there is none."""
        return max(0.0, self._clock() - self._since)


@dataclass
class Place:
    """How far a page has come under its session. It outlives the page's websocket: the page can come back."""

    received: int = 0
    """How many of the gateway's frames the page has been given."""
    had: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_HAD))
    """The ids of the last ones, by which another gateway finds where the page was."""
    running: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The headers of its cells that have no reply, by their ids."""
    waiting: deque[str | bytes] = field(default_factory=deque)
    """What the page has sent while the gateway was away."""
    waiting_bytes: int = 0
    """Its size."""
    gateway_id: str = ""
    """The gateway's process that has heard the kernel for the page."""
    unheard: Unheard = field(default_factory=Unheard)
    connection: GatewayConnection | None = None
    """The connection of the page's latest websocket."""

    def wait(self, message: str | bytes) -> None:
        """Let a message of the page wait for the gateway, after those that wait."""
        self.waiting.append(message)
        self.waiting_bytes += len(message)

    def sent(self) -> str | bytes:
        """Return the message that has waited longest, which waits no more."""
        message = self.waiting.popleft()
        self.waiting_bytes -= len(message)
        return message

    def receive(self, message: str | bytes) -> None:
        """Note that the page has been given a message."""
        self.received += 1
        found = (
            _MSG_ID.search(message, 0, LOOK_CHARACTERS)
            if isinstance(message, str)
            else _MSG_ID.search(message[:LOOK_CHARACTERS].decode("latin-1"))
        )
        if found:
            self.had.append(found[1])

    def comeback(self) -> str:
        """Return what a gateway must know to go on where another one has ended, in JSON."""
        cells = [msg_id for msg_id in self.running if len(msg_id) <= MOST_ID_CHARACTERS][-MOST_OPEN:]
        return json.dumps({"had": list(self.had), "open": cells, "away_seconds": round(self.unheard.so_far, 3)})


_PLACES: OrderedDict[tuple[str, str], Place] = OrderedDict()


def place_of(kernel_id: str, session_id: str) -> Place:
    """Return the place of a page; the oldest places are forgotten. A page without a session has a new one."""
    if not session_id:
        return Place()
    place = _PLACES.setdefault((kernel_id, session_id), Place())
    _PLACES.move_to_end((kernel_id, session_id))
    while len(_PLACES) > MOST_PLACES:
        _PLACES.popitem(last=False)
    return place
