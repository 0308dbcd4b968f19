"""Too much of everything: it costs who does it, and nobody else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import websocket

from doubles import eventually

MEGABYTE = 1024 * 1024
UNLIMITED = {"iopub_msg_rate_limit": 0, "iopub_data_rate_limit": 0}
FLOOD = "import sys\nwhile True: sys.stdout.write('x' * 100_000 + '\\n'); sys.stdout.flush()"


@pytest.fixture(scope="module")
def tight(make_site: Any) -> Any:
    """A gateway with small limits."""
    sizes = {
        **UNLIMITED,
        "max_message_bytes": MEGABYTE,
        "max_backlog_bytes": 4 * MEGABYTE,
        "max_offline_bytes": MEGABYTE,
    }
    return make_site(gateway=sizes, policy={"max_kernels_per_user": 2})


@pytest.fixture(autouse=True)
def clean(tight: Any) -> Iterator[None]:
    yield
    tight.stop_kernels()


def alice_works(site: Any) -> None:
    """Start a kernel of alice and run a cell in it."""
    assert site.alice.run(site.alice.start(), "print(1)") == "1\n"


def test_alice_works_while_bobs_output_floods(tight: Any) -> None:
    with tight.bob.channels(tight.bob.start()) as channels:
        channels.start(FLOOD)
        channels.receive(lambda got: got["msg_type"] == "stream")
        reading = threading.Event()

        def read() -> None:
            with contextlib.suppress(websocket.WebSocketException, OSError):
                while not reading.is_set():
                    channels.socket.recv()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            alice_works(tight)
        finally:
            reading.set()
            reader.join(30)


def test_a_client_that_does_not_read_costs_no_memory(tight: Any) -> None:
    with tight.bob.channels(tight.bob.start()) as channels:
        channels.start(FLOOD)
        channels.receive(lambda got: got["msg_type"] == "stream")
        eventually(lambda: "loses output" in tight.gateway.log, what="output was dropped")
        held = tight.gateway.memory_bytes()
        alice_works(tight)
        assert tight.gateway.memory_bytes() - held < 120 * MEGABYTE
        channels.receive(lambda got: got["msg_type"] == "stream")  # and what was held back goes on


def test_the_end_of_a_cell_reaches_a_client_that_did_not_read(tight: Any) -> None:
    with tight.bob.channels(tight.bob.start()) as channels:
        asked = channels.start(
            "for n in range(500): print('x' * 100_000, flush=True)\nprint('the end', flush=True)\nopen('end', 'w')"
        )
        eventually((tight.homes / "bob" / "end").exists, what="50 MB were printed")
        outcome = channels.finish(asked)
    assert outcome.text.endswith("the end\n")
    assert len(outcome.text) < 40 * MEGABYTE, "nothing was let go of"
    assert "MB of output were not shown" in outcome.text


def test_a_client_that_left_costs_a_bounded_buffer(tight: Any) -> None:
    kernel_id, query = tight.bob.start(), "?session_id=gone"
    with tight.bob.channels(kernel_id, query) as channels:
        before = tight.gateway.memory_bytes()
        channels.begin("for n in range(1000): print('x' * 100_000, flush=True)\nopen('done', 'w')")
    eventually((tight.homes / "bob" / "done").exists, what="100 MB were printed")
    alice_works(tight)
    assert tight.gateway.memory_bytes() - before < 60 * MEGABYTE


def test_one_huge_message_of_a_kernel_is_its_own_loss(tight: Any) -> None:
    kernel_id = tight.bob.start()
    with tight.bob.channels(kernel_id) as channels:
        channels.start("from IPython.display import display\ndisplay({'text/plain': 'x' * 9_000_000}, raw=True)")
        alice_works(tight)
    with tight.bob.channels(kernel_id) as channels:
        assert channels.run("print(2)") == "2\n"


def test_a_frame_over_the_limit_closes_its_own_websocket_only(tight: Any) -> None:
    kernel_id = tight.bob.start()
    with tight.bob.channels(kernel_id) as small, tight.bob.channels(kernel_id) as large:
        assert small.run("print(1)") == "1\n"
        with contextlib.suppress(OSError, websocket.WebSocketException):
            large.socket.send("x" * (2 * MEGABYTE))
        assert large.closed() in (1006, 1009)
        assert small.run("print(2)") == "2\n"


GARBAGE = [
    "",
    "{",
    "null",
    "[]",
    '"x"',
    "1",
    "{}",
    '{"header": 5}',
    '{"header": {}, "channel": "nowhere"}',
    '{"channel": "shell", "header": {"msg_type": "execute_request"}}',
    '{"channel": ["shell"], "header": {}}',
    "[" * 50_000,
    b"",
    b"\x00",
    b"\xff" * 64,
    b"\x00\x00\x00\x02\x00\x00\x00\x0c\x00\x00\xff\xff{}",
]


def test_two_hundred_websockets_of_garbage(tight: Any) -> None:
    kernel_id = tight.bob.start()

    def send(number: int) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException), tight.bob.channels(kernel_id) as channels:
            garbage = GARBAGE[number % len(GARBAGE)]
            channels.socket.send(garbage, 1 if isinstance(garbage, str) else 2)
            channels.socket.send(b"\xc1\xff" * 10, websocket.ABNF.OPCODE_BINARY)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send, range(200)))
    alice_works(tight)
    assert tight.bob.run(kernel_id, "print(3)") == "3\n"
    assert "Traceback" not in tight.gateway.log


def test_two_requests_at_once_do_not_share_the_last_place(tight: Any) -> None:
    tight.bob.start()
    with ThreadPoolExecutor(4) as pool:
        answered = [answer.status_code for answer in pool.map(lambda _: tight.bob.post(), range(4))]
    assert sorted(answered) == [201, 403, 403, 403]
    assert tight.bob.post().json()["code"] == "too_many_kernels"
    alice_works(tight)
    assert len(tight.bob.ids()) == 2


def test_a_place_is_free_again_after_a_failed_start_and_after_delete(tight: Any) -> None:
    tight.spec("broken", argv=["no-such-program", "{connection_file}"])
    for _ in range(4):
        assert tight.bob.post("broken").json()["code"] == "command_not_found"
    ids = [tight.bob.start(), tight.bob.start()]
    tight.bob.ask("DELETE", f"kernels/{ids[0]}")
    tight.bob.start()


def test_many_restarts_with_output_on_its_way(tight: Any) -> None:
    """libzmq once ended the gateway here: a socket was moved while it held half a message."""
    kernel_id = tight.bob.start()
    for _ in range(6):
        with tight.bob.channels(kernel_id) as channels:
            # The gateway reads what is sent only once the websocket is connected through to the kernel.
            channels.start(FLOOD)
            channels.receive(lambda got: got["msg_type"] == "stream")
            assert tight.bob.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
            assert channels.run("print(4)").endswith("4\n")
    alice_works(tight)
