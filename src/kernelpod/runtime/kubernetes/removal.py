"""Removes a kernel's Pod, Secret and executors of Spark, and retries until they are gone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from kernelpod.base import names
from kernelpod.runtime.kubernetes import reasons
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError, try_again
from kernelpod.runtime.kubernetes.executors import Executors, pods_path, policies_path
from kernelpod.runtime.kubernetes.podwatch import PodWatch
from kernelpod.start.plan import KernelPlan

log = logging.getLogger(__name__)

# Seconds after the grace period until a pod is force deleted.
FORCE_SECONDS = 15
# How many seconds deletes are retried while the API server is unavailable. The next gateway removes the rest.
PERSIST_SECONDS = 600


class Removal:
    """All removals in progress. Each name is removed by exactly one task."""

    def __init__(
        self, api: ApiServer, watch: PodWatch, pods_path: str, secrets_path: str, executors: Executors
    ) -> None:
        self._api, self._watch, self._executors = api, watch, executors
        self._pods_path, self._secrets_path = pods_path, secrets_path
        self._going: dict[str, asyncio.Task[None]] = {}
        self.ended_at = -math.inf
        """When the last removal ended, by time.monotonic."""

    def remove(self, name: str, plan: KernelPlan | None = None, grace_seconds: float = 0) -> asyncio.Task[None]:
        """Start a removal and return its task, which ends when Pod, Secret and executors are gone.

        The kernel has the first half of the grace period to end on its own, and the second half after SIGTERM.
        """
        if name not in self._going:
            task = asyncio.ensure_future(self._remove(name, plan, grace_seconds))
            self._going[name] = task
            task.add_done_callback(lambda _: self._end(name))
        return self._going[name]

    def _end(self, name: str) -> None:
        self._going.pop(name, None)
        self.ended_at = time.monotonic()

    def of_kernel(self, kernel_id: str) -> list[asyncio.Task[None]]:
        """Return the tasks that remove earlier pods of a kernel."""
        mine = f"-{kernel_id.replace('-', '')}-"
        return [task for name, task in self._going.items() if mine in name]

    async def close(self) -> None:
        """Cancel all removals. The next gateway removes what is left."""
        tasks = list(self._going.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _remove(self, name: str, plan: KernelPlan | None, grace_seconds: float) -> None:
        if plan and grace_seconds > 0:
            with contextlib.suppress(asyncio.TimeoutError):
                by_itself = self._watch.until(name, lambda pod: reasons.ended(pod, plan))
                await asyncio.wait_for(by_itself, grace_seconds / 2)
        grace = max(1, round(grace_seconds / 2))  # 0 would force delete the pod while the kernel may still run
        deadline = time.monotonic() + PERSIST_SECONDS
        await asyncio.gather(
            self._delete(f"{self._pods_path}/{name}", grace, deadline),
            self._delete(f"{self._secrets_path}/{name}", None, deadline),
        )
        gone = self._watch.until(name, lambda pod: True if pod is None else None)
        try:
            await asyncio.wait_for(gone, grace + FORCE_SECONDS)
        except asyncio.TimeoutError:
            log.warning("pod %s did not terminate in time; force deleting it", name)
            await self._delete(f"{self._pods_path}/{name}", 0, deadline)
        for namespace in self._executors.namespaces(plan):
            await self._remove_executors(namespace, name, deadline)

    async def _remove_executors(self, namespace: str, driver: str, deadline: float) -> None:
        """Remove the executors of a pod that is gone, since nobody else may; then the policy that names it."""
        own = {"labelSelector": names.selector({names.LABEL_DRIVER: driver})}
        if await self._delete(pods_path(namespace), 1, deadline, own):
            await self._delete(f"{policies_path(namespace)}/{driver}", None, deadline)

    async def _delete(
        self, path: str, grace: int | None, deadline: float, query: Mapping[str, str] | None = None
    ) -> bool:
        """Return whether the object, or all those of the query, are deleted or were gone already."""
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        pauses = try_again(until=deadline)
        while True:
            try:
                await self._api.call("DELETE", path, query, body)
                return True
            except ApiRefusedError as error:
                if error.status == 404:
                    return True
                log.warning("%s cannot be deleted: %s", path, error)
            except ApiSilentError as error:
                log.info("%s", error)
            if (pause := next(pauses, None)) is None:
                log.error("%s could not be deleted; the next gateway will remove it", path)
                return False
            await asyncio.sleep(pause)
