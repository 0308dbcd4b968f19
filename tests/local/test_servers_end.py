"""A real notebook server between page and gateway: nothing that a page sends or should get is lost there."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import websocket
from jupyter_server.base.zmqhandlers import deserialize_binary_message, serialize_binary_message

from client import Channels
from doubles import eventually
from notebook_server import PYTHON, Server
from ports import free_port

WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n"
MEGABYTE = 1024 * 1024
COMM = """
from ipykernel.comm import Comm
comm = Comm(target_name="pictures", buffers=[b"opened\\x00\\xff"])
def received(message):
    comm.send({"got": [bytes(one).hex() for one in message["buffers"]]}, buffers=[b"\\xfe"])
comm.on_msg(received)
"""


@pytest.fixture(scope="module")
def own(make_site: Any) -> Any:
    """A gateway that may be killed."""
    return make_site(gateway={"port": free_port()}, policy={"max_kernels_per_user": 2})


@pytest.fixture(scope="module")
def server(own: Any, tmp_path_factory: pytest.TempPathFactory, need: Any) -> Iterator[Server]:
    need(PYTHON.exists(), "the hub's environment", "make env-hub")
    with Server(own, tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def kernel_id(own: Any, server: Server) -> Iterator[str]:
    yield server.caller.start()
    own.stop_kernels()


def test_buffers_of_widgets_pass_the_server_both_ways(server: Server, kernel_id: str) -> None:
    with server.caller.channels(kernel_id) as channels:
        channels.start(COMM)

        def binary() -> Any:
            while True:
                kind, data = channels.socket.recv_data()
                if kind == websocket.ABNF.OPCODE_BINARY:
                    return deserialize_binary_message(data)

        opened = binary()
        header = {"msg_id": "c1", "msg_type": "comm_msg", "session": "s", "username": "", "version": "5.3",
                  "date": "2026-01-01T00:00:00Z"}  # fmt: skip
        content = {"comm_id": opened["content"]["comm_id"], "data": {}}
        whole = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channels.socket.send_binary(serialize_binary_message({**whole, "buffers": [b"\x00\x80"]}))
        assert binary()["content"]["data"] == {"got": ["0080"]}
        assert channels.run("print('and cells go on')") == "and cells go on\n"


@pytest.mark.parametrize("megabytes", [1, 9, 12, 60])
def test_one_large_output_passes_the_server(server: Server, kernel_id: str, megabytes: int) -> None:
    show = (
        f"from IPython.display import display\ndisplay({{'text/plain': 'x' * {megabytes * MEGABYTE}}}, raw=True)"
    )
    with server.caller.channels(kernel_id) as channels:
        channels.start(show)
        shown: list[int] = []
        replies: list[str] = []

        def both(got: dict[str, Any]) -> bool:
            if got["msg_type"] == "display_data":
                shown.append(len(got["content"]["data"]["text/plain"]))
            elif got["msg_type"] == "execute_reply":
                replies.append(got["content"]["status"])
            return bool(shown and replies)

        channels.receive(both)
        assert (shown, replies) == ([megabytes * MEGABYTE], ["ok"])


def test_a_cell_goes_on_through_the_death_of_the_gateway(own: Any, server: Server, kernel_id: str) -> None:
    """What was sent while it was away runs, and the running cell's output goes on."""
    with server.caller.channels(kernel_id, "?session_id=page") as channels:
        running = channels.begin(f"{WAIT}print('late')")
        own.gateway.stop(signal.SIGKILL)
        waiting = channels.start("print('sent while it was away')")
        own.gateway.start()
        eventually(lambda: own.alice.model(kernel_id)["connections"] == 1, what="the server is connected again")
        (own.homes / "alice" / "go").touch()
        told = channels.finish(running).text
        assert re.fullmatch(
            r"\n\[The gateway was away for \d+ s. Output of that time may be missing.\]\nlate\n", told
        )
        assert channels.finish(waiting).text == "sent while it was away\n"
    (own.homes / "alice" / "go").unlink()


