"""Keeps tokens out of a server's log, and makes the server's way to the gateway ours.

jupyter_server 2.21 logs the whole environment at INFO whenever it starts a kernel through a gateway
(gateway/managers.py, "started kernel"), with JUPYTERHUB_API_TOKEN and JUPYTER_GATEWAY_AUTH_TOKEN in plain text.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kernelpod.base.logs import escape_logs
from kernelpod.singleuser.activity import start_bridge
from kernelpod.singleuser.found_again import find_again
from kernelpod.singleuser.signatures import PatientSignatures

MASK = "[hidden]"
MIN_LENGTH = 8
_TELLING = ("TOKEN", "SECRET", "PASSWORD", "COOKIE", "_KEY")


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values that must not be logged, longest first. Short values are not taken for secrets."""
    found = {
        value
        for name, value in environment.items()
        if any(word in name.upper() for word in _TELLING)
        and len(value) >= MIN_LENGTH
        and not value.startswith("/")
    }
    return tuple(sorted(found, key=len, reverse=True))


def hide(secrets: tuple[str, ...]) -> None:
    """Mask these values from now on in the log lines of all loggers of this process."""
    make = logging.getLogRecordFactory()

    def masked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        text = record.getMessage()
        if any(secret in text for secret in secrets):
            for secret in secrets:
                text = text.replace(secret, MASK)
            record.msg, record.args = text, ()
        return record

    logging.setLogRecordFactory(masked)


def link_extension(serverapp: Any) -> None:
    """Let the server use the classes of this package with its gateway; those that an admin has named stay.

    jupyter_server calls this after it has read its configuration, and before it makes its managers.
    """
    from jupyter_server.gateway.gateway_client import GatewayClient  # noqa: PLC0415 - needs jupyter_server 2

    if not GatewayClient.instance(parent=serverapp).gateway_enabled:
        return
    from jupyter_server.gateway.managers import GatewayKernelManager  # noqa: PLC0415 - needs jupyter_server 2

    from kernelpod.singleuser.client import RemoteKernelClient  # noqa: PLC0415 - needs jupyter_server 2
    from kernelpod.singleuser.connection import GatewayConnection  # noqa: PLC0415 - needs jupyter_server 2
    from kernelpod.singleuser.kernels import RemoteKernel, RemoteKernels, RemoteKernelSpecs  # noqa: PLC0415
    from kernelpod.singleuser.sessions import RemoteSessions  # noqa: PLC0415

    classes = {
        "kernel_manager_class": RemoteKernels,
        "kernel_spec_manager_class": RemoteKernelSpecs,
        "session_manager_class": RemoteSessions,
        "kernel_websocket_connection_class": GatewayConnection,
    }
    for name, ours in classes.items():
        if name not in serverapp.config.ServerApp:
            setattr(serverapp, name, ours)
    # What the server's extensions run by nbclient runs at the gateway, too; and what names jupyter_server's own
    # class in this process gets a client with the token.
    serverapp.config.NotebookClient.setdefault("kernel_manager_class", RemoteKernel)
    GatewayKernelManager.client_factory.default_value = RemoteKernelClient
    notary = serverapp.config.NotebookNotary
    if not {"db_file", "data_dir", "store_factory"} & notary.keys():
        signatures = Path(serverapp.data_dir) / "nbsignatures.db"
        notary.store_factory = lambda: PatientSignatures(signatures, serverapp.log)


def load_extension(serverapp: Any) -> None:
    """Mask tokens, serve pages, and begin to look for kernels. Called before the event loop runs."""
    escape_logs()
    hide(secrets_in(os.environ))
    serverapp.log.info("kernelpod: tokens are masked in this log")

    if not serverapp.gateway_config.gateway_enabled:
        return
    from kernelpod.singleuser.pages import add_pages  # noqa: PLC0415 - needs jupyter_server 2

    add_pages(serverapp.web_app)

    async def start() -> None:
        # References are kept, because the loop has only weak references to tasks.
        serverapp.web_app.settings["kernelpod_search"] = asyncio.ensure_future(find_again(serverapp))
        serverapp.web_app.settings["kernelpod_bridge"] = start_bridge(serverapp)

    serverapp.io_loop.add_callback(start)
