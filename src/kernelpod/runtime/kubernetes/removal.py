"""Removes a kernel's Pod and Secret, as often as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from kernelpod.runtime.kubernetes import reasons
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError, try_again
from kernelpod.runtime.kubernetes.podwatch import PodWatch
from kernelpod.start.plan import KernelPlan

log = logging.getLogger(__name__)

# After its grace a pod has this long to go before it is removed from the API server's books by force.
FORCE_SECONDS = 15
# How long deletes are repeated while the API server is away; what is left then is the next gateway's to remove.
PERSIST_SECONDS = 600


class Removal:
    """Everything that is on its way out; a name is removed by one task only."""

    def __init__(self, api: ApiServer, watch: PodWatch, pods_path: str, secrets_path: str) -> None:
        self._api, self._watch = api, watch
        self._pods_path, self._secrets_path = pods_path, secrets_path
        self._going: dict[str, asyncio.Task[None]] = {}

    def remove(self, name: str, plan: KernelPlan | None = None, grace_seconds: float = 0) -> asyncio.Task[None]:
        """Begin to remove; return the task that ends when Pod and Secret are gone.

        With a grace the kernel has half of it to end by itself, the other half after it was asked by SIGTERM.
        """
        if name not in self._going:
            task = asyncio.ensure_future(self._remove(name, plan, grace_seconds))
            self._going[name] = task
            task.add_done_callback(lambda _: self._going.pop(name, None))
        return self._going[name]

    def of_kernel(self, kernel_id: str) -> list[asyncio.Task[None]]:
        """Return what removes earlier starts of a kernel."""
        mine = f"-{kernel_id.replace('-', '')}-"
        return [task for name, task in self._going.items() if mine in name]

    async def close(self) -> None:
        """Leave the rest to the next gateway."""
        tasks = list(self._going.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _remove(self, name: str, plan: KernelPlan | None, grace_seconds: float) -> None:
        if plan and grace_seconds > 0:
            with contextlib.suppress(asyncio.TimeoutError):
                by_itself = self._watch.until(name, lambda pod: reasons.ended(pod, plan))
                await asyncio.wait_for(by_itself, grace_seconds / 2)
        grace = max(1, round(grace_seconds / 2))  # 0 would free the name while the kernel may still run
        deadline = time.monotonic() + PERSIST_SECONDS
        await asyncio.gather(
            self._delete(f"{self._pods_path}/{name}", grace, deadline),
            self._delete(f"{self._secrets_path}/{name}", None, deadline),
        )
        gone = self._watch.until(name, lambda pod: True if pod is None else None)
        try:
            await asyncio.wait_for(gone, grace + FORCE_SECONDS)
        except asyncio.TimeoutError:
            log.warning("pod %s does not end; it is deleted by force", name)
            await self._delete(f"{self._pods_path}/{name}", 0, deadline)

    async def _delete(self, path: str, grace: int | None, deadline: float) -> None:
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        pauses = try_again(until=deadline)
        while True:
            try:
                await self._api.call("DELETE", path, body=body)
                return
            except ApiRefusedError as error:
                if error.status == 404:
                    return
                log.warning("%s cannot be deleted: %s", path, error)
            except ApiSilentError as error:
                log.info("%s", error)
            if (pause := next(pauses, None)) is None:
                log.error("%s is left behind; the next gateway removes it", path)
                return
            await asyncio.sleep(pause)
