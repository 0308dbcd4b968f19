"""Builds the bubblewrap command line that runs a process with only its own user's mounts.

`LocalRuntime` uses it for kernels and `SandboxSpawner` for servers, so both see the same paths.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kernelpod.base.missingtools import how_to_install, package_manager
from kernelpod.errors import StartFailed
from kernelpod.homes.mounts import Mount, UserMounts
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.local.mounting import Bind, opened_mounts
from kernelpod.runtime.local.network import names
from kernelpod.runtime.local.seccomp import MACHINES, program

CHECK_TIMEOUT_SECONDS = 10
# What may lie in /tmp, and in /dev/shm, of a sandbox without a memory limit.
FILES_IN_MEMORY_BYTES = 1024**3
SMALL_BYTES = 1024**2
MOST_PROCESSES = 4096

# Files of /etc that programs need. Password hashes, keys and the configuration of services are left out.
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "fonts",
    "group",
    "hosts",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "passwd",
    "pki",
    "profile",
    "resolv.conf",
    "ssl",
    "terminfo",
    "timezone",
)

_PROBE_HOME = Mount(name="home", path="/usr", sub_path="", mount_path="/mnt", read_only=True, volume=Volume())


@dataclass(frozen=True)
class Sandbox:
    """What a sandboxed process gets: folders of the system, its user's mounts, ids, working directory, memory."""

    system: tuple[Bind, ...]
    mounts: UserMounts
    uid: int
    gid: int
    groups: tuple[int, ...]
    working_dir: str
    memory_limit_bytes: int | None = None
    shm_bytes: int | None = None
    own_network: bool = False
    in_memory: str | None = None
    """A folder that is a small file system in memory, which the process may write in."""
    links: Mapping[str, str] = field(default_factory=dict)
    """What symbolic links that it may replace lead to, by their paths."""


@dataclass(frozen=True)
class Command:
    """A command line, and the descriptors that its process must inherit."""

    words: list[str]
    descriptors: tuple[int, ...] = ()


@contextlib.contextmanager
def prepared(sandbox: Sandbox, argv: list[str], *, sandboxed: bool) -> Iterator[Command]:
    """Yield the command that runs `argv` in the sandbox, or with its ids and limits only; see `in_sandbox`."""
    if sandboxed:
        with in_sandbox(sandbox, argv) as command:
            yield command
    else:
        # Without a sandbox nothing is mounted, but the folders must be there all the same.
        with opened_mounts(sandbox.mounts):
            yield Command(as_user(sandbox, argv))


