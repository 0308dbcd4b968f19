"""Waits until a new pod's shell port is open, or finds out why the pod does not start."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from kernelpod.base.retry import back_off
from kernelpod.errors import StartFailed
from kernelpod.pods.kernel import POD_PORTS
from kernelpod.runtime.interface import Ended
from kernelpod.runtime.kubernetes import reasons
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.runtime.kubernetes.podwatch import Pod, PodWatch
from kernelpod.start.plan import KernelPlan

log = logging.getLogger(__name__)

# A slow start is checked after these pauses in seconds: only events report that a mount fails.
LOOK_SECONDS = (1.5, 1, 1.5, 2, 3)
PROBE_SECONDS = (0.03, 0.5)
PROBE_TIMEOUT_SECONDS = 5


async def address_of(name: str, plan: KernelPlan, watch: PodWatch, troubles: Troubles) -> str:
    """Return a pod's address once its shell port is open. Raises StartFailed with the cluster's reason.

    Connections to a dead pod hang instead of being refused, so the watch runs at the same time as the probe.
    """
    opened = asyncio.ensure_future(_opened(name, watch))
    hindered = asyncio.ensure_future(troubles.of(name, plan))
    ended = asyncio.ensure_future(watch.until(name, lambda pod: reasons.ended(pod, plan)))
    try:
        await asyncio.wait((opened, hindered, ended), return_when=asyncio.FIRST_COMPLETED)
        for end in (ended, hindered):
            if end.done():
                why = end.result()
                raise StartFailed(why.code, why.reason, detail=why.detail)
        return opened.result()
    finally:
        for task in (opened, hindered, ended):
            task.cancel()
        await asyncio.gather(opened, hindered, ended, return_exceptions=True)


async def _opened(name: str, watch: PodWatch) -> str:
    ip = await watch.until(name, reasons.address)
    pauses = back_off(*PROBE_SECONDS, factor=1.5)
    while True:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            _, writer = await asyncio.wait_for(asyncio.open_connection(ip, POD_PORTS[0]), PROBE_TIMEOUT_SECONDS)
            writer.close()
            return ip
        await asyncio.sleep(next(pauses))


class Troubles:
    """Finds out why pods do not start.

    Permanent failures abort a start at once, transient ones after `heal_seconds`.
    """

    def __init__(self, api: ApiServer, watch: PodWatch, events_path: str, heal_seconds: float) -> None:
        self._api, self._watch, self._events_path = api, watch, events_path
        self._heal_seconds = heal_seconds

    async def of(self, name: str, plan: KernelPlan) -> Ended:
        """Wait until the pod has a permanent failure, or a transient one for `heal_seconds`, and return it."""
        looks, since = iter(LOOK_SECONDS), 0.0
        told: reasons.Obstacle | None = None
        while True:
            final = self._watch.until(name, lambda pod: _if_final(reasons.obstacle(pod, (), plan)))
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(final, next(looks, LOOK_SECONDS[-1]))
            pod = self._watch.pod(name)
            events = await self._events_of(pod) if reasons.may_hide_a_mount(pod) else ()
            found = reasons.obstacle(pod, events, plan)
            if found is None:
                since = 0.0
                continue
            since = since or time.monotonic()
            if found != told:
                log.info("kernel %s is waiting: %s", plan.kernel_id, found.ended.reason)
            told = found
            if found.final or time.monotonic() - since > self._heal_seconds:
                return found.ended

    async def _events_of(self, pod: Pod | None) -> list[dict[str, Any]]:
        if pod is None:
            return []
        chosen = f"involvedObject.uid={pod['metadata']['uid']},reason=FailedMount"
        try:
            answer = await self._api.call("GET", self._events_path, {"fieldSelector": chosen})
        except (ApiRefusedError, ApiSilentError) as error:
            log.warning("events of %s cannot be read: %s", pod["metadata"]["name"], error)
            return []
        events: list[dict[str, Any]] = answer["items"]
        return events


def _if_final(obstacle: reasons.Obstacle | None) -> Ended | None:
    return obstacle.ended if obstacle and obstacle.final else None
