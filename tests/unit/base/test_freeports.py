"""Ports that are held: two processes that choose at once never get the same, and a child listens there."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys

from kernelpod.base.freeports import hold_port

# As a demo does: choose, start a server there, end it; all servers wish for the same ports.
RACE = """
import socket, sys
from kernelpod.base.freeports import hold_port
wished = [int(word) for word in sys.argv[2:]]
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    held = [hold_port(port) for port in (*wished, 0)]
    servers = []
    for one in held:
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", one.number))
        server.listen()
        servers.append(server)
    for one in servers:
        one.close()
    for one in held:
        one.release()
"""
ROUNDS = 200


def listening(port: int) -> socket.socket:
    """Return a server at a port, as tornado makes it."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_processes_that_choose_at_once_never_get_the_same() -> None:
    held = [hold_port() for _ in range(2)]
    words = [str(ROUNDS), *(str(one.number) for one in held)]
    for one in held:
        one.release()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        _, said = racer.communicate(timeout=60)
        assert racer.returncode == 0, said


def test_a_held_port_is_free_for_the_child_and_for_nobody_else() -> None:
    first = hold_port()
    second = hold_port(first.number)
    assert second.number != first.number
    second.release()
    with listening(first.number):
        third = hold_port(first.number)
        assert third.number != first.number
        third.release()
    first.release()
    again = hold_port(first.number)
    assert again.number == first.number
    again.release()


def test_connections_that_have_just_ended_keep_no_port() -> None:
    held = hold_port()
    with listening(held.number) as server, socket.create_connection(("127.0.0.1", held.number)) as client:
        accepted, _ = server.accept()
        accepted.close()  # the one that closes first waits for stray packets, for a minute
        assert client.recv(1) == b""
    held.release()
    again = hold_port(held.number)
    assert again.number == held.number
    again.release()


def test_a_port_of_another_program_is_not_insisted_on() -> None:
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        other = hold_port(taken.getsockname()[1])
        assert other.number != taken.getsockname()[1]
        other.release()
