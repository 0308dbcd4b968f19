"""Messages over TCP are encrypted where the kernel can, and the model says so."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils.monitor import parse_monitor_message

from doubles import eventually

ABLE = {"supported_encryption": ["curve"], "kernelpod": {"image": "registry.example/kernel:1", "transport": "tcp"}}
UNABLE = {"kernelpod": ABLE["kernelpod"]}
# A kernel that does not know CurveZMQ, as ipykernel before 7.4.
WITHOUT = """
import json, sys
from pathlib import Path
from ipykernel import kernelapp
file = Path(sys.argv[1])
known = json.loads(file.read_text())
plain = {name: value for name, value in known.items() if not name.startswith("curve")}
copy = Path.home() / ".connection.json"
copy.write_text(json.dumps(plain))
kernelapp.launch_new_instance(["-f", str(copy)])
"""


@pytest.fixture(scope="module")
def able(shared_site: Any) -> str:
    name: str = shared_site.spec("able", metadata=ABLE)
    return name


def connection_file(site: Any) -> dict[str, Any]:
    """Return the connection file of the only kernel."""
    (file,) = (site.folder / "s").glob("*/connection.json")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_all_channels_of_a_kernel_that_can_are_encrypted(site: Any, able: str) -> None:
    kernel_id = site.alice.start(able)
    model = site.alice.model(kernel_id)
    assert model["encryption"] == "curve"
    known = connection_file(site)
    with site.alice.channels(kernel_id) as channels:
        assert channels.run("print(6 * 7)") == "42\n"
        assert channels.ask("control", "kernel_info_request")["status"] == "ok"
    assert known["curve_secretkey"] not in json.dumps(model) + site.gateway.log
    kinds = {"shell": zmq.DEALER, "iopub": zmq.SUB, "stdin": zmq.DEALER, "control": zmq.DEALER, "hb": zmq.REQ}
    with zmq.Context() as context:
        for channel, kind in kinds.items():
            assert heard(context, kind, f"tcp://{known['ip']}:{known[f'{channel}_port']}") == "refused", channel


def heard(context: Any, kind: int, address: str) -> str:
    """Return how a kernel answers a client that does not encrypt."""
    refusals = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED
    with context.socket(kind) as socket:
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | refusals)
        try:
            socket.connect(address)
            assert monitor.poll(20_000), "the kernel does not say anything"
            event = parse_monitor_message(monitor.recv_multipart())["event"]
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)
    return "accepted" if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else "refused"


def test_a_kernel_that_cannot_is_connected_as_ever_and_says_so(site: Any) -> None:
    kernel_id = site.alice.start(site.spec("unable", metadata=UNABLE))
    assert site.alice.model(kernel_id)["encryption"] == "none"
    known = connection_file(site)
    assert "curve_publickey" not in known
    with zmq.Context() as context:
        assert heard(context, zmq.DEALER, f"tcp://{known['ip']}:{known['shell_port']}") == "accepted"
    assert site.alice.run(kernel_id, "print(1)") == "1\n"
    local = site.alice.start()
    assert site.alice.model(local)["encryption"] == "local"


def test_a_restart_and_the_next_gateway_use_the_kernels_keys(make_site: Any) -> None:
    site = make_site()
    kernel_id = site.alice.start(site.spec("able", metadata=ABLE))
    before = connection_file(site)["curve_publickey"]
    with site.alice.channels(kernel_id) as channels:
        channels.run("x = 1")
        assert site.alice.ask("POST", f"kernels/{kernel_id}/restart").status_code == 200
        assert channels.run("print('x' in globals())") == "False\n"
        channels.run("x = 2")
    eventually(
        lambda: len(list((site.folder / "s").glob("*/connection.json"))) == 1, what="the old start is removed"
    )
    assert connection_file(site)["curve_publickey"] != before
    site.gateway.stop(signal.SIGKILL)
    site.gateway.start()
    assert site.alice.model(kernel_id)["encryption"] == "curve"
    assert site.alice.run(kernel_id, "print(x)") == "2\n"
    site.stop_kernels()


def test_a_kernel_that_does_not_encrypt_although_its_kernelspec_says_so_is_named(site: Any) -> None:
    name = site.spec("old", argv=["python", "-c", WITHOUT, "{connection_file}"], metadata=ABLE)
    answer = site.alice.post(name)
    assert (answer.status_code, answer.json()["code"]) == (500, "encryption_unsupported")
    assert "update the kernel's image" in answer.json()["message"]
    assert site.traces() == []


def test_where_encryption_is_required_others_are_neither_offered_nor_started(make_site: Any) -> None:
    site = make_site(kernels={"encryption": "required"})
    able, unable = site.spec("able", metadata=ABLE), "unable"
    folder: Path = site.folder / "kernelspecs" / unable
    folder.mkdir()
    (folder / "kernel.json").write_text(
        json.dumps(
            {"display_name": "Old", "language": "python", "argv": ["p", "{connection_file}"], "metadata": UNABLE}
        ),
        encoding="utf-8",
    )
    eventually(lambda: site.alice.post(unable).json()["code"] == "encryption_required", what="it is refused")
    assert set(site.alice.ask("GET", "kernelspecs").json()["kernelspecs"]) == {"python-pod", able}
    assert site.alice.run(site.alice.start(able), "print(1)") == "1\n"
    site.stop_kernels()


def test_encryption_can_be_switched_off(make_site: Any) -> None:
    site = make_site(kernels={"encryption": "off"})
    kernel_id = site.alice.start(site.spec("able", metadata=ABLE))
    assert site.alice.model(kernel_id)["encryption"] == "none"
    assert site.alice.run(kernel_id, "print(1)") == "1\n"
    site.stop_kernels()
