"""Bounds in bytes what waits in the socket of a kernel's output, whose own limit counts messages.

The limit follows the size of the messages, while the socket is open. That needs care: libzmq's reading end tells
the writing end what it has read only when the number of all messages read is a multiple of half the limit
(pipe_t::read, compute_lwm). If the writing end is full and that number is never reached, nothing arrives any more.
So a limit is taken only if the next such number can be reached with it.
"""

from __future__ import annotations

from typing import Protocol

# The limit for small messages. The longer the queue, the longer the gateway may be busy before output is dropped.
MOST_MESSAGES = 4096
MOST_BYTES = 32 * 1024 * 1024
# How much each message counts for the size of the next ones.
FADING = 0.9


class Limited(Protocol):
    """A socket with a limit."""

    rcvhwm: int


class OutputQueue:
    """The limit of one socket's queue. Each message that is received must be told here, and the socket not be
    polled, which reads one ahead."""

    def __init__(self, socket: Limited) -> None:
        """Set the limit of a socket that is not connected yet."""
        self._socket = socket
        self._expected_bytes = 1.0
        self._read = self._told = 0
        self._set(MOST_MESSAGES)

    def received(self, size: int) -> None:
        """Note a message of this size in bytes: at once if it is larger than the last ones, else by and by."""
        self._read += 1
        if self._read % self._step == 0:
            self._told = self._read
        self._expected_bytes = max(1.0, size, self._expected_bytes * FADING)
        wanted = min(MOST_MESSAGES, max(1, int(MOST_BYTES / self._expected_bytes)))
        if wanted < self._limit:
            self._lower(wanted)
        elif wanted >= 2 * self._limit:
            self._raise(wanted)

    def _lower(self, wanted: int) -> None:
        """Take the smallest limit from `wanted` on with which the writing end can reach the next number."""
        untold = self._read - self._told
        limit = max(wanted, untold + 1)
        while limit < untold + _step(limit) - self._read % _step(limit):
            limit += 1
        if limit < self._limit:
            self._set(limit)

    def _raise(self, wanted: int) -> None:
        """Take a larger limit if the very next message is one of its numbers: the writing end may be full."""
        step = (self._read + 1) & -(self._read + 1)  # the largest power of two that divides it
        if self._limit < (limit := min(2 * step, wanted)) and (self._read + 1) % _step(limit) == 0:
            self._set(limit)

    def _set(self, limit: int) -> None:
        self._limit, self._step = limit, _step(limit)
        self._socket.rcvhwm = limit


def _step(limit: int) -> int:
    return (limit + 1) // 2
