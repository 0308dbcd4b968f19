"""Finds the kernels that an earlier server of the same user and name left running at the gateway.

A server that was killed could not stop its kernels. Without this, the next one does not list them, and the user
cannot stop them although they count against the user's limit.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from kernelpod.base.retry import back_off
from kernelpod.singleuser.activity import SERVER_VARIABLE, gateway_kernels

FOUND_VARIABLE = "KERNELPOD_FOUND_KERNELS"
RETRY_SECONDS = (1.0, 30.0)


async def find_again(serverapp: Any) -> None:
    """Let the server list the kernels of its own name that it did not start, or end them, as its variable says.

    Asks until the gateway answers. Failures are logged.
    """
    sessions = serverapp.session_manager
    for pause in back_off(*RETRY_SECONDS, jitter=0.5):
        try:
            await _look(serverapp)
            return
        except Exception as error:  # noqa: BLE001 - whatever the gateway answers, the server runs
            serverapp.log.warning("kernelpod: kernels of an earlier server cannot be listed: %s", error)
        finally:
            if hasattr(sessions, "looked"):
                sessions.looked.set()
        await asyncio.sleep(pause)


async def _look(serverapp: Any) -> None:
    server, manager = os.environ.get(SERVER_VARIABLE, ""), serverapp.kernel_manager
    models = await gateway_kernels(manager)
    found = [model for model in models if model.get("server") == server and model["id"] not in manager]
    for model in found:
        await _adopt(manager, model)
    ending = os.environ.get(FOUND_VARIABLE) == "end"
    for model in found if ending else ():
        await manager.shutdown_kernel(model["id"])
    if hasattr(serverapp.session_manager, "take_over"):
        await serverapp.session_manager.take_over(() if ending else found)
    if found:
        outcome = "ended" if ending else "found again"
        serverapp.log.info("kernelpod: %d kernels of an earlier server are %s", len(found), outcome)


async def _adopt(manager: Any, model: Mapping[str, Any]) -> None:
    kernel = manager.kernel_manager_factory(parent=manager, log=manager.log)
    await kernel.start_kernel(kernel_id=model["id"])
    manager._kernels[model["id"]] = kernel
