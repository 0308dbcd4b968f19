"""Messages that nobody should send, and a kernel that reads none: it costs only their user, and nothing stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import websocket
from jupyter_server.base.zmqhandlers import deserialize_binary_message, serialize_binary_message

from client import Channels
from doubles import eventually

MEGABYTE = 1024 * 1024
MANY_PARTS = """
from IPython import get_ipython
kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, "display_data", {"data": {}, "metadata": {}}, buffers=[b"x"] * 10_000)
print("sent")
"""
RAW = """
import zmq
from IPython import get_ipython
kernel = get_ipython().kernel
session = kernel.session
def send(*parts):
    kernel.iopub_socket.send_multipart([b"<IDS|MSG>", session.sign(list(parts[:4])), *parts])
for parts in ([], [b"{}"] * 3, [b"{}"] * 4, [b"[]"] * 4, [b""] * 10_000, [b"{}"] * 10_000):
    send(*parts)
kernel.iopub_socket.send_multipart([b"x"] * 10_000)
kernel.iopub_socket.send_multipart([b"<IDS|MSG>"])
print("sent")
"""
LARGE_HEADER = """
from IPython import get_ipython
kernel = get_ipython().kernel
for where in ("header", "parent_header"):
    message = kernel.session.msg("stream", {"name": "stdout", "text": "hidden"})
    message[where]["filler"] = "x" * 45_000_000
    kernel.session.send(kernel.iopub_socket, message)
print("sent")
"""
STRANGE_DATES = """
from IPython import get_ipython
kernel = get_ipython().kernel
for date in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2020-02-30", "", 5, None, ["now"]):
    for kind, content in (("status", {"execution_state": "busy"}), ("stream", {"name": "stdout", "text": "."})):
        message = kernel.session.msg(kind, content)
        message["header"]["date"] = date
        kernel.session.send(kernel.iopub_socket, message)
print("sent")
"""
STOPS = """
import os, signal, time
while not os.path.exists("stop"):
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def descriptors(site: Any) -> int:
    """Return how many descriptors the gateway has open."""
    return len(list(Path(f"/proc/{site.gateway.pid}/fd").iterdir()))


def said(channels: Channels, code: str) -> None:
    """Run code that sends messages of its own, until it says that they are sent."""
    channels.start(code)
    channels.receive(lambda got: got["content"].get("text") == "sent\n")


@pytest.mark.parametrize(
    "code", [MANY_PARTS, RAW, LARGE_HEADER, STRANGE_DATES], ids=["many parts", "raw", "large header", "dates"]
)
def test_what_a_kernel_may_not_send_costs_only_its_page(site: Any, code: str) -> None:
    kernel_id, other = site.alice.start(), site.bob.start()
    with site.bob.channels(other) as bystander, site.alice.channels(kernel_id) as channels:
        bystander.run("1")
        channels.run("1")
        before, memory = descriptors(site), site.gateway.memory_bytes()
        said(channels, code)
        assert channels.run("print(1)") == "1\n"
        assert bystander.run("print(2)") == "2\n"
        eventually(lambda: descriptors(site) <= before, what="no descriptor is left")
        eventually(lambda: site.gateway.memory_bytes() - memory < 64 * MEGABYTE, what="the memory is free again")
    assert site.alice.model(kernel_id)["execution_state"] == "idle"


def test_10_000_parts_of_a_kernel_are_passed_on(site: Any) -> None:
    with site.alice.channels(site.alice.start()) as channels:
        channels.start(MANY_PARTS)
        kind, data = channels.socket.recv_data()
        while kind != websocket.ABNF.OPCODE_BINARY:
            kind, data = channels.socket.recv_data()
        assert len(deserialize_binary_message(data)["buffers"]) == 10_000


def page_message(**changes: Any) -> dict[str, Any]:
    """Return a request of a page with some members changed."""
    header = {"msg_id": "m", "msg_type": "comm_info_request", "session": "s", "username": "", "version": "5.3"}
    parts = {"header": {**header, "date": "9999-12-31T00:00:00Z"}, "parent_header": {}, "metadata": {}}
    return {**parts, "content": {}, "channel": "shell", "buffers": [], **changes}


@pytest.mark.parametrize("changes", [{"channel": ["shell"]}, {"header": None}, {"header": {}}, {"channel": None}])
def test_what_a_page_may_not_send_closes_only_this_page(site: Any, changes: dict[str, Any]) -> None:
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id) as other, site.alice.channels(kernel_id) as page:
        page.socket.send(json.dumps(page_message(**changes)))
        assert page.closed() == 1007
        assert other.run("print(1)") == "1\n"


def test_10_000_parts_of_a_page_are_passed_on(site: Any) -> None:
    with site.alice.channels(site.alice.start()) as channels:
        whole = page_message(buffers=[b"x"] * 10_000)
        channels.socket.send_binary(serialize_binary_message(whole))
        channels.receive(lambda got: got["msg_type"] == "comm_info_reply")
        assert channels.run("print(1)") == "1\n"


def test_a_kernel_that_answers_with_anothers_session(site: Any) -> None:
    """Replies go by the request that they answer; what a kernel says of sessions is only passed on."""
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id, "?session_id=one") as one, site.alice.channels(kernel_id) as other:
        one.run("from IPython import get_ipython\nget_ipython().kernel.session.session = 'of-somebody-else'")
        asked = one.start("print('mine')")
        reply = one.receive(lambda got: got["msg_type"] == "execute_reply")
        assert reply["header"]["session"] == "of-somebody-else"
        assert reply["parent_header"]["msg_id"] == asked
        heard: list[str] = []
        mine = other.start("print('next')")
        other.receive(
            lambda got: (
                heard.append(got["msg_type"])
                or (got["parent_header"].get("msg_id"), got["msg_type"]) == (mine, "execute_reply")
            )
        )
        assert heard.count("execute_reply") == 1


def test_a_kernel_that_never_reads_costs_only_its_user(make_site: Any) -> None:
    own = make_site(gateway={"max_backlog_bytes": 16 * MEGABYTE})
    own.bob.run(own.bob.start(), "1")
    own.stop_kernels()
    before = descriptors(own)  # after what is made once for all kernels
    kernel_id, other = own.alice.start(), own.bob.start()
    memory = own.gateway.memory_bytes()
    with own.alice.channels(kernel_id) as channels:
        channels.begin(STOPS)
        (own.home("alice") / "stop").touch()
        for _ in range(100):
            channels.send("shell", "comm_info_request", {"target_name": "none", "filler": "x" * MEGABYTE})
        reply = channels.receive(lambda got: got["msg_type"] == "comm_info_reply")
        assert "Too much waits" in reply["content"]["evalue"]
        assert own.bob.run(other, "print(1)") == "1\n"
        assert own.gateway.memory_bytes() - memory < 80 * MEGABYTE
        assert own.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    own.stop_kernels()
    eventually(lambda: descriptors(own) <= before, what="no descriptor is left")
