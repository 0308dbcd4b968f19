"""The sessions of a user's server: which kernel belongs to which notebook, also when an earlier server started it.

The gateway is told at a start what the kernel is for, keeps that with the kernel, and tells the next server. What
has changed since is in notes in the user's home.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.gateway.managers import GatewaySessionManager

from kernelpod.singleuser import notes
from kernelpod.singleuser.activity import SERVER_VARIABLE
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
        self._file = notes.place(os.environ.get(SERVER_VARIABLE, ""))
        self._before = notes.read(self._file)
        self._noted: list[notes.Note] = []
        self._noting = asyncio.Lock()

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
        env = {**self.get_kernel_env(path, name), **purpose(path, name, type)}
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

    async def save_session(self, session_id: str, **about: Any) -> Any:
        """Keep a new session, and return its model."""
        model = await super().save_session(session_id, **about)
        await self._note()
        return model

    async def update_session(self, session_id: str, **changes: Any) -> None:
        """Change a session."""
        await super().update_session(session_id, **changes)
        await self._note()

    async def delete_session(self, session_id: str) -> None:
        """End a session and its kernel."""
        await super().delete_session(session_id)
        await self._note()

    async def _note(self) -> None:
        """Write what the next server must know, if it has changed. A home that takes no file is no obstacle."""
        async with self._noting:
            rows = self.cursor.execute("SELECT path, name, type, kernel_id FROM session").fetchall()
            now = [*self._before, *(notes.Note(*(str(one or "") for one in row)) for row in rows)]
            if now != self._noted:
                self._noted = now
                try:
                    await asyncio.to_thread(notes.write, self._file, now)
                except OSError as error:
                    self.log.warning("sessions cannot be noted for the next server: %s", error)

    async def take_over(self, models: Iterable[Mapping[str, Any]]) -> None:
        """Make the sessions of these kernels; of two for one path, that of the kernel that was used last."""
        before, self._before = self._before, []
        for model in sorted(models, key=lambda one: str(one.get("last_activity")), reverse=True):
            told = [note for note in before if note.kernel_id == model["id"]] or _told(model)
            for note in told:
                if not await super().session_exists(note.path):
                    await self.save_session(self.new_session_id(), **note._asdict())


def _told(model: Mapping[str, Any]) -> list[notes.Note]:
    """Return what the gateway says that a kernel is for."""
    told = model.get("session") or {}
    path, of = str(told.get("path") or ""), str(told.get("type") or DEFAULT_TYPE)
    return [notes.Note(path, path.rpartition("/")[2], of, model["id"])] if path else []


def purpose(path: str | None, name: str | None, type: str | None) -> dict[str, str]:  # noqa: A002 - jupyter_server's
    """Return the wish that says what a kernel is for; nothing if the gateway would not keep it.

    Lab invents the last part of the path of a new session, and names the notebook beside it.
    """
    folder, slash, last = (path or "").rpartition("/")
    told = named(f"{folder}{slash}{name or last}", type or "")
    return {PATH_WISH: told.path, TYPE_WISH: told.type} if told else {}
