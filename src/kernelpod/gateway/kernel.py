"""The manager of one kernel: Enterprise Gateway's, changed to run a record through a runtime."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from functools import cached_property, partial
from typing import Any

import zmq
from enterprise_gateway.services.kernels.remotemanager import RemoteKernelManager
from jupyter_client.ioloop.manager import AsyncIOLoopKernelManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_server._tz import utcnow
from pydantic import SecretStr

from kernelpod.errors import StartFailed, StartTimeout, UserError, kernel_not_found
from kernelpod.gateway.channels.connection import KernelConnection
from kernelpod.gateway.encryption import encrypt, new_curve_keys
from kernelpod.gateway.proxy import DirectProxy, in_background
from kernelpod.runtime.interface import Ended, RunningKernel
from kernelpod.start.connection import CHANNELS, ConnectionKeys
from kernelpod.start.record import KernelRecord

log = logging.getLogger(__name__)

RECONNECT_MILLISECONDS = 10
LINGER_MILLISECONDS = 1000
# To set a trait costs as much as a tenth of all else that is done with a small output.
STAMP_SECONDS = 0.1


class DirectKernelManager(RemoteKernelManager):
    """Manages one kernel: its record, and the sockets to it."""

    record: KernelRecord
    process_proxy: Any
    notes = ""
    """How the kernel differs from the request. Not named `reason`, which jupyter_server clears at every start."""

    spare = False
    """Whether it was prewarmed and nobody has taken it yet."""

    dead = False
    """Whether the kernel was ended from outside. It stays listed with the reason until it is restarted or
    deleted."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._server_key = ""
        self._end_watch: asyncio.Task[None] | None = None
        self.last_activity, self.execution_state = utcnow(), "starting"
        self.idle_since = time.monotonic()  # or it said something, had a client, or was taken over since
        self.verb = asyncio.Lock()
        """Held by a restart or a stop: one of them at a time changes the kernel."""

    @property
    def running(self) -> RunningKernel | None:
        """The current start, as the runtime knows it."""
        return self.process_proxy.running if self.process_proxy else None

    @property
    def encryption(self) -> str:
        """How messages to the kernel are encrypted: `curve`, `none`, or `local` if they stay on this machine."""
        if self.transport == "ipc":
            return "local"
        return "curve" if self._server_key else "none"

    @cached_property
    def connection(self) -> KernelConnection:
        """The connection to the kernel, which all its pages share."""
        plan, limits = self.record.plan, self.parent.limits
        rates = plan.model_dump(include={"iopub_msg_rate_limit", "iopub_data_rate_limit"}, exclude_none=True)
        limits = limits.model_copy(update=rates)
        new_part = partial(self.parent.budget.part, plan.owner.named())
        return KernelConnection(plan.kernel_id, self.session, limits, self._heard, new_part)

    def _heard(self, state: str) -> None:
        """Record that the kernel has sent output, at most 0.1 s late, and its state if it said one."""
        now = time.monotonic()
        if state or now - self.idle_since > STAMP_SECONDS:
            self.parent.last_kernel_activity = self.last_activity = utcnow()
            self.idle_since = now
        if state and not self.dead:
            self.execution_state = state

    def start_restarter(self) -> None:
        """Watch the kernel, so that its end is noticed at once and not at the restarter's next check."""
        super().start_restarter()
        self.stop_watching_end()
        self._end_watch = asyncio.ensure_future(self._watch_end())

    def stop_restarter(self) -> None:
        """Stop watching the kernel."""
        super().stop_restarter()
        self.stop_watching_end()

    def stop_watching_end(self) -> None:
        """Stop waiting for the kernel's end. A task that is already handling the end continues."""
        if self._end_watch is not None and self._end_watch is not asyncio.current_task():
            self._end_watch.cancel()
        self._end_watch = None

    async def _watch_end(self) -> None:
        if self.running is not None:
            ended = await self.parent.runtime.wait_ended(self.running)
            if ended.by_itself:
                await self._restarter.poll()
            else:
                self._report_dead(ended)

    async def start_kernel(self, record: KernelRecord | None = None, **_: Any) -> None:
        """Start a record, or at a restart the last one; return when the kernel answers. Raises UserError."""
        if record is not None:
            self.record = record
        self.process_proxy = DirectProxy(self, self.parent.runtime)
        await AsyncKernelManager.start_kernel(self)

    def pre_start_kernel(self, **_: Any) -> tuple[list[str], dict[str, Any]]:
        """Return the plan's command, unchanged."""
        self.shutting_down = False
        self._launch_args: dict[str, Any] = {}
        return list(self.record.plan.argv), {}

    async def _launch_kernel(self, kernel_cmd: list[str], **_: Any) -> DirectProxy:
        timeout = self.record.plan.launch_timeout_seconds
        try:
            proxy: DirectProxy = await asyncio.wait_for(
                self._launch_and_answer(kernel_cmd, time.monotonic() + timeout), timeout
            )
        except BaseException as error:
            await asyncio.shield(self.discard())
            if isinstance(error, asyncio.TimeoutError):
                raise StartTimeout(
                    "start_timeout",
                    f"The kernel {self.record.plan.address!r} did not answer within {timeout:g} s. Try again; "
                    "if it keeps happening, ask an admin to look at the kernelspec.",
                ) from error
            raise
        return proxy

    async def discard(self) -> None:
        """Return when the kernel and everything created for it has been removed. It is no longer used."""
        self.stop_restarter()
        try:
            self.connection.close()
        finally:
            await self.process_proxy.stop(0)

    async def _launch_and_answer(self, kernel_cmd: list[str], deadline: float) -> DirectProxy:
        proxy: DirectProxy = await self.process_proxy.launch_process(
            kernel_cmd, record=self.record, keys=self._keys(), spare=self.spare
        )
        self.connect_to(proxy)
        await self.answered(deadline)
        self.connection.release()
        return proxy

    def _keys(self) -> ConnectionKeys:
        """Return the keys of the next start. It signs with the key of the last one."""
        curve = new_curve_keys() if self.record.plan.encrypted else None
        if not self.has_connection:
            return ConnectionKeys(curve=curve)
        return ConnectionKeys(SecretStr(self.session.key.decode()), curve)

    has_connection = False

    def connect_to(self, proxy: DirectProxy, *, listening: bool = False) -> None:
        """Use the connection of a kernel that the runtime has started or found, at first only to listen."""
        assert proxy.running is not None  # noqa: S101 - for the type checker
        connection = proxy.running.connection
        self.transport = connection.transport
        self.ip = connection.ip
        for channel, port in zip(CHANNELS, connection.ports(), strict=True):
            setattr(self, f"{channel}_port", port)
        self.session.key = connection.key.get_secret_value().encode()
        self.session.signature_scheme = connection.signature_scheme
        self._server_key = connection.curve_publickey or ""
        self.has_connection = True
        self.notes = "; ".join([*self.record.plan.notes, *proxy.running.notes])
        self.connection.end_requests("The kernel was restarted.")
        self.connection.open(self._open_socket, listening=listening)

    async def answered(self, deadline: float) -> None:
        """Return when the kernel answers kernel_info.

        Raises StartFailed if the kernel ends before, and TimeoutError after the deadline. An open port is not
        enough: ipykernel answers a tenth of a second after it listens.
        """
        assert self.running is not None  # noqa: S101 - for the type checker
        ended = asyncio.ensure_future(self.parent.runtime.wait_ended(self.running))
        reply = asyncio.ensure_future(self._answered(deadline))
        try:
            await asyncio.wait({ended, reply}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                why: Ended = ended.result()
                raise StartFailed(why.code, why.reason, detail=why.detail)
            reply.result()
        finally:
            ended.cancel()
            reply.cancel()

    async def _answered(self, deadline: float) -> None:
        await asyncio.wait_for(self.connection.probe.answered(), deadline - time.monotonic())

    def _open_socket(self, channel: str, identity: bytes) -> tuple[zmq.Socket[bytes], str]:
        """Return a socket that disconnects a kernel whose message exceeds `max_message_bytes`, and its address."""
        socket = self.context.socket(zmq.SUB if channel == "iopub" else zmq.DEALER)
        socket.identity = identity
        socket.linger = LINGER_MILLISECONDS
        if self._server_key:
            encrypt(socket, self._server_key)
        socket.setsockopt(zmq.MAXMSGSIZE, self.parent.limits.max_message_bytes)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MILLISECONDS)
        if channel == "iopub":
            socket.subscribe(b"")
        return socket, self._make_url(channel)

    async def interrupt_kernel(self) -> None:
        """Interrupt the kernel by a message, or by a signal if its `interrupt_mode` is signal."""
        if self.record.plan.interrupt_mode == "message":
            await self.connection.probe.interrupt(wait=not self.shutting_down)
        elif self.shutting_down:  # jupyter_client interrupts before a shutdown; a failure must not prevent it
            with contextlib.suppress(UserError):
                await self.signal_kernel(signal.SIGINT)
        else:
            await self.signal_kernel(signal.SIGINT)

    def request_shutdown(self, restart: bool = False) -> None:
        """Ask the kernel to end."""
        self.connection.ask("control", "shutdown_request", {"restart": restart})

    def _connect_control_socket(self) -> None:
        """Do nothing: the connection has a control socket."""

    async def signal_kernel(self, signum: int) -> None:
        """Send a signal through the runtime."""
        if self.running is not None:
            await self.parent.runtime.signal(self.running, signum)

    async def finish_shutdown(self, *_: Any, **__: Any) -> None:
        """Return when the kernel has ended. It was asked by message, and has its grace period to end."""
        grace = self.record.plan.grace_period_seconds
        if self.restarting:
            in_background(self.process_proxy.stop(grace))  # the next start uses another name, so it need not wait
        else:
            await self.process_proxy.stop_all(grace)
        self.kernel = None

    async def _kill_kernel(self) -> None:
        await self.process_proxy.stop_all(0)
        self.kernel = None

    async def restart_kernel(self, now: bool = False, **_: Any) -> None:
        """Run the record again; `now` means that the kernel died.

        A kernel that died without a client is removed. A kernel that was ended by a memory limit or by an admin is
        only reported dead, so that its user learns why the variables are lost.
        """
        if now and not self.parent.lists(self):
            return
        ended = self.parent.runtime.ended(self.running) if now and self.running else None
        if ended is not None and not ended.by_itself:
            self._report_dead(ended)
            return
        if now and not self.parent.has_clients(self.record.kernel_id):
            await self.parent.forget(self.record.kernel_id, ended.reason if ended else "")
            return
        async with self.verb:
            if not self.parent.lists(self):
                raise kernel_not_found(self.record.kernel_id)
            await self._restart(now)

    async def _restart(self, now: bool) -> None:
        self.restarting = True
        self.connection.hold()
        # Lab takes "restarting" as the word for a kernel that has died.
        self.connection.say_state("restarting" if now else "starting")
        try:
            await AsyncIOLoopKernelManager.restart_kernel(self, now=now)
        except UserError as error:
            log.warning("kernel %s could not be restarted: %s", self.record.kernel_id, error)
            self.die(error.message)
            if not now:
                raise
        except Exception:
            self.die("The kernel could not be restarted. An admin can find the details in the gateway's log.")
            raise
        else:
            self.dead, self.execution_state = False, self.state_now()
            self.connection.say_state(self.execution_state)
            if now:
                self.parent.audit.write("restart", code="kernel_exited", about=self.record)
        finally:
            self.restarting = False

    def state_now(self) -> str:
        """Return the state of a kernel that answers."""
        return "busy" if self.connection.computing else "idle"

    def _report_dead(self, ended: Ended) -> None:
        log.warning("kernel %s is dead (%s): %s", self.record.kernel_id, ended.code, ended.reason)
        self.parent.audit.write("die", code=ended.code, about=self.record)
        self.die(ended.reason)
        in_background(self.process_proxy.stop(0))

    def die(self, reason: str) -> None:
        """Keep the kernel listed as dead, so that its user learns why and can restart it."""
        self.dead, self.notes, self.execution_state = True, reason, "dead"
        self.stop_restarter()
        self.connection.die(reason)

    def cleanup_resources(self, restart: bool = False) -> None:
        """Remove nothing of the kernel: `finish_shutdown` lets it end. Enterprise Gateway would kill it here."""
        AsyncIOLoopKernelManager.cleanup_resources(self, restart)

    def _link_dependent_props(self) -> None:
        """Link nothing: links to the application would keep every kernel's manager in memory."""

    def write_connection_file(self) -> None:
        """Write nothing. The runtime creates the connection file, which only the kernel may read."""

    def cleanup_connection_file(self) -> None:
        """Remove nothing; see write_connection_file."""

    def cleanup_ipc_files(self) -> None:
        """Remove nothing, because the sockets are in the runtime's folder."""
