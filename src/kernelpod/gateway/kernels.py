"""Enterprise Gateway's kernel managers, made to run records: no ports to choose, no response to wait for.

What had to be overridden, and why, is in docs/architecture.md ("The seam to Enterprise Gateway").
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import zmq
from enterprise_gateway.services.kernels.remotemanager import RemoteKernelManager, RemoteMappingKernelManager
from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_server.services.kernels.handlers import ZMQChannelsHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from pydantic import SecretStr
from zmq.eventloop.zmqstream import ZMQStream

from kernelpod.connection import CHANNELS
from kernelpod.errors import StartFailed, StartTimeout, UserError, kernel_not_found
from kernelpod.gateway.proxy import DirectProxy
from kernelpod.identity import Owner
from kernelpod.record import KernelRecord
from kernelpod.runtime import Ended, RunningKernel, Runtime
from kernelpod.settings import Gateway

log = logging.getLogger(__name__)

PROBE_RECONNECT_MILLISECONDS = 10
SETTLE_SECONDS = 3600


class DirectKernelManager(RemoteKernelManager):
    """One kernel: its record, and the sockets to it."""

    record: KernelRecord
    reason = ""

    @property
    def running(self) -> RunningKernel | None:
        """The current start, as the runtime knows it."""
        return self.process_proxy.running if self.process_proxy else None

    @property
    def ports(self) -> list[str]:
        """The five addresses: jupyter_server compares them to see that a kernel has moved."""
        return [self._make_url(channel) for channel in CHANNELS]

    async def start_kernel(self, record: KernelRecord | None = None, **_: Any) -> None:
        """Start the record (at a restart, its last one); return when the kernel answers. Raises UserError."""
        if record is not None:
            self.record = record
        self.process_proxy = DirectProxy(self, self.parent.runtime)
        await AsyncKernelManager.start_kernel(self)

    def pre_start_kernel(self, **_: Any) -> tuple[list[str], dict[str, Any]]:
        """Return the plan's command: nothing is looked up, written or substituted here."""
        self.shutting_down = False
        self._launch_args: dict[str, Any] = {}
        return list(self.record.plan.argv), {}

    async def _launch_kernel(self, kernel_cmd: list[str], **_: Any) -> DirectProxy:
        key = SecretStr(self.session.key.decode()) if self.has_connection else None
        timeout = self.record.plan.launch_timeout_seconds
        try:
            proxy: DirectProxy = await asyncio.wait_for(
                self._launch_and_answer(kernel_cmd, key, time.monotonic() + timeout), timeout
            )
        except BaseException as error:
            await asyncio.shield(self.process_proxy.stop(0))
            if isinstance(error, asyncio.TimeoutError):
                raise StartTimeout(
                    "start_timeout",
                    f"The kernel {self.record.plan.address!r} did not answer within {timeout:g} s. Try again; if it "
                    "keeps happening, ask an admin to look at the kernelspec.",
                ) from error
            raise
        return proxy

    async def _launch_and_answer(
        self, kernel_cmd: list[str], key: SecretStr | None, deadline: float
    ) -> DirectProxy:
        proxy: DirectProxy = await self.process_proxy.launch_process(kernel_cmd, record=self.record, key=key)
        self.connect_to(proxy)
        await self.answered(deadline)
        return proxy

    has_connection = False

    def connect_to(self, proxy: DirectProxy) -> None:
        """Take over the connection of a kernel that the runtime has just started or found again."""
        assert proxy.running is not None  # noqa: S101 - for the type checker
        connection = proxy.running.connection
        self.transport = connection.transport
        self.ip = connection.ip
        for channel, port in zip(CHANNELS, connection.ports(), strict=True):
            setattr(self, f"{channel}_port", port)
        self.session.key = connection.key.get_secret_value().encode()
        self.session.signature_scheme = connection.signature_scheme
        self.has_connection = True
        self.reason = "; ".join([*self.record.plan.notes, *proxy.running.notes])

    async def answered(self, deadline: float) -> None:
        """Return when kernel_info is answered. Raises StartFailed if the kernel ends before, TimeoutError after.

        An open port is not yet a kernel: ipykernel answers a tenth of a second after it listens.
        """
        assert self.running is not None  # noqa: S101 - for the type checker
        ended = asyncio.ensure_future(self.parent.runtime.wait_ended(self.running))
        reply = asyncio.ensure_future(self._ask_kernel_info(deadline))
        try:
            await asyncio.wait({ended, reply}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                why: Ended = ended.result()
                raise StartFailed(why.code, why.reason, detail=why.detail)
            reply.result()
        finally:
            ended.cancel()
            reply.cancel()

    async def _ask_kernel_info(self, deadline: float) -> None:
        stream = ZMQStream(self._create_connected_socket("shell", reconnect_ivl=PROBE_RECONNECT_MILLISECONDS))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def received(_: list[bytes]) -> None:
            if not answer.done():
                answer.set_result(None)

        stream.on_recv(received)
        try:
            self.session.send(stream, "kernel_info_request")
            await asyncio.wait_for(answer, deadline - time.monotonic())
        finally:
            stream.close(linger=0)

    def _create_connected_socket(self, channel: str, identity: bytes | None = None, reconnect_ivl: int = 0) -> Any:
        """Return a socket that is connected, and that drops a peer who sends more than may be passed on."""
        types = {
            "shell": zmq.DEALER,
            "iopub": zmq.SUB,
            "stdin": zmq.DEALER,
            "control": zmq.DEALER,
            "hb": zmq.REQ,
        }
        socket = self.context.socket(types[channel])
        socket.linger = 1000
        socket.setsockopt(zmq.MAXMSGSIZE, self.parent.limits.max_message_bytes)
        if reconnect_ivl:
            socket.setsockopt(zmq.RECONNECT_IVL, reconnect_ivl)
        if identity:
            socket.identity = identity
        socket.connect(self._make_url(channel))
        return socket

    async def interrupt_kernel(self) -> None:
        """Interrupt by message; by signal where the kernelspec says its kernel knows nothing else."""
        if self.record.plan.interrupt_mode == "message":
            self._connect_control_socket()
            self.session.send(self._control_socket, self.session.msg("interrupt_request", content={}))
        else:
            await self.signal_kernel(2)

    async def signal_kernel(self, signum: int) -> None:
        """Send a signal through the runtime."""
        if self.running is not None:
            await self.parent.runtime.signal(self.running, signum)

    async def finish_shutdown(self, *_: Any, **__: Any) -> None:
        """Return when the kernel is gone: it was asked by message and has its grace period."""
        await self.process_proxy.stop(self.record.plan.grace_period_seconds)
        self.kernel = None

    async def _kill_kernel(self) -> None:
        await self.process_proxy.stop(0)
        self.kernel = None

    async def restart_kernel(self, now: bool = False, **_: Any) -> None:
        """Run the record again; `now` means that the kernel died: without a client it is let go instead."""
        if now and not self.parent.has_clients(self.record.kernel_id):
            await self.parent.forget(self.record.kernel_id, self._why_ended())
            return
        self.restarting = True
        try:
            await AsyncIOLoopKernelManager.restart_kernel(self, now=now)
        except UserError as error:
            log.warning("kernel %s could not be started again: %s", self.record.kernel_id, error)
            self.stop_restarter()
            self._restarter._fire_callbacks("dead")
            if not now:
                raise
        else:
            self.parent.follow(self.record.kernel_id)
        finally:
            self.restarting = False

    def _why_ended(self) -> str:
        ended = self.parent.runtime.ended(self.running) if self.running else None
        return ended.reason if ended else ""

    def write_connection_file(self) -> None:
        """Write nothing: the runtime made the connection, and only the kernel may read it."""

    def cleanup_connection_file(self) -> None:
        """Remove nothing; see write_connection_file."""

    def cleanup_ipc_files(self) -> None:
        """Remove nothing: the sockets lie in the runtime's folder."""


class DirectMappingKernelManager(RemoteMappingKernelManager):
    """All kernels of this gateway, each with its owner."""

    runtime: Runtime
    limits: Gateway

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settling: list[asyncio.Task[None]] = []

    def _kernel_manager_class_default(self) -> str:
        return f"{DirectKernelManager.__module__}.{DirectKernelManager.__qualname__}"

    def kernel(self, kernel_id: str) -> DirectKernelManager:
        """Return a running kernel. Raises NotFound."""
        found: DirectKernelManager | None = self._kernels.get(kernel_id)
        if found is None:
            raise kernel_not_found(kernel_id)
        return found

    def owners(self) -> Iterator[Owner]:
        """Return the owner of every running kernel, one entry a kernel."""
        return (kernel.record.owner for kernel in self._kernels.values())

    def models(self, sees: Callable[[Owner], bool]) -> list[dict[str, Any]]:
        """Return the models of the kernels whose owners pass."""
        return [self.kernel_model(id_) for id_, kernel in self._kernels.items() if sees(kernel.record.owner)]

    async def run(self, record: KernelRecord) -> None:
        """Start a record and return when its kernel answers. Raises UserError; then nothing is left of it.

        Enterprise Gateway's own start_kernel is passed over: it reads the user's name from the environment.
        """
        kernel_id = record.kernel_id
        try:
            await AsyncMappingKernelManager.start_kernel(
                self, kernel_id=kernel_id, kernel_name=record.plan.address, record=record
            )
        except BaseException:
            self._starting_kernels.pop(kernel_id, None)
            raise
        self.kernel(kernel_id).execution_state = "idle"  # it has just answered, before anybody listened

    async def adopt(self) -> None:
        """Take over every kernel that the runtime still runs."""
        for running in await self.runtime.running():
            record = running.record
            kernel = self.kernel_manager_factory(
                connection_file="", parent=self, log=self.log, kernel_name=record.plan.address
            )
            kernel.kernel_id, kernel.record = record.kernel_id, record
            kernel.process_proxy = DirectProxy(kernel, self.runtime)
            kernel.process_proxy.running = running
            kernel.connect_to(kernel.process_proxy)
            kernel._launch_args = {}
            kernel.kernel = kernel.process_proxy
            self._kernels[record.kernel_id] = kernel
            self._kernel_connections[record.kernel_id] = 0
            kernel.post_start_kernel()
            await self._finish_kernel_start(record.kernel_id)
            kernel.execution_state = "busy"  # until it says otherwise: an idle kernel answers at once
            self._settling.append(asyncio.ensure_future(self._settle(kernel)))
            log.info(
                "kernel %s found again: user %s, kernelspec %s",
                record.kernel_id,
                record.owner,
                kernel.kernel_name,
            )

    async def _settle(self, kernel: DirectKernelManager) -> None:
        """Note that an adopted kernel is idle as soon as it answers; a busy one answers when it is done."""
        with contextlib.suppress(UserError, asyncio.TimeoutError):
            await kernel.answered(time.monotonic() + SETTLE_SECONDS)
            kernel.execution_state = "idle"

    def kernel_model(self, kernel_id: str) -> dict[str, Any]:
        """Return the model Jupyter clients know, with the plan's notes as `reason`."""
        model: dict[str, Any] = super().kernel_model(kernel_id)
        if reason := self.kernel(kernel_id).reason:
            model["reason"] = reason
        return model

    def check_kernel_id(self, kernel_id: str) -> None:
        """Raise NotFound unless the kernel runs; no session is looked up or deleted."""
        self.kernel(kernel_id)

    def has_clients(self, kernel_id: str) -> bool:
        """Return whether a websocket is open to the kernel."""
        return bool(self._kernel_connections.get(kernel_id, 0))

    async def forget(self, kernel_id: str, why: str) -> None:
        """Let go of a kernel that died while nobody was connected."""
        log.warning("kernel %s died without a client and is not restarted: %s", kernel_id, why)
        with contextlib.suppress(UserError):
            await self.shutdown_kernel(kernel_id, now=True)

    async def restart_kernel(self, kernel_id: str, now: bool = False) -> None:
        """Restart a kernel under its id and owner; open websockets follow. Raises UserError."""
        kernel = self.kernel(kernel_id)
        if kernel.restarting:
            await self.wait_for_restart_finish(kernel_id, "restart")
            return
        await kernel.restart_kernel(now=now)

    def follow(self, kernel_id: str) -> None:
        """Point every socket that was open to a kernel's last start at the current one.

        The sockets stay: a second one with the same identity would be refused by the kernel.
        """
        kernel = self.kernel(kernel_id)
        moved = dict(zip(CHANNELS, zip(self._kernel_ports[kernel_id], kernel.ports, strict=True), strict=True))
        streams = [handler.channels for handler in open_websockets(kernel_id)]
        if kernel_id in self._kernel_buffers:
            streams.append(self._kernel_buffers[kernel_id]["channels"])
        for channel, stream in ((name, one) for each in streams for name, one in each.items()):
            if not stream.closed():
                old, new = moved[channel]
                stream.socket.disconnect(old)
                stream.socket.connect(new)
        self._kernel_ports[kernel_id] = kernel.ports
        self.stop_watching_activity(kernel_id)
        self.start_watching_activity(kernel_id)
        kernel.execution_state = "idle"

    def start_buffering(self, kernel_id: str, session_key: str, channels: dict[str, Any]) -> None:
        """Keep output for a client that lost its connection, up to `max_offline_bytes`."""
        super().start_buffering(kernel_id, session_key, channels)
        if kernel_id in self._kernel_buffers:
            self._kernel_buffers[kernel_id]["buffer"] = OfflineBuffer(self.limits.max_offline_bytes)


class OfflineBuffer:
    """The newest messages that fit into `max_bytes`; when full, the oldest go."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._messages: deque[tuple[str, list[Any]]] = deque()

    def append(self, message: tuple[str, list[Any]]) -> None:
        """Keep a message (channel, parts)."""
        self._messages.append(message)
        self._bytes += _size(message)
        while self._bytes > self._max_bytes and self._messages:
            self._bytes -= _size(self._messages.popleft())

    def __len__(self) -> int:
        return len(self._messages)

    def __iter__(self) -> Iterator[tuple[str, list[Any]]]:
        return iter(self._messages)


def _size(message: tuple[str, list[Any]]) -> int:
    return sum(len(part) for part in message[1])


def open_websockets(kernel_id: str) -> list[Any]:
    """Return the handlers of the websockets that are open to a kernel."""
    return [handler for handler in ZMQChannelsHandler._open_sessions.values() if handler.kernel_id == kernel_id]
