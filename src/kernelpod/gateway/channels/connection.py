"""The connection to one kernel: one set of sockets, which all pages of the kernel share.

Replies and requests for input go to the page that asked, everything else to all pages. The kernel's state and its
last activity are read here, so opening a page waits for nothing.
"""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from kernelpod.base.headers import IN_ORDER
from kernelpod.base.logs import Seldom
from kernelpod.gateway.channels import sentences, wire
from kernelpod.gateway.channels.budget import Part, Shrink
from kernelpod.gateway.channels.comeback import Comeback, Comebacks
from kernelpod.gateway.channels.computing import Computing
from kernelpod.gateway.channels.ends import Ends
from kernelpod.gateway.channels.hearing import Hearing
from kernelpod.gateway.channels.output import Output
from kernelpod.gateway.channels.output_rate import OutputRate
from kernelpod.gateway.channels.probe import Probe
from kernelpod.gateway.channels.requests import Request, Requests, request_of
from kernelpod.gateway.channels.sockets import CHANNELS, KernelSockets, OpenSocket
from kernelpod.gateway.channels.subscriber import Close, Count, Subscriber, Write
from kernelpod.settings.sections import Gateway

log = logging.getLogger(__name__)

IDENTITY_BYTES = 32
Heard = Callable[[str], None]


