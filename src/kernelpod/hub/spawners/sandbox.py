"""Runs single-user servers as local processes in the same sandbox as kernels, on a machine without Kubernetes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import posixpath
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from jupyterhub.spawner import LocalProcessSpawner
from kubespawner import KubeSpawner
from traitlets import Unicode, default

import kernelpod
from kernelpod.base.freeports import HeldPort, hold_port
from kernelpod.base.names import server_log, user_slug
from kernelpod.errors import StartFailed, UserError, home_missing
from kernelpod.homes.mounts import UserMounts
from kernelpod.hub.spawners.base import KernelpodSpawner, NotSpawnedError
from kernelpod.hub.spawners.profiles import chosen, profiles
from kernelpod.runtime.local.cgroups import ControlGroups, Limits
from kernelpod.runtime.local.folders import make_below, open_below
from kernelpod.runtime.local.mounting import Bind, home_escapes
from kernelpod.runtime.local.processes import payload_pid
from kernelpod.runtime.local.sandbox import Sandbox, prepared, require_sandbox
from kernelpod.start.entitlements import Entitlements

LIMITS = ("mem_limit", "cpu_limit")
_NO_LIMITS = "The server's limits of memory and CPU cannot be set. An admin can find why in the hub's log."


@functools.cache
def server_groups() -> ControlGroups | None:
    """Return the control groups of servers; None if none were delegated to the hub."""
    groups = ControlGroups.delegated("hub", "server-")
    if groups is not None:
        groups.sweep(())
    return groups


class SandboxSpawner(KernelpodSpawner, LocalProcessSpawner):
    """Runs a user's server with only their own mounts. The user needs no account on the machine."""

    _port: HeldPort | None = None
    _usual_limits: dict[str, Any] | None = None
    """The configured LIMITS, because a spawner is used again for another course."""

    @property
    def mounts(self) -> UserMounts:
        """The mounts of the user's server."""
        return self.entitlements.mounts

    def course_form(self, made: list[dict[str, Any]]) -> str:
        """Return KubeSpawner's form of these profiles."""
        environment = Environment(loader=PackageLoader("kubespawner", "templates"), autoescape=False)  # noqa: S701
        form = environment.get_template("form.html")
        made_form: str = form.render(profile_list=made, user_options=self.user_options)
        return made_form

    @default("options_from_form")  # type: ignore[untyped-decorator]
    def _kubespawners_options(self) -> Any:
        return partial(KubeSpawner._options_from_form, self)

    @property
    def sandboxed(self) -> bool:
        """Whether servers run in a sandbox."""
        return bool(self.settings.runtime.local.sandbox == "required")

    @property
    def home(self) -> str:
        """Path of the home as the server sees it."""
        return self.mounts.home.mount_path if self.sandboxed else self.mounts.home.path

    async def start(self) -> Any:
        """Make the home if the settings allow it, then start the server. Raises NotSpawnedError."""
        try:
            return await self._start()
        except UserError as error:
            raise NotSpawnedError.of(error) from error

    async def _start(self) -> Any:
        if self.sandboxed:
            require_sandbox()
        has = self.entitlements
        self._ensure_folders(has)
        self.notebook_dir = self.home
        self._take_limits()
        # The server listens seconds later. Until it ends, nobody else gets its port.
        self._port = hold_port()
        self.port = self._port.number
        local = self.settings.runtime.local
        system = (*local.read_only_paths, *self._server_paths())
        sandbox = Sandbox(
            system=tuple(Bind(path, path, read_only=True) for path in system),
            mounts=has.mounts,
            uid=has.uid,
            gid=has.gid,
            groups=(),
            working_dir=self.home,
        )
        server = ["jupyterhub-singleuser"]
        with prepared(sandbox, server, sandboxed=self.sandboxed) as command, self._log_file() as output:
            self.cmd = command.words
            self.popen_kwargs.update(output, pass_fds=command.descriptors)
            await self._make_group()
            return await super().start()

    def _take_limits(self) -> None:
        """Take the limits of memory and CPU of the server's course; no more of its profile is of use here."""
        if self._usual_limits is None:
            self._usual_limits = {name: getattr(self, name) for name in LIMITS}
        limits = self._usual_limits
        if self.course_access is not None:
            mine = self.courses().memberships(self.user.name)
            limits = chosen(profiles(self.course_access.hub, mine), self.user_options)
        for name in LIMITS:
            setattr(self, name, limits[name])

    async def stop(self, now: bool = False) -> None:
        """Stop the server, and end whatever is left of it."""
        await super().stop(now)
        if groups := server_groups():
            await asyncio.to_thread(groups.remove, self._group)

    @property
    def _group(self) -> str:
        """The name of the server's control group. No slug has a dot, so that no two servers have one name."""
        return ".".join(user_slug(one) for one in (self.user.name, self.name) if one)

    async def _make_group(self) -> None:
        """Limit what all processes of the server take together. Raises StartFailed."""
        if (groups := server_groups()) is None:
            return
        await asyncio.to_thread(groups.remove, self._group)  # of a server that has ended by itself
        cpu = None if self.cpu_limit is None else round(1000 * self.cpu_limit)
        try:
            groups.make(self._group, Limits(self.mem_limit, cpu))
        except OSError as error:
            self.log.error("the limits of a server cannot be set in %s: %s", groups.folder, error)
            raise StartFailed("kernel_start_failed", _NO_LIMITS) from error

    def clear_state(self) -> None:
        """Forget the server that has ended, and release its port."""
        super().clear_state()
        if self._port is not None:
            self._port.release()
            self._port = None

    @contextlib.contextmanager
    def _log_file(self) -> Iterator[dict[str, Any]]:
        """Yield arguments of Popen that redirect the server's output. Empty: it goes to the hub's own."""
        if not self.log_folder:
            yield {}
            return
        with Path(self.log_folder, server_log(self.user.name)).open("ab") as file:
            yield {"stdout": file, "stderr": subprocess.STDOUT}

    def get_args(self) -> list[str]:
        """Return the server's arguments, with --allow-root if it runs as root without a sandbox."""
        as_root = not self.sandboxed and self.entitlements.uid == 0
        return [*super().get_args(), *(["--allow-root"] if as_root else [])]

    def _server_paths(self) -> tuple[str, ...]:
        """Return the folders of the server's own programs."""
        return tuple(path for path in self.server_paths.split(":") if path)

    log_folder = Unicode(
        help="Folder with a log file for each server. Empty: they write to the hub's output."
    ).tag(config=True)
    server_paths = Unicode(
        help="Folders that the server needs, separated by colons. Default: the environment of the hub."
    ).tag(config=True)

    @default("server_paths")  # type: ignore[untyped-decorator]
    def _of_the_hub(self) -> str:
        """Return the folders of the hub's environment, of its base Python, and of kernelpod itself."""
        places = (sys.prefix, sys.base_prefix, str(Path(kernelpod.__file__).parents[1]))
        return ":".join(dict.fromkeys(places))

    def _ensure_folders(self, has: Entitlements) -> None:
        """Make a missing home and exchange. Raises StartFailed if the settings do not allow it, or it fails."""
        home = has.mounts.home
        # A volume of the user's own is mounted as a whole; it is a folder of the homes' root here.
        root, folder = (home.root, home.sub_path) if home.sub_path else posixpath.split(home.path)
        made = [(root, folder, 0o700)]
        if self.course_access is not None:
            made += [(self.course_access.hub.storage.root, folder, 0o770) for folder in has.to_make]
        for root, folder, mode in made:
            path = posixpath.join(root, folder)
            try:
                if self.settings.homes.create_local:
                    make_below(root, folder, mode, (has.uid, has.gid))
                else:
                    os.close(open_below(root, folder))
            except NotADirectoryError as error:
                raise home_escapes(path) from error
            except FileNotFoundError as error:
                raise home_missing(f"folder {path!r}", by_admin=True) from error
            except OSError as error:
                lacks = f"can be neither made nor opened: {error.strerror}"
                raise home_missing(f"folder {path!r}", lacks=lacks) from error

    def make_preexec_fn(self, name: str) -> Any:
        """Return a function for the new process: the usual umask, whatever the hub's is, and its control group."""
        del name
        group, groups = self._group, server_groups()

        def begin() -> None:
            os.umask(0o022)
            if groups is not None:
                groups.enter(group)

        return begin

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment with the user's name, home and shell."""
        return {**env, "USER": self.user.name, "HOME": self.home, "SHELL": "/bin/bash"}

    async def _signal(self, sig: int) -> bool:
        """Signal the server itself, because bubblewrap forwards no signals. SIGKILL ends the whole sandbox.

        SIGINT is replaced by SIGTERM. Without a terminal, jupyter_server leaves its kernels running on SIGINT.
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
    """Return the only child of bubblewrap's outer process, which is PID 1 of the sandbox."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(children[0]) if children else None
