"""A network of a sandbox's own: its names, and its way out by slirp4netns; free ports for kernels without one.

slirp4netns is one process for each sandbox. It makes the sandbox's connections as ordinary ones of this machine,
but none to the machine's loopback, and ends with the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import platform
import shutil
import socket
import subprocess
from io import FileIO
from pathlib import Path

from kernelpod.base.missingtools import how_to_install, package_manager
from kernelpod.runtime.local.pipes import pipe, read
from kernelpod.runtime.local.processes import Transcript

log = logging.getLogger(__name__)

PROGRAM = "slirp4netns"
# Reserved for documentation (RFC 5737), so that it hides no network of a site.
_ADDRESSES, _NAME_SERVER = "198.51.100.0/24", "198.51.100.3"
_NS_GET_USERNS = 0xB701  # ioctl_ns(2)


def has_way_out() -> bool:
    """Return whether sandboxes with a network of their own can get a way out here."""
    return shutil.which(PROGRAM) is not None


def warn_without_way_out() -> None:
    """Log that kernels have no network, and what to do about it, if that is so."""
    if not has_way_out():
        log.warning(
            "kernels have no network beyond themselves, since %s is not installed. %s "
            "Or set runtime.local.network to machine, which lets users reach each other's debuggers.",
            PROGRAM,
            how_to_install([PROGRAM], package_manager()),
        )


def names() -> dict[str, str]:
    """Return files of /etc, by their names, with which a sandbox of its own network resolves names."""
    here = "" if "\n" in platform.node() else f"127.0.0.1 localhost {platform.node()}\n"
    return {
        "hosts": here + _text("/etc/hosts"),
        "resolv.conf": "".join(
            [
                f"nameserver {_NAME_SERVER}\n",
                *(f"{line}\n" for line in _text("/etc/resolv.conf").splitlines() if "nameserver" not in line),
            ]
        ),
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


async def attach(pid: int, sandbox: FileIO) -> None:
    """Give the network of a process a way out, for as long as the other end of the pipe `sandbox` is open.

    If that fails, the process has none, and the log says why.
    """
    transcript = Transcript()
    with pipe() as (ready, told), contextlib.ExitStack() as stack:
        try:
            network = stack.enter_context(open(f"/proc/{pid}/ns/net", "rb", buffering=0))  # noqa: ASYNC230, PTH123
            popen = _popen(network, sandbox, told, transcript)
        except OSError as error:
            log.error("a kernel has no way out of its own network: %s", error)
            return
        _reap(popen)
        told.close()
        if not await asyncio.to_thread(read, ready):
            log.error("a kernel has no way out of its own network: %r", transcript.tail(1000))


def _popen(network: FileIO, sandbox: FileIO, told: FileIO, transcript: Transcript) -> subprocess.Popen[bytes]:
    """Start slirp4netns for a network. If not root, it enters the user namespace that owns the network first."""
    kept = [told.fileno(), sandbox.fileno(), network.fileno()]
    options = ["--configure", "--mtu=65520", f"--cidr={_ADDRESSES}", "--disable-host-loopback"]
    options += ["--enable-seccomp", f"--ready-fd={kept[0]}", f"--exit-fd={kept[1]}"]
    # Its sandbox unmounts what it does not need. Shared mounts, as those of `ip netns`, would be unmounted for the
    # whole machine, so it gets a mount namespace of its own.
    command = [PROGRAM]
    if os.getuid() == 0:
        command = ["unshare", "--mount", "--propagation", "private", PROGRAM]
        options.append("--enable-sandbox")
    else:
        kept.append(fcntl.ioctl(network, _NS_GET_USERNS))
        options.append(f"--userns-path=/proc/self/fd/{kept[-1]}")
    try:
        return subprocess.Popen(
            [*command, *options, "--netns-type=path", f"/proc/self/fd/{network.fileno()}", "tap0"],
            env={"PATH": os.environ.get("PATH", os.defpath)},
            stdin=subprocess.DEVNULL,
            stdout=transcript.fd,
            stderr=transcript.fd,
            start_new_session=True,
            pass_fds=kept,
        )
    finally:
        for owner in kept[3:]:
            os.close(owner)


def _reap(popen: subprocess.Popen[bytes]) -> None:
    """Collect the process's exit code when it ends."""
    loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(popen.pid)

    def ended() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        with contextlib.suppress(subprocess.TimeoutExpired):
            popen.wait(timeout=1)

    loop.add_reader(descriptor, ended)


def free_ports(count: int) -> list[int]:
    """Return TCP ports that are free now, for kernels that do not support ipc."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