@contextlib.contextmanager
def in_sandbox(sandbox: Sandbox, argv: list[str]) -> Iterator[Command]:
    """Yield the command that runs `argv` in the sandbox; start it before leaving. The environment is passed on.

    System folders are read-only; /tmp and /dev/shm are private and of limited size. Other processes and homes are
    not visible. The network is the machine's unless the sandbox has its own, which only `spawn` gives a way out.
    System calls are filtered on the machines that `seccomp` knows. If the caller is root, the process gets the
    sandbox's ids and no capabilities; otherwise it keeps the caller's ids. Raises StartFailed (home_missing,
    home_escapes).
    """
    with contextlib.ExitStack() as stack:
        mounts = stack.enter_context(opened_mounts(sandbox.mounts))
        words = [*_namespaces(), *_system(sandbox)]
        descriptors = []
        if sandbox.own_network:
            words.append("--unshare-net")
            for name, text in names().items():
                descriptors.append(stack.enter_context(_file(text.encode())))
                words += ["--perms", "0644", "--ro-bind-data", str(descriptors[-1]), f"/etc/{name}"]
        binds = (*sandbox.system, *mounts)
        for bind in binds:
            words += _bound(bind)
        descriptors += [bind.source for bind in binds if isinstance(bind.source, int)]
        if machine := MACHINES.get(platform.machine()):
            descriptors.append(stack.enter_context(_file(program(machine))))
            words += ["--seccomp", str(descriptors[-1])]
        # What is not a mount is in memory, too, and belongs to the user unless the caller is root.
        words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", sandbox.working_dir]
        if os.getuid() == 0:
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                words += ["--cap-add", capability]
        # A session of its own: ipykernel passes an interrupt to its child processes if it leads their group.
        words += ["--", "setsid", *as_user(sandbox, argv, in_own_user_namespace=os.getuid() != 0)]
        yield Command(words, tuple(descriptors))


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[int]:
    """Yield the descriptor of a file in memory, to be read from its beginning."""
    descriptor = os.memfd_create("for-bubblewrap", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _namespaces() -> list[str]:
    own_user = [] if os.getuid() == 0 else ["--unshare-user"]
    return ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try", "--new-session", *own_user]


def _system(sandbox: Sandbox) -> list[str]:
    words = ["--ro-bind", "/usr", "/usr", *_top_level(), *_etc(), "--proc", "/proc", "--dev", "/dev"]
    size = sandbox.memory_limit_bytes or FILES_IN_MEMORY_BYTES
    for place, most in (("/tmp", size), ("/dev/shm", sandbox.shm_bytes or size)):  # noqa: S108 - the sandbox's own
        words += ["--size", str(most), "--perms", "1777", "--tmpfs", place]
    if sandbox.in_memory:
        # Without the sticky bit, so that the user may replace what bubblewrap, as root, puts there.
        size_and_mode = ("--size", str(SMALL_BYTES), "--perms", "0777")
        words += [*_parents(sandbox.in_memory), *size_and_mode, "--tmpfs", sandbox.in_memory]
    for place, target in sandbox.links.items():
        words += ["--symlink", target, place]
    return words


def _parents(place: str) -> list[str]:
    # bubblewrap creates parent folders with mode 0700, which only root could enter.
    above = reversed(PurePosixPath(place).parents[:-1])
    return [word for parent in above for word in ("--perms", "0755", "--dir", str(parent))]


def _bound(bind: Bind) -> list[str]:
    words = _parents(bind.target)
    how = ("--ro-bind" if bind.read_only else "--bind") + ("-fd" if isinstance(bind.source, int) else "")
    return [*words, how, str(bind.source), bind.target]


def as_user(sandbox: Sandbox, argv: list[str], *, in_own_user_namespace: bool = False) -> list[str]:
    """Return the command that drops privileges, sets limits and runs `argv` (exit 127: command not found).

    Linux counts the processes of a uid in a user namespace. Without one, a limit would be one for all users.
    """
    command = []
    if os.getuid() == 0:
        groups = ["--groups", ",".join(map(str, sandbox.groups))] if sandbox.groups else ["--clear-groups"]
        command += ["setpriv", "--reuid", str(sandbox.uid), "--regid", str(sandbox.gid), *groups]
        command += ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"]
    limits = ["--core=0"]
    if in_own_user_namespace:
        limits.append(f"--nproc={MOST_PROCESSES}")
    if sandbox.memory_limit_bytes is not None:
        limits.append(f"--data={sandbox.memory_limit_bytes}")
    return [*command, "prlimit", *limits, "--", *argv]


def require_sandbox() -> None:
    """Check that a sandbox works here. Raises StartFailed (sandbox_missing), which says what to do."""
    if shutil.which("bwrap") is None:
        raise StartFailed(
            "sandbox_missing",
            "Kernels run in a bubblewrap sandbox here, and `bwrap` is not installed. "
            + how_to_install(["bwrap"], package_manager()),
        )
    uid, gid = os.getuid() or 65534, os.getgid() or 65534
    try:
        with in_sandbox(Sandbox((), UserMounts(home=_PROBE_HOME), uid, gid, (), "/mnt"), ["true"]) as probe:
            done = subprocess.run(
                probe.words,
                pass_fds=probe.descriptors,
                capture_output=True,
                timeout=CHECK_TIMEOUT_SECONDS,
                check=False,
                text=True,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartFailed("sandbox_missing", f"bubblewrap cannot run here: {error}") from error
    if done.returncode != 0:
        raise StartFailed(
            "sandbox_missing",
            f"bubblewrap is installed but cannot create a sandbox here: {done.stderr.strip()[:300]}. It needs "
            "root or user namespaces (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for "
            "bwrap), and a version with --bind-fd (0.10, or that of an updated Debian 12 or Ubuntu 24.04).",
        )


def _top_level() -> list[str]:
    """Return the options that show /bin, /lib etc.: as links on a merged-/usr system, otherwise as binds."""
    made: list[str] = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/") / name
        if path.is_symlink():
            made += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            made += ["--ro-bind", str(path), str(path)]
    return made


def _etc() -> list[str]:
    # bubblewrap would make the folder with mode 0700, which only root could enter.
    made = ["--perms", "0755", "--dir", "/etc"]
    return [*made, *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}"))]
