"""Says something to pages in the kernel's name: states, ends of requests, and what is lost."""

from __future__ import annotations

from typing import Any, Protocol

from kernelpod.gateway.channels import sentences, wire
from kernelpod.gateway.channels.requests import Request, endings


class Append(Protocol):
    """Adds a frame to what the pages are sent."""

    def __call__(
        self, frame: wire.Frame, *, to: str | None = None, kept: bool = False, parent: bytes = b"{}"
    ) -> None:
        """Add the frame for the page with the session `to`; None: for all."""


class Voice:
    """What the gateway says of one kernel."""

    def __init__(self, session: Any, append: Append) -> None:
        """`session` makes headers."""
        self._session, self._append = session, append

    def say(
        self,
        msg_type: str,
        content: dict[str, Any],
        parent: bytes,
        *,
        channel: str = "iopub",
        to: str | None = None,
        kept: bool = False,
    ) -> None:
        """Say a message of Jupyter's protocol. `parent` is the header of the request that it belongs to."""
        message = wire.composed(self._session, msg_type, content, parent)
        self._append(wire.to_page(channel, message), to=to, kept=kept, parent=parent)

    def state(self, state: str, parent: bytes = b"{}") -> None:
        """Say a state of the kernel, or of a request."""
        self.say("status", {"execution_state": state}, parent, kept=True)

    def lost(self, parent: bytes, text: str = sentences.MAY_BE_LOST) -> None:
        """Say in a cell that some of its output is lost."""
        self.say("stream", {"name": "stderr", "text": text}, parent)

    def end(self, request: Request, asker: str | None, reason: str) -> None:
        """End a request with an error, a reply for the page that asked, and the state idle."""
        for channel, msg_type, content in endings(request, reason):
            to = None if channel == "iopub" else asker
            self.say(msg_type, content, request.header, channel=channel, to=to, kept=True)

    def not_shown(self, lost_bytes: int, parent: bytes) -> wire.Frame:
        """Return the output that says in a cell how much was dropped."""
        content = {"name": "stderr", "text": sentences.not_shown(lost_bytes)}
        return wire.to_page("iopub", wire.composed(self._session, "stream", content, parent))
