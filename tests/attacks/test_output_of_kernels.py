"""Output costs the user who makes it: it fills neither the gateway's memory nor its log."""

from __future__ import annotations

import time
from typing import Any

import pytest

MEGABYTE = 1024 * 1024
UNLIMITED = {"iopub_msg_rate_limit": 0, "iopub_data_rate_limit": 0}
# ipykernel's own thread sends, as fast as it can, what the gateway takes for output.
SENDS = """
from IPython import get_ipython
kernel = get_ipython().kernel
def message(buffer=b""):
    made = kernel.session.msg("display_data", {"data": {}, "metadata": {}})
    parts = [kernel.session.pack(made[part]) for part in ("header", "parent_header", "metadata", "content")]
    return [b"<IDS|MSG>", kernel.session.sign(parts), *parts, *([buffer] if buffer else [])]
def send():
    socket = kernel.iopub_thread.socket
    for parts in messages():
        socket.send_multipart(parts, copy=False)
    open("sent", "w")
"""
LARGE = """
import time
def messages():
    end = time.monotonic() + 8
    while time.monotonic() < end: yield message(big)
"""
REPEATED = "one = message()\nmessages = lambda: [one] * 50_000\n"
BROKEN = "messages = lambda: [[b'no message']] * 50_000\n"


@pytest.fixture(scope="module")
def unlimited(make_site: Any) -> Any:
    """A gateway that passes on all output, which takes more time than dropping it."""
    return make_site(gateway=UNLIMITED)


def sent(site: Any, code: str) -> int:
    """Let alice's kernel send while bob works, and return by how many bytes the gateway grew at most."""
    kernel_id, other = site.alice.start(), site.bob.start()
    done = site.home("alice") / "sent"
    done.unlink(missing_ok=True)
    with site.bob.channels(other) as bob, site.alice.channels(kernel_id) as channels:
        bob.run("1")
        before = most = site.gateway.memory_bytes()
        channels.start(f"{SENDS}big = b'x' * 1_000_000\n{code}kernel.iopub_thread.schedule(send)")
        while not done.exists():
            assert bob.run("print(1)") == "1\n"
            most = max(most, site.gateway.memory_bytes())
    site.stop_kernels()
    return int(most - before)


@pytest.mark.parametrize("code", [LARGE, f"big *= 20\n{LARGE}"], ids=["1 MB", "20 MB"])
def test_a_student_cannot_fill_the_memory_by_output(unlimited: Any, code: str) -> None:
    assert sent(unlimited, code) < 400 * MEGABYTE


@pytest.mark.parametrize("code", [REPEATED, BROKEN], ids=["repeated", "broken"])
def test_a_student_cannot_fill_the_log_by_output(site: Any, code: str) -> None:
    before, began = len(site.gateway.log), time.monotonic()
    sent(site, code)
    lines = site.gateway.log[before:].count("was dropped")
    assert 1 <= lines <= 1 + (time.monotonic() - began) // 60, "more than one in each minute"
