"""The sessions of a user's server: which kernel belongs to which notebook, also when an earlier server started it.

The gateway is told at a start what the kernel is for. It keeps that with the kernel, and tells the next server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.gateway.managers import GatewaySessionManager

from kernelpod.singleuser.asking import GatewayError
from kernelpod.start.session import DEFAULT_TYPE, named

PATH_WISH, TYPE_WISH = "KERNEL_SESSION_PATH", "KERNEL_SESSION_TYPE"
# How long the first pages wait for what an earlier server left. The gateway may be away.
FIND_SECONDS = 10.0


class RemoteSessions(GatewaySessionManager):
    """Sessions with kernels at the gateway."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.looked = asyncio.Event()
        """Set once the gateway was asked for the kernels of an earlier server."""

    async def start_kernel_for_session(
        self,
        session_id: str,  # noqa: ARG002 - jupyter_server names it
        path: str,
        name: str | None,
        type: str,  # noqa: A002
        kernel_name: str | None,
        **more: Any,
    ) -> str:
        """Start a kernel, and tell the gateway what for. Raises GatewayError."""
        folder = await ensure_async(self.contents_manager.get_kernel_path(path=path))
        env = {**self.get_kernel_env(path, name), **purpose(path, type)}
        made: str = await self.kernel_manager.start_kernel(path=folder, kernel_name=kernel_name, env=env, **more)
        return made

    async def session_exists(self, path: str) -> bool:
        """Return whether there is a session of this path; it may be one of an earlier server."""
        await self._until_looked()
        return bool(await super().session_exists(path))

    async def list_sessions(self) -> list[dict[str, Any]]:
        """Return the models of all sessions."""
        await self._until_looked()
        await self.kernel_manager.list_kernels()
        made: list[dict[str, Any]] = await super().list_sessions()
        return made

    async def row_to_model(self, row: Any, tolerate_culled: bool = False) -> Any:
        """Return a session's model; KeyError or None if its kernel is gone, and with it the session."""
        try:
            return await super().row_to_model(row, tolerate_culled)
        except GatewayError as error:
            if error.status_code != 404:
                raise
            return await super().row_to_model(row, tolerate_culled)  # the manager has forgotten the kernel

    async def _until_looked(self) -> None:
        if not self.looked.is_set():
            await asyncio.wait({asyncio.ensure_future(self.looked.wait())}, timeout=FIND_SECONDS)

    async def take_over(self, models: Iterable[Mapping[str, Any]]) -> None:
        """Make a session for each of these kernels that says what it is for; of two for one path, for the last."""
        for model in sorted(models, key=lambda one: str(one.get("last_activity")), reverse=True):
            told = model.get("session") or {}
            path, of = str(told.get("path") or ""), str(told.get("type") or DEFAULT_TYPE)
            if path and not await super().session_exists(path):
                await self.save_session(
                    self.new_session_id(), path=path, name=path.rpartition("/")[2], type=of, kernel_id=model["id"]
                )


def purpose(path: str | None, type: str | None) -> dict[str, str]:  # noqa: A002 - jupyter_server's word
    """Return the wish that says what a kernel is for; nothing if the gateway would not keep it."""
    told = named(path or "", type or "")
    return {PATH_WISH: told.path, TYPE_WISH: told.type} if told else {}
