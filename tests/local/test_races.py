"""What meets in time: whoever comes first, nothing is lost and nothing is left behind. See `make races`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import websocket

from doubles import eventually

pytestmark = pytest.mark.race

HUNG_UP = (AssertionError, OSError, websocket.WebSocketException)


def test_a_gateway_that_is_killed_during_a_start_leaves_a_kernel_that_works_or_none(
    mortal: Any, moment: float
) -> None:
    answered: list[int] = []

    def start() -> None:
        with contextlib.suppress(requests.ConnectionError):
            answered.append(mortal.alice.post().status_code)

    starting = threading.Thread(target=start)
    starting.start()
    time.sleep(2 * moment)
    mortal.gateway.stop(signal.SIGKILL)
    starting.join()
    mortal.gateway.start()
    found = mortal.alice.ids()
    assert len(found) <= 1
    assert found or not answered, "a kernel that its user was told of is gone"
    for kernel_id in found:
        assert mortal.alice.run(kernel_id, "print(1)") == "1\n"
    mortal.stop_kernels()


def test_a_gateway_that_is_killed_during_a_restart_leaves_a_kernel_that_works(mortal: Any, moment: float) -> None:
    kernel_id = mortal.alice.start()

    def restart() -> None:
        with contextlib.suppress(requests.ConnectionError):
            mortal.alice.ask("POST", f"kernels/{kernel_id}/restart")

    restarting = threading.Thread(target=restart)
    restarting.start()
    time.sleep(2 * moment)
    mortal.gateway.stop(signal.SIGKILL)
    restarting.join()
    mortal.gateway.start()
    for found in mortal.alice.ids():
        assert mortal.alice.run(found, "print(1)") == "1\n"
    mortal.stop_kernels()


def test_two_pages_of_one_session_that_open_at_once(site: Any) -> None:
    kernel_id = site.alice.start()
    met = threading.Barrier(2)

    def page(number: int) -> str:
        met.wait(20)
        try:
            with site.alice.channels(kernel_id, "?session_id=the-same") as channels:
                return str(channels.run(f"print({number})"))
        except HUNG_UP:
            return ""

    with ThreadPoolExecutor(2) as pool:
        printed = list(pool.map(page, range(2)))
    assert any(printed), "both were closed"
    eventually(lambda: site.alice.model(kernel_id)["connections"] == 0, what="no page is left")
    assert site.alice.run(kernel_id, "print('next')") == "next\n"


def test_a_page_that_opens_while_its_kernel_is_stopped(site: Any, moment: float) -> None:
    kernel_id = site.alice.start()
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(site.alice.ask, "DELETE", f"kernels/{kernel_id}")
        time.sleep(moment / 5)
        try:
            with site.alice.channels(kernel_id) as channels:
                assert stopped.result().status_code == 204
                assert channels.finish(channels.start("1"), 20).reply["status"] == "error"
        except (OSError, websocket.WebSocketException):
            pass  # refused
        except AssertionError as error:
            if "the gateway closed the websocket" not in str(error):
                raise
        assert stopped.result().status_code == 204
    assert site.alice.ids() == []
    assert site.traces() == []


def test_pages_open_and_send_while_the_kernel_restarts(site: Any, moment: float) -> None:
    kernel_id = site.alice.start()
    with ThreadPoolExecutor(1) as pool, site.alice.channels(kernel_id) as before:
        before.run("x = 1")
        restart = pool.submit(site.alice.ask, "POST", f"kernels/{kernel_id}/restart")
        time.sleep(moment)
        with site.alice.channels(kernel_id) as meanwhile:
            asked = meanwhile.start("print('sent')")
            outcome = meanwhile.finish(asked)
            # Sent to the old start, which ends, or to the new one.
            assert outcome.text == "sent\n" or outcome.reply["status"] in ("error", "aborted"), outcome
            assert restart.result().status_code == 200
            assert meanwhile.run("print('x' in globals())") == "False\n"
        assert before.run("print('too')") == "too\n"
    assert site.alice.model(kernel_id)["execution_state"] == "idle"


def test_an_interrupt_meets_a_restart(site: Any, moment: float) -> None:
    kernel_id = site.alice.start()
    path = f"kernels/{kernel_id}"
    with ThreadPoolExecutor(2) as pool, site.alice.channels(kernel_id) as channels:
        asked = channels.begin("import time\nwhile True: time.sleep(0.01)")
        restart = pool.submit(site.alice.ask, "POST", f"{path}/restart")
        time.sleep(moment / 5)
        interrupt = pool.submit(site.alice.ask, "POST", f"{path}/interrupt")
        assert channels.finish(asked).reply["status"] in ("error", "aborted")
        assert restart.result().status_code == 200
        assert interrupt.result().status_code in (204, 409)
        assert channels.run("print(1)") == "1\n"
