"""Kernels that die, and gateways that die: who is started again, who is found again, and what is swept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from client import Channels
from doubles import GatewayProcess, eventually

DIE = "import os; os.kill(os.getpid(), 9)"


def restarted(channels: Channels) -> None:
    """Return when a kernel answers that did not know `alive`."""

    def fresh() -> bool:
        try:
            return channels.finish(channels.start("print('alive' in globals())"), 2).text == "False\n"
        except AssertionError:
            return False  # sent to the kernel that was dying

    eventually(fresh, what="a fresh kernel answers")


def test_a_kernel_that_dies_under_an_open_websocket_is_started_again(site: Any) -> None:
    kernel_id = site.alice.start()
    with site.alice.channels(kernel_id) as channels:
        channels.run("alive = True")
        channels.start(DIE)
        channels.receive(lambda got: got["content"].get("execution_state") in ("restarting", "autorestarting"))
        eventually(
            lambda: len(site.gateway.kernels()) == 1 and site.alice.model(kernel_id)["execution_state"] == "idle"
        )
        restarted(channels)
    assert site.alice.ids() == [kernel_id]


def test_a_kernel_that_dies_without_a_client_is_forgotten(site: Any) -> None:
    kernel_id = site.alice.start()
    (process,) = site.gateway.kernels()
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: site.alice.ids() == [], what="the kernel is forgotten")
    assert site.alice.ask("GET", f"kernels/{kernel_id}").status_code == 404
    eventually(lambda: site.traces() == [], what="its folder is gone")
    assert "died without a client and is not restarted" in site.gateway.log


@pytest.fixture(scope="module")
def own(make_site: Any) -> Any:
    """A gateway that may be killed."""
    return make_site()


@pytest.fixture(autouse=True)
def alive(own: Any) -> Any:
    if own.gateway._process is None:
        own.gateway.start()
    yield
    if own.gateway._process is None:
        own.gateway.start()
    own.stop_kernels()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_next_gateway_finds_the_kernels(own: Any, signum: int) -> None:
    own.spec("tcp-pod", metadata={"kernelpod": {"image": "i", "transport": "tcp"}})
    ids = [own.alice.start(), own.alice.start("tcp-pod")]
    for kernel_id in ids:
        own.alice.run(kernel_id, "x = 41")
    pids = [process.pid for process in own.gateway.kernels()]
    own.gateway.stop(signum)
    assert [process.pid for process in own.gateway.kernels()] == pids
    own.gateway.start()
    assert set(own.alice.ids()) == set(ids)
    assert own.bob.ids() == []
    assert own.bob.ask("GET", f"kernels/{ids[0]}").status_code == 404
    for kernel_id in ids:
        with own.alice.channels(kernel_id) as channels:
            assert channels.run("print(x + 1)") == "42\n"
            assert own.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
            assert channels.run("print('x' in globals())") == "False\n"
        assert own.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert own.traces() == []


def test_a_gateway_that_cannot_listen_takes_no_kernel(own: Any, tmp_path: Path) -> None:
    """It would be a second one beside the first, and the kernels' answers would go to it."""
    kernel_id = own.alice.start()
    taken = {"ip": "127.0.0.1", "port": int(own.gateway.url.rpartition(":")[2])}
    second = own.gateway.twin(tmp_path, gateway=taken)
    try:
        with pytest.raises(AssertionError, match=rf"cannot listen on 127.0.0.1:{taken['port']} .* in use"):
            second.start()
    finally:
        GatewayProcess.running.remove(second)
    assert "takeover" not in second.log
    assert own.alice.run(kernel_id, "print(1)") == "1\n"
    own.alice.ask("DELETE", f"kernels/{kernel_id}")


def test_a_busy_kernel_is_found_busy_and_becomes_idle(own: Any) -> None:
    kernel_id = own.alice.start()
    with own.alice.channels(kernel_id) as channels:
        channels.begin("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)")
        own.gateway.stop(signal.SIGKILL)
    own.gateway.start()
    assert own.alice.model(kernel_id)["execution_state"] == "busy"
    (own.homes / "alice" / "go").touch()
    eventually(lambda: own.alice.model(kernel_id)["execution_state"] == "idle", what="the kernel is idle")