def test_a_cell_that_ends_while_no_gateway_listens_is_ended(own: Any, server: Server, kernel_id: str) -> None:
    with server.caller.channels(kernel_id, "?session_id=page") as channels:
        running = channels.begin(f"{WAIT}print('unheard')\nopen('ended', 'w')")
        before = time.monotonic()
        own.gateway.stop(signal.SIGKILL)
        (own.homes / "alice" / "go").touch()
        eventually((own.homes / "alice" / "ended").exists, what="the cell has ended")
        own.gateway.start()
        outcome = channels.finish(running)
        assert outcome.error == "KernelUnreachable"
        seconds = re.search(r"not heard for (\d+) s .* output of that time is lost", outcome.reply["evalue"])
        assert seconds
        assert 1 <= int(seconds[1]) <= 1 + time.monotonic() - before
        assert channels.run("print('next')") == "next\n"
    for name in ("go", "ended"):
        (own.homes / "alice" / name).unlink()


def test_a_page_whose_old_connection_still_stands_comes_back(own: Any, server: Server, kernel_id: str) -> None:
    """As after a laptop's sleep: nobody has told the server that the old connection is dead."""
    with server.caller.channels(kernel_id, "?session_id=laptop") as asleep:
        running = asleep.begin(f"{WAIT}print('late')")
        with server.caller.channels(kernel_id, "?session_id=laptop") as awake:
            assert asleep.closed() == 1001
            (own.homes / "alice" / "go").touch()
            assert awake.finish(running).text == "late\n"
            eventually(lambda: own.alice.model(kernel_id)["connections"] == 1, what="the old connection is closed")
            assert awake.run("print('next')") == "next\n"
    (own.homes / "alice" / "go").unlink()


def test_a_cell_that_ended_while_its_page_was_away_too_is_ended(own: Any, server: Server, kernel_id: str) -> None:
    with server.caller.channels(kernel_id, "?session_id=both") as channels:
        running = channels.begin(f"{WAIT}print('unheard')\nopen('ended', 'w')")
    own.gateway.stop(signal.SIGKILL)
    (own.homes / "alice" / "go").touch()
    eventually((own.homes / "alice" / "ended").exists, what="the cell has ended")
    own.gateway.start()
    with server.caller.channels(kernel_id, "?session_id=both") as back:
        outcome = back.finish(running)
        assert outcome.error == "KernelUnreachable"
        assert "not heard for 0 s" not in outcome.reply["evalue"]
        assert back.run("print('next')") == "next\n"
    for name in ("go", "ended"):
        (own.homes / "alice" / name).unlink()


def test_a_kernel_that_is_gone_ends_what_the_page_sends(own: Any, server: Server, kernel_id: str) -> None:
    assert own.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    with server.caller.channels(kernel_id) as channels:
        outcome = channels.finish(channels.start("print(1)"))
        assert (outcome.error, "does not exist" in outcome.reply["evalue"]) == ("KernelUnreachable", True)


def test_a_server_finds_the_kernels_of_the_one_before(own: Any, server: Server, kernel_id: str) -> None:
    server.caller.run(kernel_id, "x = 41")
    other = own.alice.start(KERNEL_SERVER_NAME="ignored")
    server.kill()
    server.start()
    eventually(lambda: kernel_id in server.caller.ids(), what="the kernel is found again")
    assert server.caller.run(kernel_id, "print(x + 1)") == "42\n"
    assert server.caller.post().status_code != 201, "both kernels count"
    assert server.caller.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert own.alice.ids() == [other]


def test_pages_of_one_server_in_parallel(server: Server, kernel_id: str) -> None:
    def run(number: int) -> str:
        with server.caller.channels(kernel_id) as channels:
            return channels.run(f"print({number})")

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(run, range(5))) == [f"{number}\n" for number in range(5)]


def test_a_message_that_is_no_message_harms_only_its_page(server: Server, kernel_id: str) -> None:
    with server.caller.channels(kernel_id) as bad, server.caller.channels(kernel_id) as good:
        bad.socket.send(json.dumps({"header": 5}))
        assert good.run("print(1)") == "1\n"
        assert Channels(good.socket).run("print(2)") == "2\n"
