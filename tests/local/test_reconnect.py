"""A client that comes again under its old session, while its first connection still hangs."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import Any

import pytest
import websocket

from doubles import PATIENCE_SECONDS, eventually
from kernelpod.demo.watch import Watch

# Tornado gives a peer this long to answer the closing of a websocket.
CLOSING_HANDSHAKE_SECONDS = 5


@pytest.mark.race
def test_a_client_that_comes_again_is_not_kept_waiting(site: Any) -> None:
    """jupyter_server forgets a connection whose browser hung up while it connected: it never says goodbye."""
    kernel_id = site.alice.start()
    query = "?session_id=the-same"
    with site.alice.channels(kernel_id, query) as silent:
        silent.run("x = 5")
        watch = Watch()
        with site.alice.channels(kernel_id, query) as again:
            assert again.run("print(x)") == "5\n"
            watch.within(CLOSING_HANDSHAKE_SECONDS)


@pytest.mark.race
def test_a_client_that_comes_again_before_its_first_connection_is_open(site: Any) -> None:
    """Lab connects, hangs up and connects anew within milliseconds, while the kernel's process still begins."""
    spec = site.spec(
        "slow", argv=["bash", "-c", "sleep 2; exec python -m ipykernel_launcher -f {connection_file}"]
    )
    kernel_id = site.alice.start(spec)
    query = "?session_id=the-same"
    ended = threading.Event()

    def first() -> None:
        hung_up = contextlib.suppress(websocket.WebSocketException, OSError)
        with hung_up, site.alice.channels(kernel_id, query) as replaced:
            replaced.closed()  # raises when it stays open
        ended.set()

    def waiting() -> bool:
        return "kernelpod_websockets 1.0" in site.by("metrics-token").ask("GET", "/metrics").text

    threading.Thread(target=first, daemon=True).start()
    eventually(waiting, what="the first connection is known")
    with site.alice.channels(kernel_id, query) as again:
        assert again.run("print('here')") == "here\n"
        assert ended.wait(PATIENCE_SECONDS)
        assert again.run("print('still')") == "still\n"
        assert site.alice.model(kernel_id)["connections"] == 1
    assert site.alice.run(kernel_id, "print(1)") == "1\n"


def test_output_of_the_meantime_is_replayed(site: Any) -> None:
    kernel_id = site.alice.start()
    query = "?session_id=the-same"
    with site.alice.channels(kernel_id, query) as first:
        code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('late')"
        first.send("shell", "execute_request", {"code": code, "silent": False})
        first.receive(lambda got: got["msg_type"] == "execute_input")
    eventually(lambda: site.alice.model(kernel_id)["connections"] == 0, what="the page is gone")
    (site.homes / "alice" / "go").touch()
    with site.alice.channels(kernel_id, query) as again:
        assert again.receive(lambda got: got["msg_type"] == "stream")["content"]["text"] == "late\n"
    (site.homes / "alice" / "go").unlink()


@pytest.mark.race
def test_a_page_that_returns_to_the_next_gateway_late_gets_what_it_has_missed(mortal: Any) -> None:
    """A server notices that its gateway was replaced seconds later; meanwhile the cell has ended."""
    own = mortal
    kernel_id = own.alice.start()
    query = "?session_id=the-same"
    with own.alice.channels(kernel_id, query) as before:
        asked = before.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('late')")
    own.gateway.stop(signal.SIGKILL)
    own.gateway.start()
    # What the kernel answers while nobody is connected is lost; the user's server then ends the cell.
    with own.alice.channels(kernel_id) as other:
        other.ask("control", "kernel_info_request", {})
    (own.homes / "alice" / "go").touch()
    eventually(lambda: own.alice.model(kernel_id)["execution_state"] == "idle", what="the cell has ended")
    with own.alice.channels(kernel_id, query) as page:
        assert page.finish(asked).text == "late\n"
        assert page.run("print('next')") == "next\n"


@pytest.mark.race
def test_what_was_sent_into_a_broken_connection_is_sent_again(site: Any) -> None:
    """The gateway has sent it, and the page says that it has not got it."""
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id, "?session_id=counts&received=0") as first:
        waiting = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n"
        asked = first.start(f"{waiting}for line in range(50): print(line, flush=True)")
        assert "busy" in first.socket.recv()
        (site.homes / "alice" / "go").touch()
        eventually(lambda: site.alice.model(kernel_id)["execution_state"] == "idle", what="the cell has ended")
    with site.alice.channels(kernel_id, "?session_id=counts&received=1") as again:
        outcome = again.finish(asked)
        assert outcome.text == "".join(f"{line}\n" for line in range(50))
        (site.homes / "alice" / "go").unlink()
        assert again.run("print('next')") == "next\n"


@pytest.mark.parametrize("received", ["-1", "1e3", "9" * 30, "\u0663", "%00", "nothing"])
def test_a_page_that_counts_oddly_harms_only_itself(site: Any, received: str) -> None:
    kernel_id = site.alice.start()
    for _ in range(2):
        with site.alice.channels(kernel_id, f"?session_id=odd&received={received}") as page:
            assert page.run("print(1)") == "1\n"
            page.socket.pong(b"99999999999999999999")
            page.socket.pong(b"-1")
            assert page.run("print(2)") == "2\n"
