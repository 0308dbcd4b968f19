"""A client that comes again under its old session, while its first connection still hangs."""

from __future__ import annotations

import time
from typing import Any

# Tornado gives a peer this long to answer the closing of a websocket.
CLOSING_HANDSHAKE_SECONDS = 5


def test_a_client_that_comes_again_is_not_kept_waiting(site: Any) -> None:
    """jupyter_server forgets a connection whose browser hung up while it connected: it never says goodbye."""
    kernel_id = site.alice.start()
    query = "?session_id=the-same"
    with site.alice.channels(kernel_id, query) as silent:
        silent.run("x = 5")
        began = time.monotonic()
        with site.alice.channels(kernel_id, query) as again:
            assert again.run("print(x)") == "5\n"
            assert time.monotonic() - began < CLOSING_HANDSHAKE_SECONDS


def test_output_of_the_meantime_is_replayed(site: Any) -> None:
    kernel_id = site.alice.start()
    query = "?session_id=the-same"
    with site.alice.channels(kernel_id, query) as first:
        first.send(
            "shell", "execute_request", {"code": "import time; time.sleep(1); print('late')", "silent": False}
        )
        first.receive(lambda got: got["msg_type"] == "execute_input")
    with site.alice.channels(kernel_id, query) as again:
        assert again.receive(lambda got: got["msg_type"] == "stream")["content"]["text"] == "late\n"
