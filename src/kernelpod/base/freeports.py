"""Ports of loopback for processes that this one starts: nobody else is given a port while it is held.

A port that was found free and is let go may be anybody's by the time that the child listens. Here it stays bound,
by a socket that does not listen: Linux then gives it to nobody who asks for any port, and lets the child listen,
since both have SO_REUSEADDR (as every server of tornado has). Two that ask for the same port could bind it so as
well; hence a lock for each port, the name of an abstract socket: of this network, as ports are, and gone with the
process.
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
        """Let others have the port; the child that listens keeps it as long as it listens."""
        for one in self._sockets:
            one.close()


def hold_port(wished: int = 0) -> HeldPort:
    """Return `wished`, if nobody has it, else another port. Raises KernelpodError if there is none."""
    for port in (wished, *([0] * ATTEMPTS)):
        if held := _hold(port):
            return held
    raise KernelpodError("There is no free port on 127.0.0.1: end something that listens, and try again.")


def _hold(port: int) -> HeldPort | None:
    with contextlib.ExitStack() as sockets:
        bound = sockets.enter_context(socket.socket())
        lock = sockets.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        # Connections of a demo that has just ended would keep its ports from the next one for a minute.
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
