"""A kernel's life: execute, interrupt, debug, restart under an open websocket, stop."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from client import Caller, Channels
from doubles import eventually
from kernelpod.demo.watch import Watch

ENDLESS = "import sys\nprint('on', flush=True)\nwhile True: pass"


@pytest.fixture
def kernel_id(site: Any) -> str:
    started: str = site.alice.start()
    return started


@pytest.fixture
def channels(site: Any, kernel_id: str) -> Iterator[Channels]:
    with site.alice.channels(kernel_id) as opened:
        yield opened


def interrupted(caller: Caller, kernel_id: str, opened: Channels) -> None:
    """Interrupt an endless loop, which ends at once."""
    asked = opened.start(ENDLESS)
    opened.receive(lambda got: got["msg_type"] == "stream" and got["parent_header"]["msg_id"] == asked)
    watch = Watch()
    assert caller.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
    assert opened.finish(asked).error == "KeyboardInterrupt"
    watch.within(2)


def test_execute_and_errors(channels: Channels) -> None:
    assert channels.run("print('Grüße', 6 * 7)") == "Grüße 42\n"
    assert channels.finish(channels.start("1 / 0")).error == "ZeroDivisionError"
    assert channels.run("print('still here')") == "still here\n"


def test_several_websockets_share_one_kernel(site: Any, kernel_id: str, channels: Channels) -> None:
    with site.alice.channels(kernel_id) as other:
        channels.run("x = 5")
        assert other.run("print(x)") == "5\n"
        assert site.alice.model(kernel_id)["connections"] == 2


def test_an_interrupt_by_message(site: Any, kernel_id: str, channels: Channels) -> None:
    interrupted(site.alice, kernel_id, channels)
    assert channels.run("print('goes on')") == "goes on\n"


def test_an_interrupt_ends_before_the_next_cell(site: Any, kernel_id: str, channels: Channels) -> None:
    """It is answered when the kernel has raised it: else it would hit what is sent next, or lose its reply."""
    channels.run(
        "import time\nkernel = get_ipython().kernel\nat_once = kernel._send_interrupt_children\n"
        "def later():\n    time.sleep(0.5)\n    at_once()\nkernel._send_interrupt_children = later"
    )
    assert site.alice.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
    assert channels.run("time.sleep(1)\nprint('whole')") == "whole\n"


def test_a_cell_whose_reply_an_interrupt_swallows_ends(channels: Channels) -> None:
    channels.run(
        "send = (session := get_ipython().kernel.session).send\n"
        "def interrupted(stream, kind, *args, **more):\n"
        "    if kind != 'execute_reply':\n        return send(stream, kind, *args, **more)\n"
        "    session.send = send\n    raise KeyboardInterrupt\n"
    )
    cell = channels.start("session.send = interrupted\nprint('done')")
    outcome = channels.finish(cell)
    assert (outcome.text, "without an answer" in str(outcome.reply)) == ("done\n", True)
    assert channels.run("print('goes on')") == "goes on\n"


def test_an_interrupt_by_signal_where_the_kernelspec_says_so(site: Any) -> None:
    site.spec("signal-pod", interrupt_mode="signal")
    kernel_id = site.alice.start("signal-pod")
    with site.alice.channels(kernel_id) as channels:
        interrupted(site.alice, kernel_id, channels)
        assert channels.run("print('goes on')") == "goes on\n"


def test_an_interrupt_reaches_what_the_kernel_started(site: Any, kernel_id: str, channels: Channels) -> None:
    asked = channels.start("import os\nprint(os.WTERMSIG(os.system('touch waits; exec sleep 300')))")
    eventually((site.homes / "alice" / "waits").exists, what="the command runs")
    assert site.alice.ask("POST", f"kernels/{kernel_id}/interrupt").status_code == 204
    assert channels.finish(asked).text == "2\n"


def test_a_kernel_of_another_language_has_the_same_home(site: Any) -> None:
    site.spec("bash-pod", language="bash", argv=["python", "-m", "bash_kernel", "-f", "{connection_file}"])
    kernel_id = site.alice.start("bash-pod")
    with site.alice.channels(kernel_id) as channels:
        assert channels.run("echo $HOME") == "/home/jovyan\n"


def test_the_debugger_answers_on_the_control_channel(channels: Channels) -> None:
    arguments = {"clientID": "test", "adapterID": "", "pathFormat": "path", "linesStartAt1": True}
    request = {"type": "request", "seq": 1, "command": "initialize", "arguments": arguments}
    reply = channels.ask("control", "debug_request", request)
    assert reply["success"] is True
    assert "supportsConfigurationDoneRequest" in reply["body"]


def test_a_kernel_asks_for_input(channels: Channels) -> None:
    whole = {"code": "print('hello', input('who? '))", "silent": False, "allow_stdin": True}
    asked = channels.send("shell", "execute_request", {**whole, "store_history": False, "user_expressions": {}})
    assert channels.receive(lambda got: got["msg_type"] == "input_request")["content"]["prompt"] == "who? "
    channels.send("stdin", "input_reply", {"value": "owl"})
    assert "hello owl" in channels.finish(asked).text


def test_a_restart_keeps_id_files_and_the_open_websocket(site: Any, kernel_id: str, channels: Channels) -> None:
    first = channels.run(
        "import os; open('kept.txt', 'w').write('x'); y = 1; print(open('/proc/self/stat').read())"
    )
    answer = site.alice.ask("POST", f"kernels/{kernel_id}/restart")
    assert (answer.status_code, answer.json()["id"]) == (200, kernel_id)
    assert channels.run("import os; print('y' in globals(), os.path.exists('kept.txt'))") == "False True\n"
    assert channels.run("print(open('/proc/self/stat').read())") != first
    interrupted(site.alice, kernel_id, channels)
    assert len(site.gateway.kernels()) == 1


def test_restarts_in_a_row(site: Any, kernel_id: str, channels: Channels) -> None:
    for _ in range(3):
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        assert channels.run("print(1)") == "1\n"
    assert len(list(site.gateway.state_dir.iterdir())) == 1


def test_a_restart_of_a_busy_kernel(site: Any, kernel_id: str, channels: Channels) -> None:
    channels.begin("import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass")
    assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    assert channels.run("print('fresh')") == "fresh\n"
    assert len(site.gateway.kernels()) == 1


def test_a_kernel_that_cannot_do_ipc_runs_over_tcp(site: Any) -> None:
    site.spec("tcp-pod", metadata={"kernelpod": {"image": "i", "transport": "tcp"}})
    kernel_id = site.alice.start("tcp-pod")
    with site.alice.channels(kernel_id) as channels:
        assert channels.run("print(1)") == "1\n"
        interrupted(site.alice, kernel_id, channels)
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        assert channels.run("print(2)") == "2\n"


def test_a_profile_is_started_by_its_address(site: Any) -> None:
    site.spec("wide-pod", metadata={"kernelpod": {"image": "i", "profiles": {"big": {"display_name": "Big"}}}})
    kernel_id = site.alice.start("wide-pod.big")
    assert site.alice.model(kernel_id)["name"] == "wide-pod.big"
    assert site.alice.run(kernel_id, "print(1)") == "1\n"


def test_delete_removes_process_and_folder(site: Any, kernel_id: str) -> None:
    assert len(site.gateway.kernels()) == 1
    assert site.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert site.traces() == []
    assert site.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 404


def test_delete_ends_a_kernel_that_does_not_want_to(site: Any, kernel_id: str, channels: Channels) -> None:
    channels.begin("import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.fork()\nwhile True: pass")
    assert site.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert site.traces() == []


def test_what_a_client_missed_is_sent_when_it_comes_back(site: Any, kernel_id: str) -> None:
    query = "?session_id=the-same"
    with site.alice.channels(kernel_id, query) as channels:
        asked = channels.begin_running(
            "import os, time\nwhile not os.path.exists('away'): time.sleep(0.05)\nprint('while away')"
        )
    eventually(lambda: site.alice.model(kernel_id)["connections"] == 0, what="the client is gone")
    (site.homes / "alice" / "away").touch()
    with site.alice.channels(kernel_id, query) as channels:
        assert "while away" in channels.finish(asked).text
    (site.homes / "alice" / "away").unlink()


def test_a_restart_lets_the_kernel_end_by_itself(site: Any, kernel_id: str, channels: Channels) -> None:
    channels.run("import atexit, time\natexit.register(lambda: (time.sleep(1), open('ended', 'w').close()))")
    assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    assert channels.run("print(1)") == "1\n"
    eventually((site.homes / "alice" / "ended").exists, what="the old kernel wrote its last file")
    eventually(lambda: len(list((site.folder / "s").iterdir())) == 1, what="the old start is removed")


def test_a_stop_waits_for_the_start_before_a_restart(make_site: Any) -> None:
    """It has its grace period, also after the kernel's user has restarted it."""
    site = make_site(start={"grace_period_seconds": 100})
    kernel_id = site.alice.start()
    deaf = (
        "import os, signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "print('no' + 'thing is heard', flush=True)\n"
        "while not os.path.exists('end'): time.sleep(0.05)\n"
        "open('ended', 'w').close()\n"
        "os._exit(0)"
    )
    with site.alice.channels(kernel_id) as channels:
        channels.start(deaf)
        channels.receive(lambda got: "nothing is heard" in str(got["content"]))
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    assert len(list(site.gateway.state_dir.iterdir())) == 2, "the earlier start has ended already"
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(site.alice.ask, "DELETE", f"kernels/{kernel_id}")
        eventually(lambda: len(site.gateway.kernels()) == 1, what="the later start has ended")
        assert not stopped.done(), "nobody waits for the earlier start"
        (site.home("alice") / "end").touch()
        assert stopped.result().status_code == 204
    assert (site.home("alice") / "ended").exists()
    assert site.traces() == []
