"""Reserves loopback ports for child processes.

A free port that is not reserved may be taken before the child listens. Here it stays bound by a socket that does
not listen. Linux then does not assign it to a process that asks for any free port. The child can still listen,
because both sockets have SO_REUSEADDR, as in every Tornado server. Two processes could bind the same port this
way, so each port also has a lock: the name of an abstract socket. Like the port, the lock belongs to the network
namespace and is released when the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass

from kernelpod.errors import KernelpodError

ATTEMPTS = 100


@dataclass(frozen=True)
class HeldPort:
    """A port for a child of this process, until it is released."""

    number: int
    _sockets: tuple[socket.socket, ...]

    def release(self) -> None:
        """Release the port. A child that listens on it keeps it."""
        for one in self._sockets:
            one.close()


def hold_port(wished: int = 0) -> HeldPort:
    """Return the port `wished` if it is free, else another one. Raises KernelpodError if no port is free."""
    for port in (wished, *([0] * ATTEMPTS)):
        if held := _hold(port):
            return held
    raise KernelpodError("There is no free port on 127.0.0.1: stop a process that listens, and try again.")


def _hold(port: int) -> HeldPort | None:
    with contextlib.ExitStack() as sockets:
        bound = sockets.enter_context(socket.socket())
        lock = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        # Otherwise connections of a demo that has just ended would block its ports for a minute.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            if port:
                lock.bind(_lock(port))
            bound.bind(("127.0.0.1", port))
            number = int(bound.getsockname()[1])
            if not port:
                lock.bind(_lock(number))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            return None
        sockets.pop_all()
        return HeldPort(number, (bound, lock))


def _lock(port: int) -> str:
    return f"\0kernelpod-port-{port}"
