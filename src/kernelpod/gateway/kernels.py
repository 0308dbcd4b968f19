"""The manager of all kernels: Enterprise Gateway's, with an owner for each kernel.

docs/architecture.md ("The seam to Enterprise Gateway") explains what is overridden, and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import zmq
from enterprise_gateway.services.kernels.remotemanager import RemoteMappingKernelManager
from jupyter_server._tz import utcnow
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from kernelpod.audit import ITSELF, Actor, AuditLog
from kernelpod.errors import KernelpodError, NotFound, UserError, kernel_not_found
from kernelpod.gateway.channels.budget import Budget
from kernelpod.gateway.kernel import DirectKernelManager
from kernelpod.gateway.proxy import DirectProxy, in_background
from kernelpod.runtime.interface import RunningKernel, Runtime
from kernelpod.settings.sections import Gateway
from kernelpod.start.identity import Owner
from kernelpod.start.record import KernelRecord

log = logging.getLogger(__name__)

SETTLE_SECONDS = 3600


class DirectMappingKernelManager(RemoteMappingKernelManager):
    """All kernels of this gateway, each with its owner."""

    runtime: Runtime
    limits: Gateway
    budget: Budget
    audit: AuditLog
    may_act: Callable[[], bool]
    """Whether no other gateway may lead by now."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settling: list[asyncio.Task[None]] = []

    def _context_default(self) -> zmq.Context[zmq.Socket[bytes]]:
        """Return a context with room for the sockets of thousands of kernels."""
        context: zmq.Context[zmq.Socket[bytes]] = super()._context_default()
        context.set(zmq.MAX_SOCKETS, context.get(zmq.SOCKET_LIMIT))
        return context

    def _kernel_manager_class_default(self) -> str:
        return f"{DirectKernelManager.__module__}.{DirectKernelManager.__qualname__}"

    def kernel(self, kernel_id: str) -> DirectKernelManager:
        """Return a running kernel. Raises NotFound."""
        found: DirectKernelManager | None = self._kernels.get(kernel_id)
        if found is None:
            raise kernel_not_found(kernel_id)
        return found

    def owners(self) -> dict[str, Owner]:
        """Return the owner of every kernel by its id. A dead one can be restarted, so it counts."""
        return {kernel_id: kernel.record.owner for kernel_id, kernel in self._kernels.items()}

    def listed(self) -> list[DirectKernelManager]:
        """Return every kernel that is listed."""
        return list(self._kernels.values())

    def records(self) -> list[KernelRecord]:
        """Return the record of every kernel."""
        return [kernel.record for kernel in self._kernels.values()]

    def models(self, may_access: Callable[[Owner], bool], caller: Owner) -> list[dict[str, Any]]:
        """Return the models, for this caller, of the kernels for whose owners `may_access` is true."""
        seen = [id_ for id_, kernel in self._kernels.items() if may_access(kernel.record.owner)]
        return [self.model_for(id_, caller) for id_ in seen]

    def model_for(self, kernel_id: str, caller: Owner) -> dict[str, Any]:
        """Return the kernel's model for a caller. Only its owner is told what it is for."""
        record = self.kernel(kernel_id).record
        model = self.kernel_model(kernel_id)
        if record.session is not None and record.owner.is_same_as(caller):
            model["session"] = record.session.model_dump()
        return model

    async def run(self, record: KernelRecord) -> None:
        """Start a record and return when its kernel answers. Raises UserError; then everything is removed.

        Enterprise Gateway's start_kernel is not called, because it reads the user's name from the environment.
        """
        kernel_id = record.kernel_id
        try:
            await AsyncMappingKernelManager.start_kernel(
                self, kernel_id=kernel_id, kernel_name=record.plan.address, record=record
            )
        except BaseException:
            self._starting_kernels.pop(kernel_id, None)
            raise
        kernel = self.kernel(kernel_id)
        kernel.execution_state = kernel.state_now()

    def new_kernel(self, record: KernelRecord) -> DirectKernelManager:
        """Return a manager for a record, without adding it to the listed kernels."""
        kernel: DirectKernelManager = self.kernel_manager_factory(
            connection_file="", parent=self, log=self.log, kernel_name=record.plan.address
        )
        kernel.kernel_id, kernel.record = record.kernel_id, record
        return kernel

    async def admit(self, kernel: DirectKernelManager) -> None:
        """Add a running kernel to the listed kernels."""
        self._kernels[kernel.record.kernel_id] = kernel
        self._kernel_connections[kernel.record.kernel_id] = 0
        await self._finish_kernel_start(kernel.record.kernel_id)
        kernel.last_activity, kernel.execution_state = utcnow(), kernel.state_now()
        kernel.idle_since = time.monotonic()

    def found(self, running: RunningKernel) -> DirectKernelManager:
        """Return a manager that listens to a running kernel, without adding it to the listed kernels."""
        kernel = self.new_kernel(running.record)
        kernel.process_proxy = DirectProxy(kernel, self.runtime)
        kernel.process_proxy.running = running
        kernel.connect_to(kernel.process_proxy, listening=True)
        return kernel

    async def adopt(
        self, heard: Callable[[RunningKernel], DirectKernelManager | None]
    ) -> list[DirectKernelManager]:
        """Take over all kernels that the runtime still runs. Return the spares.

        Spares are not listed. `heard` returns the manager that has listened to a kernel so far, if there is one.
        """
        spares = []
        for running in await self.runtime.running():
            record = running.record
            kernel = heard(running) or self.found(running)
            kernel.record, kernel.spare = record, running.spare
            kernel.connection.speak()
            kernel.connection.release()  # it may be busy for long, and then what pages send waits in the kernel
            kernel._launch_args = {}
            kernel.kernel = kernel.process_proxy
            kernel.post_start_kernel()
            if kernel.spare:
                spares.append(kernel)
                log.info("kernel %s found again: prewarmed for user %s", record.kernel_id, record.owner)
                continue
            await self.admit(kernel)
            kernel.execution_state = "busy"  # until it answers, which an idle kernel does at once
            self._settling.append(asyncio.ensure_future(self._settle(kernel)))
            self.audit.write("adopt", about=record)
            log.info(
                "kernel %s found again: user %s, kernelspec %s",
                record.kernel_id,
                record.owner,
                kernel.kernel_name,
            )
        return spares

    def verbs(self) -> list[asyncio.Lock]:
        """Return the locks of the kernels that are being stopped or restarted."""
        return [kernel.verb for kernel in self._kernels.values() if kernel.verb.locked()]

    def disconnect(self) -> None:
        """Speak and listen to no kernel any more, because another gateway does."""
        for kernel in self._kernels.values():
            kernel.stop_restarter()
            kernel.connection.close()

    async def _settle(self, kernel: DirectKernelManager) -> None:
        """Mark an adopted kernel as idle when it answers. A busy kernel answers when it has finished."""
        with contextlib.suppress(UserError, asyncio.TimeoutError):
            await kernel.answered(time.monotonic() + SETTLE_SECONDS)
            if not (kernel.dead or kernel.restarting):
                kernel.execution_state = kernel.state_now()

    def kernel_model(self, kernel_id: str) -> dict[str, Any]:
        """Return the kernel's model as in Jupyter's REST API, with `server`, `encryption`, and the notes as
        `reason`."""
        self._kernel_connections[kernel_id] = self.kernel(kernel_id).connection.pages
        model: dict[str, Any] = super().kernel_model(kernel_id)
        model["encryption"] = self.kernel(kernel_id).encryption
        model["server"] = self.kernel(kernel_id).record.plan.server
        if notes := self.kernel(kernel_id).notes:
            model["reason"] = notes
        return model

    def check_kernel_id(self, kernel_id: str) -> None:
        """Raise NotFound unless the kernel exists."""
        self.kernel(kernel_id)

    def has_clients(self, kernel_id: str) -> bool:
        """Return whether a websocket is open to the kernel."""
        return self.kernel(kernel_id).connection.pages > 0

    def _handle_kernel_died(self, kernel_id: str) -> None:
        """Keep a kernel that keeps dying as dead, so that its user learns why."""
        kernel = self.kernel(kernel_id)
        if not kernel.dead:
            self.audit.write("die", code="kernel_exited", about=kernel.record)
            kernel.die("The kernel ended again each time it was started. Restart it when the cause is mended.")
            in_background(kernel.process_proxy.stop(0))

    async def forget(self, kernel_id: str, why: str) -> None:
        """Remove a kernel that died while no client was connected."""
        log.warning("kernel %s died without a client and is not restarted: %s", kernel_id, why)
        with contextlib.suppress(UserError):
            await self.end(kernel_id, code="kernel_exited", now=True)

    async def restart_kernel(self, kernel_id: str, now: bool = False) -> None:
        """Restart a kernel with the same id and owner; its pages stay connected. Raises UserError.

        Whoever asks during a restart gets that restart.
        """
        kernel = self.kernel(kernel_id)
        if not kernel.restarting:
            await kernel.restart_kernel(now=now)
            return
        async with kernel.verb:
            self.kernel(kernel_id)

    async def shutdown_kernel(self, kernel_id: str, now: bool = False, restart: bool = False) -> None:
        """Stop a kernel, after a restart that has begun. Raises NotFound if somebody else has stopped it first."""
        kernel = self.kernel(kernel_id)
        async with kernel.verb:
            self.kernel(kernel_id)
            await super().shutdown_kernel(kernel_id, now, restart)
            kernel.connection.die("The kernel was stopped.")

    async def end(self, kernel_id: str, by: Actor = ITSELF, *, code: str = "ok", now: bool = False) -> None:
        """Stop a kernel, and write into the audit log who ended it and why. Raises NotFound."""
        record = self.kernel(kernel_id).record
        await self.shutdown_kernel(kernel_id, now=now)
        self.audit.write("stop", by, code=code, about=record)

    async def end_unasked(self, kernel_id: str, said: str, *, code: str) -> None:
        """Stop a kernel that nobody asked to stop, and log a sentence. A failure is only logged.

        A gateway that was frozen may have been replaced. It must not send the kernel the message that ends it.
        """
        if not self.may_act():
            return
        log.info("%s", said)
        try:
            await self.end(kernel_id, code=code)
        except NotFound:
            log.info("kernel %s was stopped by somebody else first", kernel_id)
        except KernelpodError as error:
            log.warning("kernel %s could not be ended: %s", kernel_id, error)
        except Exception:
            log.exception("kernel %s could not be ended", kernel_id)

    def lists(self, kernel: DirectKernelManager) -> bool:
        """Return whether this kernel is running here and has not been stopped."""
        return self._kernels.get(kernel.record.kernel_id) is kernel

    def initialize_culler(self) -> None:
        """Do nothing: the gateway has a culler of its own."""

    def start_watching_activity(self, kernel_id: str) -> None:
        """Do nothing: a kernel's connection reads its state."""

    stop_watching_activity = stop_buffering = start_watching_activity
