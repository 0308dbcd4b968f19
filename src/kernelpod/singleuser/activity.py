"""Reports the activity of a server's kernels at the gateway to the hub, as the server's own activity.

jupyter_server tracks only the kernels that it runs itself. Without this report, a server whose kernel computes
while no tab is open looks idle, and is culled with its kernel. Every setting that ends in `_last_activity` counts
as activity (jupyter_server, web_app.last_activity). This module only lists the kernels at the gateway, which does
not count as activity.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from datetime import datetime, timezone
from logging import Logger
from typing import Any

SECONDS_VARIABLE, BUSY_VARIABLE = "KERNELPOD_ACTIVITY_SECONDS", "KERNELPOD_ACTIVITY_BUSY"
SERVER_VARIABLE = "JUPYTERHUB_SERVER_NAME"
DEFAULT_SECONDS = 60.0
SETTING = "kernelpod_last_activity"

Model = Mapping[str, Any]
Ask = Callable[[], Awaitable[Iterable[Model]]]


def last_activity(models: Iterable[Model], now: datetime, keep_busy: bool) -> datetime | None:
    """Return when one of these kernels was last active, or None without kernels. A busy kernel is active now."""
    return max((_of_one(model, now, keep_busy) for model in models), default=None)


def _of_one(model: Model, now: datetime, keep_busy: bool) -> datetime:
    if keep_busy and model["execution_state"] == "busy":
        return now
    said = datetime.fromisoformat(str(model["last_activity"]).replace("Z", "+00:00"))
    # The gateway's clock may be ahead.
    return min(now, said if said.tzinfo else said.replace(tzinfo=timezone.utc))


class Bridge:
    """Writes the last activity of a server's kernels into the server's settings.

    While the gateway does not answer, its last answer is used: a kernel that was busy then still counts as busy.
    """

    def __init__(self, ask: Ask, settings: MutableMapping[str, Any], log: Logger, keep_busy: bool = True) -> None:
        self._ask, self._settings, self._log, self._keep_busy = ask, settings, log, keep_busy
        self._known: list[Model] = []
        self._said = False

    async def look(self) -> None:
        """Ask once and record the answer. An error is logged once, until the gateway answers again."""
        try:
            known = list(await self._ask())
            found = last_activity(known, _now(), self._keep_busy)
            self._known = known
        except Exception as error:  # noqa: BLE001 - the server must run on after any error
            if not self._said:
                self._log.warning("kernelpod: the gateway does not list kernels; the last list is used: %s", error)
            self._said = True
            found = last_activity(self._known, _now(), self._keep_busy)
        else:
            if self._said:
                self._log.info("kernelpod: the gateway lists kernels again")
            self._said = False
        if found is not None:
            self._settings[SETTING] = max(found, self._settings.get(SETTING, found))

    async def run(self, seconds: float) -> None:
        """Ask again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(seconds)


async def gateway_kernels(kernel_manager: Any) -> list[Model]:
    """Return the models of all kernels that the gateway lists to this server.

    The manager's own list_kernels() is not used: it forgets kernels, which a server that stops is about to delete.
    """
    from kernelpod.singleuser.asking import ask  # noqa: PLC0415 - needs jupyter_server 2

    listed: list[Model] = await ask(kernel_manager.kernels_url)
    return listed


class Kernels:
    """Lists this server's kernels at the gateway, with the server's token."""

    def __init__(self, kernel_manager: Any, server: str) -> None:
        self._manager, self._server = kernel_manager, server
        self._had_some = True  # an earlier server of this name may have left kernels

    async def __call__(self) -> list[Model]:
        """Return their models. Sends no request if there were none and none has been started since."""
        if not self._had_some and not self._manager.list_kernel_ids():
            return []
        found = [model for model in await gateway_kernels(self._manager) if self._is_mine(model)]
        self._had_some = bool(found)
        return found

    def _is_mine(self, model: Model) -> bool:
        return model["id"] in self._manager or model.get("server") == self._server


def period(environment: Mapping[str, str]) -> float:
    """Return the seconds between requests. An invalid value gives the default."""
    try:
        seconds = float(environment.get(SECONDS_VARIABLE) or DEFAULT_SECONDS)
    except ValueError:
        return DEFAULT_SECONDS
    return seconds if 0 < seconds < float("inf") else DEFAULT_SECONDS


def start_bridge(serverapp: Any) -> asyncio.Task[None] | None:
    """Return the task that reports activity, or None if the server runs its kernels itself."""
    if not serverapp.gateway_config.gateway_enabled:
        return None
    kernels = Kernels(serverapp.kernel_manager, os.environ.get(SERVER_VARIABLE, ""))
    keep_busy = os.environ.get(BUSY_VARIABLE) != "cull"
    bridge = Bridge(kernels, serverapp.web_app.settings, serverapp.log, keep_busy)
    return asyncio.ensure_future(bridge.run(period(os.environ)))


def _now() -> datetime:
    return datetime.now(timezone.utc)