class KernelConnection:
    """All messages between one kernel and its pages, through every restart of the kernel."""

    def __init__(
        self, kernel_id: str, session: Any, limits: Gateway, heard: Heard, new_part: Callable[[Shrink], Part]
    ) -> None:
        """`session` signs messages. `heard` is called for all output, with the kernel's state if it says one.

        `new_part` returns the kernel's part of the budget of all.
        """
        self._kernel_id, self._session, self._limits, self._heard = kernel_id, session, limits, heard
        self._seldom = Seldom(log, f"kernel {kernel_id}: ")
        self._output = Output(kernel_id, session, limits, self._resize)
        self._voice = self._output.voice
        self._rate = OutputRate(limits.iopub_msg_rate_limit, limits.iopub_data_rate_limit)
        self.probe = Probe(kernel_id, self.ask)
        self._sockets = KernelSockets(self._receive, self._connected_again, self.probe.refused)
        self._requests = Requests()
        self.computing = Computing()
        self._hearing = Hearing(self._requests, self.computing, self.probe, self._sockets, self._open_anew)
        told = self._end_state, self._voice.lost, self._end_unanswered
        self._ends = Ends(self._hearing.answered, *told, partial(self._sockets.connect_anew, "iopub"))
        self._held: deque[tuple[str, wire.FromPage]] | None = deque()
        self._held_bytes = 0
        self._new_part = new_part
        self._part = new_part(self._shrink)
        self._dead, self._speaks = "", True
        self._comebacks = Comebacks(self._reply)

    # The kernel's starts

    def open(self, open_socket: OpenSocket, *, listening: bool = False) -> None:
        """Connect to a new start of the kernel, or only listen to it. Messages of pages wait until `release`."""
        self.hold()
        self._sockets.close()
        self._part.close()
        self._part = self._new_part(self._shrink)
        self._dead = ""
        self.computing.clear()
        self.probe.forget()
        self._ends.close()
        self._hearing.close()
        self._open_socket, self._speaks = open_socket, not listening
        self._comebacks = Comebacks(self._reply)
        # The same for every gateway: the next one gets the replies to what this one has asked.
        identity = self._session.sign([b"kernelpod"])[:IDENTITY_BYTES]
        self._sockets.open(open_socket, identity, ("iopub",) if listening else CHANNELS)

    def forget_old(self) -> None:
        """Keep the output of the last seconds, for pages of the gateway that runs the kernel."""
        self._output.keep(self._comebacks.mark(self._output.last))

    def speak(self) -> None:
        """Connect also what a gateway needs that runs the kernel."""
        self._speaks = True
        self._sockets.open_more()

    def _open_anew(self) -> None:
        """Connect with another identity, because the kernel takes this one for that of another gateway."""
        log.warning("kernel %s does not hear this gateway and is connected anew", self._kernel_id)
        self._sockets.close()
        self._ends.close()
        self.end_requests(sentences.LOCKED_OUT)
        self._sockets.open(self._open_socket, uuid.uuid4().hex.encode())

    def close(self) -> None:
        """Close the sockets. Pages stay."""
        self._sockets.close()
        self._hearing.close()
        self._ends.close()
        self._part.close()

    def _connected_again(self, channel: str) -> None:
        """Say what is lost after a channel was cut off, as by a message over the limit."""
        if channel == "iopub":
            self._comebacks.cut_off(self._output.last)
            (self._explain_gap if self._speaks else self._listen_anew)()
        elif channel != "stdin" and (asked := self._requests.asked_on(channel)):
            # What the kernel has not answered when it answers this, it never will.
            self._requests.doubt(asked, self.ask(channel, "kernel_info_request", {}))

    def _listen_anew(self) -> None:
        """Forget what was heard before a gap. The gateway that leads may have heard more."""
        self._output.keep(self._output.last)
        self._comebacks.listen_anew()
        self.computing.clear()

    def _explain_gap(self) -> None:
        """Tell the pages that output of the running cells is lost. Those without a reply to come end now."""
        self._seldom.say(logging.WARNING, "the connection was lost, and some output with it")
        text = sentences.cut_off(self._limits.max_message_bytes)
        for msg_id, parent in self.computing.running():
            self._voice.lost(parent, text)
            if not self._requests.asked(msg_id):
                self._ends.forget(msg_id)
                self._end_state(msg_id, parent)

    def _end_state(self, msg_id: str, parent: bytes) -> None:
        """Say that a request has ended, where the kernel's own word is lost."""
        self.computing.end(msg_id)
        self._voice.state("idle", parent)
        self._heard("busy" if self.computing else "idle")

    def _end_unanswered(self, msg_id: str) -> None:
        if request := self._requests.answer(msg_id):
            self._end(request, sentences.UNANSWERED)

    def die(self, reason: str) -> None:
        """Close the sockets, and end all requests, also those that pages send until the next `open`."""
        self.close()
        self._dead = reason
        self.end_requests(reason)
        self.release()
        self._voice.state("dead")

    # From pages to the kernel

    def hold(self) -> None:
        """Keep the messages of pages until the kernel has started again."""
        if self._held is None:
            self._held, self._held_bytes = deque(), 0

    def release(self) -> None:
        """Send the kernel what pages have sent meanwhile, in their order.

        A kernel that has not answered yet was found again, and so had pages at the gateway before.
        """
        if not (self._hearing.heard or self._dead):
            self._output.expect_return()
        held, self._held, self._held_bytes = self._held or (), None, 0
        for session, message in held:
            self.send(session, message)

    def send(self, session: str, message: wire.FromPage) -> None:
        """Send a page's message to the kernel. It is refused if too much waits that the kernel has not read."""
        size = sum(map(len, message.parts))
        reason = self._dead if self._held is None else ""
        waiting = self._held_bytes + self._requests.unread_bytes
        if waiting + size > self._limits.max_backlog_bytes or size > self._part.room:
            self._seldom.say(logging.INFO, "the kernel reads too slowly: a message of a page is refused")
            reason = sentences.TOO_MUCH
        if reason:
            if message.msg_type.endswith("_request"):
                self._end(request_of(session, message), reason)
        elif self._held is not None:
            self._held.append((session, message))
            self._held_bytes += size
            self._resize()
        elif self.computing and (known := self.probe.known(message)):
            for channel, msg_type, content, parent in known:
                self._voice.say(msg_type, content, parent, channel=channel, to=session, kept=True)
        else:
            self._requests.add(session, message)
            self._ends.expect(message)
            if IN_ORDER.encode() in message.parts[wire.HEADER]:
                self._comebacks.asked_in_order(session, message.msg_id)
            self._resize()
            self._sockets.send(message.channel, wire.signed(self._session, message.parts))
            self._hearing.watch()

    def ask(self, channel: str, msg_type: str, content: dict[str, Any]) -> str:
        """Send a request of the gateway itself and return its id."""
        message = self._session.msg(msg_type, content=content)
        packed = (self._session.pack(message[part]) for part in wire.JSON_PARTS)
        self._sockets.send(channel, wire.signed(self._session, tuple(packed)))
        return str(message["header"]["msg_id"])

    # From the kernel to pages

    def _receive(self, channel: str, frames: list[bytes]) -> None:
        try:
            message = wire.from_kernel(self._session, frames)
            if channel == "iopub":
                self._receive_output(message)
            else:
                self._receive_answer(channel, message)
        except wire.NotAMessageError as error:
            self._seldom.say(logging.WARNING, "a message on %s was dropped: %s", channel, error)
        except Exception:  # noqa: BLE001 - a socket whose callback fails is not read any more
            self._seldom.say(logging.ERROR, "a message on %s could not be passed on", channel, exc_info=True)

    def _receive_answer(self, channel: str, message: wire.FromKernel) -> None:
        self._hearing.hear(channel)
        parent_id = message.parent().get("msg_id")
        if self.probe.replied(parent_id, message):
            return
        if (lost := self._requests.lost(parent_id)) is not None:
            for one in lost:
                self._end(one, sentences.answer_lost(self._limits.max_message_bytes))
            return
        if message.msg_type == "delete_subshell_reply":
            self.computing.forget_subshells()
        find = self._requests.asked if channel == "stdin" else self._requests.answer
        request = find(str(parent_id))
        self._requests.read(str(parent_id))
        pass_on = partial(self._output.pass_on, channel, message, to=self._asker(request), kept=True)
        if not self._comebacks.holds(str(parent_id), pass_on):
            pass_on()
        if channel != "stdin":
            self._comebacks.replied(str(parent_id), self._output.last)
            self._ends.replied(str(parent_id), message.parts[wire.CONTENT])

    def _asker(self, request: Request | None) -> str | None:
        """Return the session of the page that asked; None, which stands for all pages, if it is not connected."""
        return request.session if request and self._output.attached(request.session) else None

    def _receive_output(self, message: wire.FromKernel) -> None:
        self.probe.hear_output()
        state, is_state = "", message.msg_type == "status"
        if is_state:
            parent_id, told = message.parent().get("msg_id"), message.content().get("execution_state")
            self._ends.hear(parent_id, told)
            if self.probe.has_output(parent_id):
                return
            state = self.computing.hear(message)
            if told == "idle":
                self._comebacks.output_ended(str(parent_id))
            if state == "busy":
                self._requests.read(str(parent_id))
            elif state == "idle" and self._speaks and not self._hearing.heard:
                self._hearing.watch()
        if self._output.returning:
            self._comebacks.outcomes.hear(message)
        self._heard(state)
        if state == "idle":
            self._rate.restart()
        already = self._rate.exceeded
        if self._rate.passes(message.msg_type, len(message.parts[wire.CONTENT])):
            self._output.pass_on("iopub", message, kept=is_state)
        elif not already:
            self._voice.lost(message.parts[wire.PARENT], self._rate.notice)

    @property
    def _waiting(self) -> int:
        return self._output.size + self._held_bytes + self._requests.unread_bytes

    def _resize(self) -> None:
        self._part.resize(self._waiting)

    def _shrink(self, size: int) -> None:
        """Drop output until at most `size` bytes wait: too much waits for the user's kernels, or for all."""
        self._output.drop(max(0, size - (self._waiting - self._output.size)))
        self._resize()

    # Pages

    def subscribe(
        self, session: str, write: Write, close: Close, count: Count = None, comeback: Comeback | None = None
    ) -> Subscriber:
        """Attach a page. A page that comes back under its session gets what it has not received.

        One that was connected to another gateway says in `comeback` what it has received there.
        """
        told = comeback or Comeback()
        after = self._output.newest(told.had) if told.had else self._comebacks.recent()
        if self._output.returning:
            self._comebacks.expect(session, told, partial(self._output.has, after=after or 0))
        return self._output.attach(session, write, close, count, after)

    def has_heard(self, comeback: Comeback) -> bool:
        """Return whether a page of another gateway will get all that the kernel has said since."""
        newest, since = self._output.newest(comeback.had), self._sockets.connected_since("iopub")
        return self._output.has_all and self._comebacks.has_heard(comeback, newest, since)

    def _reply(self, session: str, content: dict[str, Any], parent: bytes) -> None:
        self._voice.say("execute_reply", content, parent, channel="shell", to=session, kept=True)

    def leave(self, subscriber: Subscriber, write: Write) -> None:
        """Detach a page that is gone, and remember how far it has read, unless it has already come back."""
        self._output.leave(subscriber, write)
        if not self._output.attached(subscriber.session):
            self._comebacks.forget(subscriber.session)

    @property
    def pages(self) -> int:
        """The number of pages that are connected."""
        return self._output.pages

    # What the gateway says in the kernel's name

    def say_state(self, state: str) -> None:
        """Tell all pages a state of the kernel."""
        self._voice.state(state)

    def end_requests(self, reason: str) -> None:
        """End all requests that the kernel can no longer answer: with an error, a reply and the state idle."""
        for request in self._requests.end():
            self._end(request, reason)

    def _end(self, request: Request, reason: str) -> None:
        self._voice.end(request, self._asker(request), reason)
