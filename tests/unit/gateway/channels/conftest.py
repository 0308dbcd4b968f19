"""A kernel that says what a test wants, the gateway's connection to it, and its pages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

import zmq
from jupyter_client.session import Session

from kernelpod.gateway.channels.budget import Budget
from kernelpod.gateway.channels.comeback import Comeback
from kernelpod.gateway.channels.connection import KernelConnection
from kernelpod.gateway.channels.subscriber import Subscriber
from kernelpod.gateway.channels.wire import Frame, from_page
from kernelpod.settings.sections import Gateway

KEY = b"a-key-of-the-kernel"


class Kernel:
    """A kernel's sockets; it says what a test wants it to say."""

    def __init__(self, folder: Path, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.session, self.folder = Session(key=KEY), folder
        self.sockets = {name: context.socket(zmq.ROUTER) for name in ("shell", "control", "stdin")}
        self.sockets["iopub"] = context.socket(zmq.PUB)
        for name, socket in self.sockets.items():
            socket.linger = 0
            socket.bind(f"ipc://{folder}/{name}")

    async def heard_raw(self, channel: str = "shell") -> list[bytes]:
        """Return the frames of the next message."""
        while not self.sockets[channel].poll(0):  # noqa: ASYNC110 - a socket of another library
            await asyncio.sleep(0.01)
        return self.sockets[channel].recv_multipart()

    async def heard(self, channel: str = "shell") -> tuple[list[bytes], dict[str, Any]]:
        """Return the sender and the content of the next message."""
        return self.session.feed_identities(await self.heard_raw(channel))

    def say(self, channel: str, kind: str, content: dict[str, Any], parent: Any, ident: Any = None) -> None:
        message = self.session.msg(kind, content=content, parent=parent)
        self.session.send(self.sockets[channel], message, ident=ident)

    async def answer_info(self) -> None:
        """Answer kernel_info with a reply between two states, as all kernels do."""
        ident, parts = await self.heard()
        parent = self.session.deserialize(parts)
        self.say("iopub", "status", {"execution_state": "busy"}, parent)
        self.say("shell", "kernel_info_reply", {}, parent, ident)
        self.say("iopub", "status", {"execution_state": "idle"}, parent)


class Page:
    """A page that takes everything at once."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.closed: list[tuple[int, str]] = []

    def write(self, frame: Frame) -> asyncio.Future[None]:
        self.got.append(json.loads(frame.data))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def close(self, status: int, reason: str) -> None:
        self.closed.append((status, reason))

    def types(self, channel: str = "iopub") -> list[str]:
        return [got["msg_type"] for got in self.got if got["channel"] == channel]

    async def until(self, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the first message that is wanted."""
        for _ in range(1000):
            for got in self.got:
                if wanted(got):
                    return got
            await asyncio.sleep(0.01)
        raise AssertionError(f"not among {self.got}")


class Rig:
    """A kernel, the gateway's connection to it, and its pages."""

    def __init__(self, folder: Path, context: zmq.Context[zmq.Socket[bytes]], **limits: int) -> None:
        self.context, self.kernel = context, Kernel(folder, context)
        self.states: list[str] = []
        self.beside: list[asyncio.Future[None]] = []
        """What goes on beside the scene, and ends with it."""
        session, settings = Session(key=KEY), Gateway.model_validate(limits)
        self.budget = Budget(settings.max_user_backlog_bytes, settings.max_total_backlog_bytes)
        new_part = partial(self.budget.part, "alice")
        self.connection = KernelConnection("k", session, settings, self.states.append, new_part)

    def open_socket(self, channel: str, identity: bytes) -> tuple[zmq.Socket[bytes], str]:
        socket = self.context.socket(zmq.SUB if channel == "iopub" else zmq.DEALER)
        socket.identity = identity
        socket.linger = 0
        socket.setsockopt(zmq.MAXMSGSIZE, 200_000)
        if channel == "iopub":
            socket.subscribe(b"")
        return socket, f"ipc://{self.kernel.folder}/{channel}"

    async def ready(self) -> None:
        """Open the connection and return when the kernel has answered."""
        self.connection.open(self.open_socket)
        answer = asyncio.ensure_future(self.kernel.answer_info())
        again = asyncio.ensure_future(self._keep_answering(answer))
        await asyncio.wait_for(self.connection.probe.answered(), 20)
        again.cancel()
        self.connection.release()

    async def _keep_answering(self, first: asyncio.Future[None]) -> None:
        await first
        while True:
            await self.kernel.answer_info()

    def page(self, session: str, **comeback: Any) -> tuple[Page, Subscriber]:
        page = Page()
        told = Comeback(**comeback)
        return page, self.connection.subscribe(session, page.write, page.close, None, told)

    def ask(self, session: str, msg_id: str, kind: str = "execute_request", code: str = "1", **more: Any) -> None:
        header = {"msg_id": msg_id, "msg_type": kind, "session": session, "version": "5.3", **more}
        whole = {"header": {**header, "username": "", "date": "2026-01-01T00:00:00Z"}, "content": {"code": code}}
        self.connection.send(session, from_page(json.dumps({**whole, "channel": "shell"})))

    async def parent(self) -> tuple[list[bytes], dict[str, Any]]:
        """Return the sender and the next request on the shell."""
        ident, parts = await self.kernel.heard()
        return ident, self.kernel.session.deserialize(parts)


Scene = Callable[[Rig], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., None]:
    """A function that plays a scene with a rig, and closes everything."""

    def run(scene: Scene, **limits: int) -> None:
        async def played() -> None:
            rig = Rig(tmp_path, context, **limits)
            try:
                await asyncio.wait_for(scene(rig), 60)
            finally:
                for task in rig.beside:
                    task.cancel()
                rig.connection.close()
                for socket in rig.kernel.sockets.values():
                    socket.close()

        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            asyncio.run(played())
        finally:
            context.destroy(linger=0)

    return run
