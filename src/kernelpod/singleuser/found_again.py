"""Finds the kernels that an earlier server of the same user and name left running at the gateway.

A server that was killed could not stop its kernels. Without this, the next one does not list them, and the user
cannot stop them although they count against the user's limit.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from kernelpod.singleuser.activity import SERVER_VARIABLE, gateway_kernels


async def find_again(serverapp: Any) -> None:
    """Let the server list the kernels of its own name that it did not start. Failures are logged."""
    server, manager = os.environ.get(SERVER_VARIABLE, ""), serverapp.kernel_manager
    try:
        models = await gateway_kernels(manager)
        found = [model for model in models if model.get("server") == server and model["id"] not in manager]
        for model in found:
            await _adopt(manager, model)
    except Exception as error:  # noqa: BLE001 - whatever the gateway answers, the server starts
        serverapp.log.warning("kernelpod: kernels of an earlier server cannot be listed: %s", error)
        return
    if found:
        serverapp.log.info("kernelpod: %d kernels of an earlier server are found again", len(found))


async def _adopt(manager: Any, model: Mapping[str, Any]) -> None:
    kernel = manager.kernel_manager_factory(parent=manager, log=manager.log)
    await kernel.start_kernel(kernel_id=model["id"])
    manager._kernels[model["id"]] = kernel
