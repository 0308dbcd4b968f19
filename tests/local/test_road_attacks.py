"""Kernels and pages that do what none should: it costs only their user, and nothing is left behind."""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

import pytest
import websocket

from doubles import eventually

PYTHON = "from ipykernel.kernelapp import launch_new_instance as run\nrun()"
FAILS_ON_DEMAND = f"import os, sys\nif os.path.exists('fail'): sys.exit(3)\n{PYTHON}"
WITHOUT_WELCOME = f"""
import ipykernel.iostream as streams
for name in dir(streams.IOPubThread):
    if "welcome" in name.lower() or name == "_setup_xpub_listener":
        setattr(streams.IOPubThread, name, lambda self, *_, **__: None)
{PYTHON}"""
STRANGE_PARENTS = """
from IPython import get_ipython
kernel = get_ipython().kernel
for parent in ([1], {"a": 1}, 5, None):
    header = {"header": {"msg_id": parent, "msg_type": parent}}
    kernel.session.send(kernel.iopub_socket, "stream", {"name": "stdout", "text": "x"}, parent=header)
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "busy"}, parent=header)
print("still here")
"""
MANY_SUBSHELLS = """
from IPython import get_ipython
kernel = get_ipython().kernel
for number in range(900):
    header = {"header": {"msg_id": str(number), "msg_type": "execute_request", "subshell_id": str(number)}}
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "busy"}, parent=header)
"""


def spec(site: Any, name: str, code: str) -> str:
    """Publish a kernelspec that runs this code."""
    published: str = site.spec(name, argv=["python", "-c", code, "-f", "{connection_file}"])
    return published


def test_parents_that_are_no_headers_stop_nobody(site: Any) -> None:
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id) as channels:
        channels.start(STRANGE_PARENTS)
        channels.receive(lambda got: "still here" in str(got["content"]))
        assert channels.run("print(1)") == "1\n"
    assert site.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    eventually(lambda: site.traces() == [], what="nothing is left")


def test_many_subshells_cost_little(site: Any) -> None:
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id) as channels:
        channels.run("x = 1")
        before = site.gateway.memory_bytes()
        channels.run(MANY_SUBSHELLS)
        assert channels.run("print(x)") == "1\n"
        assert site.gateway.memory_bytes() - before < 30 * 1024 * 1024


def test_a_kernel_that_keeps_dying_is_dead_with_a_reason(make_site: Any) -> None:
    site = make_site()
    kernel_id = site.alice.start()
    known: set[int] = set()
    with site.alice.channels(kernel_id) as channels:

        def dies() -> bool:
            state = site.alice.model(kernel_id)["execution_state"]
            for process in site.gateway.kernels() if state == "idle" else ():
                if process.pid not in known:
                    known.add(process.pid)
                    os.kill(process.pid, signal.SIGKILL)
            return bool(state == "dead")

        eventually(dies, what="the kernel is not started again")
        reason = site.alice.model(kernel_id)["reason"]
        assert "ended" in reason
        assert channels.finish(channels.start("1")).reply["evalue"] == reason
        eventually(lambda: site.traces() == [], what="nothing of it is left")
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        assert channels.run("print('again')") == "again\n"
    site.stop_kernels()


def test_a_spare_that_expires_is_gone_for_good(make_site: Any) -> None:
    site = make_site(start={"spare_seconds": 1})
    site.spec("warm-pod", metadata={"kernelpod": {"image": "registry.example/kernel:1", "prewarm": 1}})
    kernel_id = site.alice.start("warm-pod")
    eventually(lambda: "is prewarmed for user" in site.gateway.log, what="the spare is ready")
    eventually(lambda: len(site.gateway.kernels()) == 1, what="the spare has ended")
    assert site.alice.run(kernel_id, "import time; time.sleep(4); print(1)") == "1\n"
    assert "Traceback" not in site.gateway.log
    site.stop_kernels()


def test_dead_kernels_count_because_they_can_be_restarted(make_site: Any) -> None:
    site = make_site(policy={"max_kernels_per_user": 1})
    flips = spec(site, "flips", FAILS_ON_DEMAND)
    kernel_id = site.alice.start(flips)
    flag = site.home("alice") / "fail"
    flag.touch()
    assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 500
    flag.unlink()
    assert site.alice.post(flips).status_code == 403
    assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
    site.stop_kernels()


def test_a_user_whose_token_was_revoked_runs_nothing_more(make_site: Any, hub: Any) -> None:
    site = make_site(identity={"cache_seconds": 0.2, "negative_cache_seconds": 0.2, "recheck_seconds": 0.2})
    kernel_id = site.alice.start()
    written = site.home("alice") / "after"
    with site.alice.channels(kernel_id) as channels:
        channels.run("1")
        known = hub.users.pop("alice-token")
        try:
            eventually(lambda: "websocket of kernel" in site.gateway.log, what="the websocket is closed")
            with pytest.raises((AssertionError, OSError, websocket.WebSocketException)):
                channels.finish(channels.start("open('after', 'w')"), 2)
        finally:
            hub.users["alice-token"] = known
    eventually(lambda: site.alice.ask("GET", "kernels").status_code == 200, what="the hub knows alice again")
    assert site.alice.run(kernel_id, "print(1)") == "1\n"
    assert not written.exists()
    site.stop_kernels()


def test_a_silent_kernel_is_listed_by_the_next_gateway(make_site: Any) -> None:
    site = make_site()
    kernel_id = site.alice.start(spec(site, "silent", WITHOUT_WELCOME))
    site.gateway.stop()
    site.gateway.start()
    assert site.alice.ids() == [kernel_id]
    assert site.alice.run(kernel_id, "print(1)") == "1\n"
    site.stop_kernels()


def test_the_gateway_may_open_as_many_files_as_the_machine_allows(site: Any) -> None:
    soft, hard = resource.prlimit(site.gateway.pid, resource.RLIMIT_NOFILE)
    assert soft == hard
