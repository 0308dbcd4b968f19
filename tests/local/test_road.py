"""What a notebook does all day, and what happens to its kernel meanwhile: nothing is lost without a word."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
from jupyter_server.base.zmqhandlers import deserialize_binary_message, serialize_binary_message

from client import Channels, Outcome
from doubles import eventually

UNLIMITED = {"iopub_msg_rate_limit": 0, "iopub_data_rate_limit": 0}
COMM = """
from ipykernel.comm import Comm
comm = Comm(target_name="pictures", buffers=[b"opened\\x00\\xff"])
def received(message):
    comm.send({"got": [bytes(one).hex() for one in message["buffers"]]}, buffers=[b"answer\\xfe"])
comm.on_msg(received)
print(comm.comm_id)
"""


@pytest.fixture
def kernel_id(site: Any) -> str:
    started: str = site.alice.start()
    return started


def binary(channels: Channels) -> dict[str, Any]:
    """Return the next message with buffers."""
    while True:
        kind, data = channels.socket.recv_data()
        if kind == websocket.ABNF.OPCODE_BINARY:
            return deserialize_binary_message(data)


def test_buffers_of_widgets_go_both_ways(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels:
        channels.start(COMM)
        opened = binary(channels)
        assert (opened["msg_type"], [bytes(one) for one in opened["buffers"]]) == (
            "comm_open",
            [b"opened\x00\xff"],
        )
        header = {"msg_id": "c1", "msg_type": "comm_msg", "session": "s", "username": "", "version": "5.3"}
        message = {"header": {**header, "date": "2026-01-01T00:00:00Z"}, "parent_header": {}, "metadata": {}}
        content = {"comm_id": opened["content"]["comm_id"], "data": {}}
        whole = {**message, "content": content, "channel": "shell", "buffers": [b"\x00\x80", b""]}
        channels.socket.send_binary(serialize_binary_message(whole))
        answer = binary(channels)
        assert answer["content"]["data"] == {"got": ["0080", ""]}
        assert [bytes(one) for one in answer["buffers"]] == [b"answer\xfe"]
        assert channels.run("print('and cells go on')") == "and cells go on\n"


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("print('a\\udcffb')", "a\ufffdb\n", ""),
        ("raise ValueError('a\\udcffb')", "", "ValueError"),
        ("print(len('a\\ud83d'))", "2\n", ""),
    ],
)
def test_text_that_is_not_unicode_ends_no_cell_early(
    site: Any, kernel_id: str, code: str, text: str, error: str
) -> None:
    with site.alice.channels(kernel_id) as channels:
        outcome = channels.finish(channels.start(code))
        assert (outcome.text, outcome.error) == (text, error)


def test_half_an_emoji_in_a_cell_closes_nothing(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels:
        channels.start("x = '\ud83d'")  # json.dumps writes the escape; ipykernel cannot repeat it and says nothing
        assert channels.run("print(1)") == "1\n"


def test_a_large_cell_and_what_follows_it_stay_in_order(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels:
        channels.start(f"x = '{'y' * 3_000_000}'")
        assert channels.run("print(len(x))") == "3000000\n"


def test_a_page_opens_at_once_while_the_kernel_computes(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as busy:
        asked = busy.begin("import os, time\nwhile not os.path.exists('opened'): time.sleep(0.05)\nprint('end')")
        with site.alice.channels(kernel_id) as page:
            (site.home("alice") / "opened").touch()
            page.receive(lambda got: got["msg_type"] == "stream" and got["content"]["text"] == "end\n")
        assert busy.finish(asked).text == "end\n"
    (site.home("alice") / "opened").unlink()


def test_replies_go_to_the_page_that_asked(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as one, site.alice.channels(kernel_id) as other:
        asked = one.start("print('for all')")
        assert one.finish(asked).text == "for all\n"
        mine = other.start("1")
        seen: list[str] = []

        def ended(got: dict[str, Any]) -> bool:
            if got["msg_type"] == "execute_reply" or got["parent_header"].get("msg_id") == mine:
                seen.append(str(got["content"].get("execution_state", got["msg_type"])))
            return {"execute_reply", "idle"} <= set(seen)

        other.receive(ended)
        assert seen.count("execute_reply") == 1


def test_input_is_asked_of_the_page_whose_cell_asks(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as one, site.alice.channels(kernel_id) as other:
        content = {"code": "print('hello', input('who? '))", "silent": False, "allow_stdin": True}
        asked = one.send("shell", "execute_request", content)
        one.receive(lambda got: got["msg_type"] == "input_request")
        one.send("stdin", "input_reply", {"value": "owl"})
        assert "hello owl" in one.finish(asked).text
        seen: list[str] = []
        other.receive(lambda got: seen.append(got["msg_type"]) or "hello owl" in str(got["content"]))
        assert "input_request" not in seen


@pytest.mark.race
def test_another_pages_restart_ends_this_pages_cells(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels:
        # As Lab does: otherwise the kernel may still run the next cell, after the interrupt that begins a restart.
        running = channels.begin("while True: pass", stop_on_error=True)
        waiting = channels.start("print('never')")
        # The answer says that the gateway has sent the kernel what came before.
        channels.ask("control", "kernel_info_request", {})
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        ended: dict[str, dict[str, Any]] = {}
        idle: list[str] = []

        def both(got: dict[str, Any]) -> bool:
            parent = got["parent_header"].get("msg_id")
            if got["msg_type"] == "execute_reply":
                ended[parent] = got["content"]
            elif got["content"].get("execution_state") == "idle":
                idle.append(parent)
            return {running, waiting} <= set(ended) and {running, waiting} <= set(idle)

        channels.receive(both)
        assert {one["status"] for one in ended.values()} <= {"error", "aborted"}
        assert channels.run("print('fresh')") == "fresh\n"


@pytest.mark.race
def test_a_cell_sent_during_a_restart_runs_after_it(site: Any) -> None:
    spec = site.spec(
        "slow-road", argv=["bash", "-c", "sleep 1; exec python -m ipykernel_launcher -f {connection_file}"]
    )
    kernel_id = site.alice.start(spec)
    with site.alice.channels(kernel_id) as channels, ThreadPoolExecutor(1) as pool:
        restart = pool.submit(site.alice.ask, "POST", f"kernels/{kernel_id}/restart")
        channels.receive(lambda got: got["content"].get("execution_state") == "starting")
        with site.alice.channels(kernel_id) as opened_meanwhile:
            assert channels.run("print('ran')") == "ran\n"
            assert restart.result().status_code == 200
            assert opened_meanwhile.run("print('too')") == "too\n"
        assert site.alice.model(kernel_id)["execution_state"] == "idle"
        assert channels.run("print(1)") == "1\n"


@pytest.mark.race
def test_restart_and_stop_at_once_leave_nothing(site: Any) -> None:
    for round_ in range(6):
        kernel_id = site.alice.start()
        path = f"kernels/{kernel_id}"
        with ThreadPoolExecutor(4) as pool:
            stop = pool.submit(site.alice.ask, "DELETE", path)
            time.sleep(0.03 * round_)
            others = [pool.submit(site.alice.ask, *verb) for verb in 2 * [("POST", f"{path}/restart")]]
            others.append(pool.submit(site.alice.ask, "DELETE", path))
            statuses = [one.result().status_code for one in (stop, *others)]
        assert set(statuses) <= {200, 204, 404}, statuses
        assert statuses.count(204) == 1
        assert site.alice.ids() == []
        eventually(lambda: site.traces() == [], what="nothing is left")


def test_a_restart_that_fails_leaves_the_kernel_listed_and_dead(site: Any, kernel_id: str) -> None:
    home, away = site.homes / "alice", site.homes / "away"
    with site.alice.channels(kernel_id) as channels:
        channels.run("x = 1")
        home.rename(away)
        try:
            failed = site.alice.ask("POST", f"kernels/{kernel_id}/restart")
            assert failed.status_code == 500, failed.text
            model = site.alice.model(kernel_id)
            assert model["execution_state"] == "dead"
            assert "home folder" in model["reason"]
            outcome = channels.finish(channels.start("print(1)"))
            assert "home folder" in outcome.reply["evalue"]
        finally:
            if home.exists():
                shutil.rmtree(home)
            away.rename(home)
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        assert channels.run("print('x' in globals())") == "False\n"


def descriptors(site: Any) -> int:
    """Return how many descriptors the gateway has open."""
    return len(list(Path(f"/proc/{site.gateway.pid}/fd").iterdir()))


def test_a_thousand_clients_that_hang_up_at_once_cost_nothing(site: Any, kernel_id: str) -> None:
    """Tornado tells of the end of such a websocket before it opens it."""
    url = urlsplit(site.gateway.url)
    head = (
        f"GET /api/kernels/{kernel_id}/channels HTTP/1.1\r\nHost: {url.netloc}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: token {site.alice.token}\r\n\r\n"
    )
    site.alice.run(kernel_id, "x = 1")
    before = descriptors(site)
    for number in range(1000):
        with socket.create_connection((url.hostname or "", url.port or 0), timeout=60) as opened:
            opened.sendall(head.encode())
            if number % 2:
                opened.recv(1)
    eventually(lambda: descriptors(site) <= before, what="the descriptors are closed")
    assert site.alice.model(kernel_id)["connections"] == 0
    assert site.alice.run(kernel_id, "print(x)") == "1\n"


def test_a_page_without_a_right_any_more_is_closed(make_site: Any) -> None:
    own = make_site(identity={"recheck_seconds": 0.2})
    kernel_id = own.alice.start()
    with own.admin.channels(kernel_id) as channels:
        assert channels.run("print(1)") == "1\n"
        before = own.hub.users["admin-token"]
        try:
            own.hub.users["admin-token"] = {
                **before,
                "scopes": [one for one in before["scopes"] if "admin" not in one],
            }
            assert channels.closed() == 1008
        finally:
            own.hub.users["admin-token"] = before
    assert own.alice.run(kernel_id, "print(2)") == "2\n"


def test_a_page_of_a_busy_kernel_is_told_what_the_kernel_is(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels, site.alice.channels(kernel_id) as later:
        running = channels.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)")
        known = later.ask("shell", "kernel_info_request")
        assert known["language_info"]["name"] == "python"
        (site.homes / "alice" / "go").touch()
        channels.finish(running)
        assert later.ask("shell", "kernel_info_request")["language_info"] == known["language_info"]
    (site.homes / "alice" / "go").unlink()


@pytest.mark.race
def test_output_and_end_of_a_cell_are_heard_after_the_gateway_was_killed(mortal: Any) -> None:
    own = mortal
    kernel_id = own.alice.start()
    with own.alice.channels(kernel_id) as channels:
        channels.begin(
            "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nprint('late', flush=True)"
        )
    own.gateway.stop(signal.SIGKILL)
    own.gateway.start()
    # The page opens while the cell runs, which ends when the file is there.
    with own.alice.channels(kernel_id) as page:
        (own.homes / "alice" / "go").touch()
        page.receive(lambda got: got["msg_type"] == "stream" and got["content"]["text"] == "late\n")
        page.receive(lambda got: got["content"].get("execution_state") == "idle")


def test_many_pages_that_do_not_read_share_one_budget(make_site: Any) -> None:
    megabyte = 1024 * 1024
    own = make_site(gateway={**UNLIMITED, "max_backlog_bytes": 16 * megabyte, "max_offline_bytes": 4 * megabyte})
    kernel_id = own.alice.start()
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(own.alice.channels(kernel_id)) for _ in range(6)]
        before = own.gateway.memory_bytes()
        asked = pages[0].start("for _ in range(300): print('x' * 1_000_000, flush=True)\nopen('printed', 'w')")
        eventually((own.homes / "alice" / "printed").exists, what="300 MB were printed")
        assert own.gateway.memory_bytes() - before < 100 * megabyte
        outcome: Outcome = pages[0].finish(asked)
        assert "of output were not shown" in outcome.text


def test_all_kernels_of_a_user_share_a_budget(make_site: Any) -> None:
    megabyte = 1024 * 1024
    limits = {"max_backlog_bytes": 64 * megabyte, "max_user_backlog_bytes": 64 * megabyte}
    own = make_site(gateway={**UNLIMITED, **limits})
    kernels = [own.alice.start() for _ in range(3)]
    other = own.bob.start()
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(own.alice.channels(one)) for one in kernels]
        printing = "for _ in range(100): print('x' * 1_000_000, flush=True)\nopen('printed-%d', 'w')"
        asked = [page.start(printing % number) for number, page in enumerate(pages)]
        for number in range(3):
            eventually((own.homes / "alice" / f"printed-{number}").exists, what="100 MB were printed")
        assert own.bob.run(other, "print('not cut')") == "not cut\n"
        assert all(
            "of output were not shown" in page.finish(one).text for page, one in zip(pages, asked, strict=True)
        )


def test_a_kernelspec_may_show_more_output(site: Any) -> None:
    stanza = {"image": "registry.example/kernel:1", "iopub_data_rate_limit": 0, "iopub_msg_rate_limit": 0}
    name = site.spec("chatty", metadata={"kernelpod": stanza})
    with site.alice.channels(site.alice.start(name)) as channels:
        shown = channels.run("for _ in range(80): print('x' * 100_000, flush=True)")
        assert len(shown) == 80 * 100_001


def test_a_loop_that_prints_is_cut_and_says_so(site: Any, kernel_id: str) -> None:
    with site.alice.channels(kernel_id) as channels:
        printing = "for _ in range(400): print('x' * 100_000, flush=True)\nprint('the end')"
        text = channels.finish(channels.start(printing)).text
        assert "IOPub data rate exceeded" in text
        # Not for each of 400: only after seconds in which nothing was printed, as when the machine stood still.
        assert text.count("rate exceeded") <= 4
        assert len(text) < 20_000_000
        assert channels.run("print('shown again')") == "shown again\n"


def test_a_message_over_the_limit_is_named_and_the_cell_ends(make_site: Any) -> None:
    own = make_site(gateway={"max_message_bytes": 1024 * 1024})
    kernel_id = own.alice.start()
    with own.alice.channels(kernel_id) as channels:
        asked = channels.start(
            "from IPython.display import display\ndisplay({'text/plain': 'x' * 3_000_000}, raw=True)"
        )
        assert "Output is lost" in channels.finish(asked).text
        # What is printed before the kernel has read the new subscription is lost, too, and the page says so.
        said = [channels.run("print('goes on')")]
        while said[-1] != "goes on\n":
            assert "may be lost" in said[-1]
            said.append(channels.run("print('goes on')"))


def test_an_answer_over_the_limit_ends_its_request(make_site: Any) -> None:
    own = make_site(gateway={"max_message_bytes": 1024 * 1024})
    kernel_id = own.alice.start()
    with own.alice.channels(kernel_id) as channels:
        content = {"code": "", "silent": False, "user_expressions": {"big": "'x' * 3_000_000"}}
        reply = channels.ask("shell", "execute_request", content)
        assert (reply["status"], "answer is lost" in reply["evalue"]) == ("error", True)
        assert channels.run("print('goes on')") == "goes on\n"


@pytest.mark.parametrize("session", ["s" * 300, "ü", "%00", ""])
def test_a_strange_session_is_a_session(site: Any, kernel_id: str, session: str) -> None:
    with site.alice.channels(kernel_id, f"?session_id={session}") as channels:
        assert channels.run("print(1)") == "1\n"


def test_a_foreign_origin_is_no_obstacle_to_a_token_in_a_header(site: Any, kernel_id: str) -> None:
    url = f"{site.gateway.url.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels"
    opened = websocket.create_connection(
        url,
        header=[f"Authorization: token {site.alice.token}"],
        origin="https://notebooks.example.org",
        timeout=60,
    )
    try:
        assert Channels(opened).run("print(1)") == "1\n"
    finally:
        opened.shutdown()


def test_a_reply_says_its_own_request_even_with_equal_ids(site: Any, kernel_id: str) -> None:
    """Two pages that use one msg_id take each other's reply, and nothing else happens."""
    with site.alice.channels(kernel_id) as one, site.alice.channels(kernel_id) as other:
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "kernel_info_request", "session": "x", "username": "",
                  "version": "5.3", "date": "2026-01-01T00:00:00Z"}  # fmt: skip
        whole = {"header": header, "parent_header": {}, "metadata": {}, "content": {}, "channel": "shell"}
        for page in (one, other):
            page.socket.send(json.dumps({**whole, "buffers": []}))
        assert other.run("print(1)") == "1\n"
        assert one.run("print(2)") == "2\n"