def test_a_kernel_that_was_found_ends_with_its_whole_sandbox(own: Any) -> None:
    """Its outer process, which is no child of this gateway, is slow to end."""
    kernel_id = own.alice.start()
    own.gateway.stop(signal.SIGKILL)
    own.gateway.start()
    (folder,) = own.gateway.state_dir.iterdir()
    inner = json.loads((folder / "process.json").read_text(encoding="utf-8"))["pid"]
    outer = int(Path(f"/proc/{inner}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    os.kill(outer, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (outer, signal.SIGCONT)).start()
    assert own.alice.ask("DELETE", f"kernels/{kernel_id}").status_code == 204
    assert own.traces() == []


def test_a_kernel_that_died_while_no_gateway_ran_is_swept(own: Any) -> None:
    own.alice.start()
    own.gateway.stop(signal.SIGKILL)
    (process,) = own.gateway.kernels()
    process.kill()
    own.gateway.start()
    assert own.alice.ids() == []
    assert own.traces() == []


def test_a_start_that_was_never_noted_down_is_swept(own: Any) -> None:
    own.alice.start()
    own.gateway.stop(signal.SIGKILL)
    (folder,) = own.gateway.state_dir.iterdir()
    (folder / "process.json").unlink()
    assert own.traces()
    own.gateway.start()
    assert own.alice.ids() == []
    eventually(lambda: own.traces() == [], what="the sandbox is gone")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "start_ticks": 1, "sandboxed": 1}']
)
def test_a_damaged_note_of_the_process_is_swept(own: Any, content: str) -> None:
    own.alice.start()
    own.gateway.stop(signal.SIGKILL)
    (folder,) = own.gateway.state_dir.iterdir()
    (folder / "process.json").write_text(content, encoding="utf-8")
    own.gateway.start()
    eventually(lambda: own.traces() == [], what="the sandbox is gone")


def test_a_pid_that_is_somebody_elses_now_is_left_alone(own: Any) -> None:
    own.alice.start()
    own.gateway.stop(signal.SIGKILL)
    (folder,) = own.gateway.state_dir.iterdir()
    (process,) = own.gateway.kernels()
    process.kill()
    (folder / "process.json").write_text(f'{{"pid": {os.getpid()}, "start_ticks": 1, "sandboxed": true}}')
    own.gateway.start()
    assert own.traces() == []


def test_a_record_of_a_newer_gateway_is_left_alone(own: Any) -> None:
    own.alice.start()
    own.gateway.stop()
    (folder,) = own.gateway.state_dir.iterdir()
    record = folder / "record.json"
    before = record.read_text(encoding="utf-8")
    record.write_text(before.replace('"version":1', '"version":2'), encoding="utf-8")
    own.gateway.start()
    assert own.alice.ids() == []
    assert len(own.gateway.kernels()) == 1
    assert f"{folder.name} is ignored" in own.gateway.log
    own.gateway.stop()
    record.write_text(before, encoding="utf-8")
    own.gateway.start()
    assert len(own.alice.ids()) == 1


def test_strange_things_in_the_state_folder_do_not_stop_a_gateway(own: Any) -> None:
    own.gateway.stop()
    strange = own.gateway.state_dir / "not-a-kernel"
    strange.mkdir()
    (own.gateway.state_dir / "file-file").write_text("x", encoding="utf-8")
    own.gateway.start()
    assert own.alice.run(own.alice.start(), "print(1)") == "1\n"
    own.gateway.stop()
    (own.gateway.state_dir / "file-file").unlink(missing_ok=True)
    shutil.rmtree(strange, ignore_errors=True)


def test_an_operator_may_have_kernels_stopped_with_the_gateway(make_site: Any) -> None:
    tidy = make_site(gateway={"stop_kernels_on_exit": True})
    tidy.alice.start()
    tidy.bob.start()
    tidy.gateway.stop()
    assert tidy.traces() == []


def test_a_gateway_without_its_hub_starts_and_says_so(make_site: Any) -> None:
    from doubles import FakeHub

    with FakeHub() as hub:
        pass
    alone = make_site(hub, hubs=[{"api_url": hub.api_url, "token": "service-token", "timeout_seconds": 0.5}])
    eventually(lambda: "does not answer at" in alone.gateway.log, what="the log says so")
    assert alone.alice.post().status_code == 503
    assert "service-token" not in alone.gateway.log
