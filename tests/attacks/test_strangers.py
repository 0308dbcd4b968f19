"""Who can reach the gateway's port, with no token or with an own one, takes nothing from others."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from doubles import eventually
from kernelpod.gateway.door import PAUSE_SECONDS

MEGABYTE = 1024 * 1024
GATEWAY = {"max_connections": 40, "max_connections_per_user": 8, "max_starts_per_user": 3}


@pytest.fixture(scope="module")
def small(make_site: Any, hub: Any) -> Any:
    """A gateway with few places."""
    return make_site(hub, gateway=GATEWAY)


@contextlib.contextmanager
def connected(site: Any, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open so many connections, which send something and then nothing more."""
    address = urlsplit(site.gateway.url)
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(socket.create_connection((address.hostname, address.port), 30))
            stack.enter_context(opened[-1])
            with contextlib.suppress(ConnectionError):  # it may already be closed again
                opened[-1].sendall(sent)
        yield opened


def head(token: str, length: int) -> bytes:
    """Return the beginning of a request for a kernel."""
    said = f"Authorization: token {token}\r\n" if token else ""
    return f"POST /api/kernels HTTP/1.1\r\nHost: gateway\r\n{said}Content-Length: {length}\r\n\r\n".encode()


def status(opened: socket.socket) -> int:
    """Return the status of the answer; 0 if the connection is closed without one."""
    with contextlib.suppress(ConnectionError):
        words = opened.recv(1024).split(b" ", 2)
        return int(words[1]) if len(words) > 1 else 0
    return 0


def warnings(site: Any) -> int:
    return str(site.gateway.log).count("WARNING kernelpod.gateway.door")


@pytest.mark.parametrize("token", ["", "guessed"])
def test_a_stranger_cannot_make_the_gateway_keep_bodies(site: Any, token: str) -> None:
    before = site.gateway.memory_bytes()
    with connected(site, 24, head(token, 15 * MEGABYTE)) as opened:
        for one in opened:
            one.settimeout(1)
            with contextlib.suppress(OSError):
                one.sendall(b"x" * 14 * MEGABYTE)
        assert site.gateway.memory_bytes() - before < 24 * MEGABYTE
        assert site.alice.ask("GET", "kernels").status_code == 200


def test_a_user_cannot_make_the_gateway_keep_large_bodies(site: Any) -> None:
    before = site.gateway.memory_bytes()
    with connected(site, 3, head("bob-token", 15 * MEGABYTE)) as opened:
        for one in opened:
            one.sendall(b"x" * 14 * MEGABYTE)
        assert site.gateway.memory_bytes() - before < 10 * MEGABYTE


def test_a_stranger_cannot_take_all_places(small: Any) -> None:
    """Idle connections of strangers give way to each other, and not to users, who get in."""
    kernel_id = small.alice.start()
    with small.alice.channels(kernel_id) as channels, connected(small, 100) as opened:
        assert channels.run("print(1)") == "1\n"
        for _ in range(5):
            assert small.bob.ask("GET", "kernels").status_code == 200
        eventually(lambda: sum(is_closed(one) for one in opened) >= 90, what="most are closed")
        assert channels.run("print(2)") == "2\n"
    assert warnings(small) <= 2
    small.stop_kernels()


def is_closed(opened: socket.socket) -> bool:
    opened.setblocking(False)
    try:
        return opened.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_a_user_cannot_take_the_places_of_others(small: Any) -> None:
    request = b"GET /api/kernels HTTP/1.1\r\nHost: gateway\r\nAuthorization: token bob-token\r\n\r\n"
    with connected(small, 10, request) as opened:
        assert sorted(map(status, opened)) == 8 * [200] + 2 * [429]
        assert small.alice.ask("GET", "kernels").status_code == 200
    eventually(lambda: small.bob.ask("GET", "kernels").status_code == 200, what="bob's places are free again")


def test_a_user_cannot_hold_more_websockets_than_places(small: Any) -> None:
    kernel_id = small.bob.start()
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(small.bob.channels(kernel_id)) for _ in range(7)]
        with connected(
            small, 2, b"GET /api HTTP/1.1\r\nHost: g\r\nAuthorization: token bob-token\r\n\r\n"
        ) as opened:
            assert sorted(map(status, opened)) == [200, 429]
        assert pages[0].run("print(1)") == "1\n"
        assert small.alice.ask("GET", "kernels").status_code == 200
    eventually(
        lambda: small.bob.ask("DELETE", f"kernels/{kernel_id}").status_code == 204, what="the places are free"
    )


def test_a_user_cannot_hold_more_starts_than_theirs(small: Any) -> None:
    """Requests whose bodies never come are starts as well."""
    with connected(small, 3, head("bob-token", 2)):
        # Until they are proven, a start of ours would take the place of one of them.
        assert small.bob.ask("GET", "kernels").status_code == 200
        eventually(lambda: refused(small) == "too_many_starts", what="the fourth is refused")
        small.alice.start()
        small.stop_kernels()
    eventually(lambda: refused(small) == "bad_json", what="they are forgotten")


def refused(site: Any) -> str:
    """Return why a request for a kernel is refused; its body is wrong, so nothing starts."""
    return str(site.bob.ask("POST", "kernels", data=b"{").json()["code"])


def test_a_stranger_cannot_fill_the_log_where_files_run_out(small: Any) -> None:
    """At the limit of open files a connection waits until one can be opened."""
    before, limits = warnings(small), resource.prlimit(small.gateway.pid, resource.RLIMIT_NOFILE)
    used = {int(one.name) for one in Path(f"/proc/{small.gateway.pid}/fd").iterdir()}
    # The limit is one of numbers, not of how many: the first that is free must not be given.
    free = next(number for number in count() if number not in used)
    resource.prlimit(small.gateway.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        with connected(small, 3, b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n") as opened:
            eventually(lambda: "no connection can be accepted" in small.gateway.log, what="it is said")
            time.sleep(3 * PAUSE_SECONDS)  # in which it would be said again
            resource.prlimit(small.gateway.pid, resource.RLIMIT_NOFILE, limits)
            assert list(map(status, opened)) == [200, 200, 200]
    finally:
        resource.prlimit(small.gateway.pid, resource.RLIMIT_NOFILE, limits)
    assert warnings(small) <= before + 1
    assert "Exception in callback" not in small.gateway.log


def test_a_stranger_cannot_say_two_hosts(site: Any) -> None:
    """A proxy before the gateway may look at one of them, and the gateway at the other."""
    request = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nHost: another\r\n\r\n"
    with connected(site, 1, request) as (opened,):
        assert status(opened) == 400


def test_a_user_cannot_hold_a_start_by_a_body_that_does_not_come(small: Any) -> None:
    """It has half a minute, whatever arrives meanwhile."""
    began = time.monotonic()
    with connected(small, 1, head("bob-token", 100)) as (opened,):
        opened.setblocking(False)
        while not is_closed(opened):
            with contextlib.suppress(OSError):
                opened.send(b" ")
            assert time.monotonic() - began < 90
            select.select([opened], [], [], 2)
    assert refused(small) == "bad_json"


def test_the_limit_of_files_is_raised_at_the_start(make_site: Any, hub: Any) -> None:
    """A process begins with 1,024 on most machines, which is fewer than a hundred kernels."""
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, ours[1]), ours[1]))
    try:
        site = make_site(hub)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, ours)
    assert resource.prlimit(site.gateway.pid, resource.RLIMIT_NOFILE) == (ours[1], ours[1])
