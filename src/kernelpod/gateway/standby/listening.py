"""Listens to the kernels that another gateway runs, so that this one knows what they said when it takes over."""

from __future__ import annotations

import logging

import zmq

from kernelpod.errors import KernelpodError
from kernelpod.gateway.kernel import DirectKernelManager
from kernelpod.gateway.kernels import DirectMappingKernelManager
from kernelpod.runtime.interface import RunningKernel

log = logging.getLogger(__name__)


class Listening:
    """The kernels of the gateway that leads. Nothing is sent to them."""

    def __init__(self, kernels: DirectMappingKernelManager) -> None:
        self._kernels = kernels
        self._heard: dict[str, DirectKernelManager] = {}

    async def look(self) -> None:
        """Listen to new kernels, and to those that have ended no more. Raises KernelpodError."""
        seen = {_key(running): running for running in await self._kernels.runtime.seen()}
        for key in self._heard.keys() - seen.keys():
            self._heard.pop(key).connection.close()
        for key in seen.keys() - self._heard.keys():
            try:
                self._heard[key] = self._kernels.found(seen[key])
            except zmq.ZMQError as error:  # no descriptor is left
                raise KernelpodError(f"kernel {key} cannot be listened to: {error}") from error
            log.info("kernel %s: this gateway listens to it, too", seen[key].record.kernel_id)
        for kernel in self._heard.values():
            kernel.connection.forget_old()

    def take(self, running: RunningKernel) -> DirectKernelManager | None:
        """Return the manager of a kernel that is to be run from now on; None if it was not heard."""
        return self._heard.pop(_key(running), None)

    def close(self) -> None:
        """Listen no more."""
        while self._heard:
            self._heard.popitem()[1].connection.close()


def _key(running: RunningKernel) -> str:
    return f"{running.record.kernel_id}-{running.incarnation}"
