"""Single-user servers as local processes, in the sandbox that kernels get: for one machine without Kubernetes."""

from __future__ import annotations

import os
import signal
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Unicode

from kernelpod.errors import StartFailed
from kernelpod.hub.config import server_mounts
from kernelpod.identity import Identity, Owner
from kernelpod.mounts import UserMounts
from kernelpod.policy import uid_and_gid
from kernelpod.runtime.sandbox import Bind, Sandbox, as_user, check, in_sandbox, payload_pid
from kernelpod.settings import Settings, load


class SandboxSpawner(LocalProcessSpawner):
    """Runs a user's server with her mounts and nobody else's; no account of that name is needed."""

    settings_file = Unicode(help="The settings file that the gateway uses, too.").tag(config=True)

    @cached_property
    def house(self) -> Settings:
        """The settings."""
        return load(Path(self.settings_file))

    @property
    def mounts(self) -> UserMounts:
        """What the user's server sees."""
        return server_mounts(self.house, self.house.hubs[0], self)

    @property
    def sandboxed(self) -> bool:
        """Whether servers run in a sandbox."""
        return self.house.runtime.local.sandbox == "required"

    @property
    def home(self) -> str:
        """Where the server sees the home."""
        return self.mounts.home.mount_path if self.sandboxed else self.mounts.home.path

    async def start(self) -> Any:
        """Make the home if the settings let it, then start the server in its sandbox."""
        if self.sandboxed:
            check()
        uid, gid = uid_and_gid(self.house, self._identity())
        self._ensure_home(uid, gid)
        local = self.house.runtime.local
        system = tuple(
            Bind(path, path, read_only=True) for path in (*local.read_only_paths, *self._server_paths())
        )
        binds = tuple(Bind(mount.path, mount.mount_path, mount.read_only) for mount in self.mounts.all())
        sandbox = Sandbox((*system, *binds), uid, gid, groups=(), working_dir=self.home)
        server = ["jupyterhub-singleuser"]
        self.cmd = in_sandbox(sandbox, server) if self.sandboxed else as_user(sandbox, server)
        self.notebook_dir = self.home
        return await super().start()

    def _identity(self) -> Identity:
        groups = tuple(sorted(group.name for group in self.user.groups))
        return Identity(Owner(hub=self.house.hubs[0].name, kind="user", name=self.user.name), groups)

    def _server_paths(self) -> tuple[str, ...]:
        """Return the folders the server's own programs lie in."""
        return tuple(path for path in self.server_paths.split(":") if path)

    server_paths = Unicode(help="Folders the server needs, such as its environment; separated by colons.").tag(
        config=True
    )

    def _ensure_home(self, uid: int, gid: int) -> None:
        """Make a missing home. Raises StartFailed (home_missing) where the settings do not let it."""
        path = Path(self.mounts.home.path)
        if path.is_dir():
            return
        if not self.house.homes.create_local:
            raise StartFailed("home_missing", f"The home {path} does not exist; an admin must make it.")
        path.mkdir(mode=0o700, parents=True)
        if os.getuid() == 0:
            os.chown(path, uid, gid)

    def make_preexec_fn(self, name: str) -> Any:
        """Return what runs in the new process: a usual umask, whatever the hub's is; the sandbox does the rest."""
        del name
        return lambda: os.umask(0o022)

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment with the user's own places."""
        return {**env, "USER": self.user.name, "HOME": self.home, "SHELL": "/bin/bash"}

    async def _signal(self, sig: int) -> bool:
        """Signal the server itself: bubblewrap passes nothing on, and SIGKILL must end the whole sandbox.

        SIGTERM stands in for SIGINT: without a terminal, jupyter_server leaves its kernels running on SIGINT.
        """
        if sig == signal.SIGINT:
            sig = signal.SIGTERM
        target = self.pid
        if self.sandboxed and sig != 0 and (inner := _child(self.pid)) is not None:
            target = inner if sig == signal.SIGKILL else payload_pid(inner) or inner
        try:
            os.kill(target, sig)
        except ProcessLookupError:
            return False
        return True


def _child(pid: int) -> int | None:
    """Return the one child of bubblewrap's outer process: PID 1 of the sandbox."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(children[0]) if children else None
