"""Ports of loopback for what tests start."""

from __future__ import annotations

from kernelpod.base.freeports import HeldPort, hold_port

_held: list[HeldPort] = []


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that is kept for this process until it ends.

    Linux gives it to nobody who asks for any port, nor to a connection as its own end. A port that is only looked
    up may be taken before its server listens, or while that is away; and who then connects to the port again and
    again, as a user's server does to its gateway, may be given that very port and meet himself there.
    """
    _held.append(hold_port())
    return _held[-1].number
