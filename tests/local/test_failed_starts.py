"""A kernel that cannot start: a clear error, and nothing of it left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from doubles import eventually
from kernelpod.demo.watch import Watch

IMAGE = {"kernelpod": {"image": "i"}}


@pytest.fixture(autouse=True)
def gateway_still_works(site: Any) -> Iterator[None]:
    yield
    assert site.traces() == []
    assert site.alice.run(site.alice.start(), "print(1)") == "1\n"


def failed(site: Any, name: str, **env: str) -> tuple[int, str, str]:
    answer = site.alice.post(name, **env)
    return answer.status_code, answer.json()["code"], answer.json()["message"]


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({}, "kernelspec_unusable"),
        ({"process_proxy": {"class_name": "x.LocalProcessProxy"}}, "kernelspec_unusable"),
        ({"kernelpod": {}}, "kernelspec_unusable"),
    ],
)
def test_a_kernelspec_without_stanza_is_not_started(site: Any, metadata: dict[str, Any], code: str) -> None:
    site.spec("bare-pod", metadata=metadata)
    status, said, message = failed(site, "bare-pod")
    assert (status, said) == (500, code)
    assert "kernel.json" in message
    assert "bare-pod" not in site.alice.ask("GET", "kernelspecs").text


STOCK_PROXY = "enterprise_gateway.services.processproxies.processproxy.LocalProcessProxy"


def test_a_local_process_proxy_does_not_leave_the_sandbox(site: Any) -> None:
    site.spec("proxied-pod", metadata={**IMAGE, "process_proxy": {"class_name": STOCK_PROXY}})
    kernel_id = site.alice.start("proxied-pod")
    assert site.alice.run(kernel_id, "import os; print(os.listdir('/tmp'), os.path.exists('/proc/2/environ'))")
    assert site.alice.run(kernel_id, f"import os; print(os.path.exists({str(site.folder)!r}))") == "False\n"
    site.stop_kernels()


def test_a_class_of_its_own_is_never_imported(site: Any) -> None:
    marker, package = site.folder / "imported", site.folder / "kernelspecs" / "class-pod"
    package.mkdir(exist_ok=True)
    (package / "evil_proxy.py").write_text(f"open({str(marker)!r}, 'w')\nclass Proxy: pass\n", encoding="utf-8")
    site.spec("class-pod", metadata={**IMAGE, "process_proxy": {"class_name": "evil_proxy.Proxy"}})
    site.alice.run(site.alice.start("class-pod"), "1")
    assert not marker.exists()
    site.stop_kernels()


def test_a_command_that_does_not_exist(site: Any) -> None:
    site.spec("no-command", argv=["no-such-program", "{connection_file}"])
    status, code, message = failed(site, "no-command")
    assert (status, code) == (500, "command_not_found")
    assert "'no-such-program'" in message


def test_a_kernel_that_ends_at_once_and_its_last_words(site: Any) -> None:
    site.spec(
        "brief", argv=["bash", "-c", "echo warming up; echo I am out of owls >&2; exit 3", "{connection_file}"]
    )
    status, code, message = failed(site, "brief")
    assert (status, code) == (500, "kernel_exited")
    assert "exit code 3" in message
    assert "I am out of owls" in message


def test_a_kernel_that_is_killed_at_once(site: Any) -> None:
    site.spec("killed", argv=["bash", "-c", "kill -9 $$", "{connection_file}"])
    assert failed(site, "killed")[:2] == (500, "kernel_exited")


def test_a_kernel_that_prints_without_end_before_it_fails(site: Any) -> None:
    site.spec("loud", argv=["bash", "-c", "head -c 9000000 /dev/zero | tr '\\0' x; exit 1", "{connection_file}"])
    status, code, message = failed(site, "loud")
    assert (status, code) == (500, "kernel_exited")
    assert len(message) < 600


def test_a_kernel_that_never_answers(site: Any) -> None:
    site.spec("mute", argv=["bash", "-c", "trap '' TERM; sleep 1000 & sleep 1000", "{connection_file}"])
    watch = Watch()
    status, code, message = failed(site, "mute", KERNEL_LAUNCH_TIMEOUT="1")
    assert (status, code) == (504, "start_timeout")
    assert "within 1 s" in message
    watch.within(15)


def test_a_client_that_hangs_up_leaves_no_kernel(site: Any) -> None:
    import socket

    site.spec("slow", argv=["bash", "-c", "sleep 1000", "{connection_file}"])
    host, port = site.gateway.url.removeprefix("http://").split(":")
    body = json.dumps({"name": "slow"})
    with socket.create_connection((host, int(port))) as line:
        head = "POST /api/kernels HTTP/1.1\r\nHost: x\r\nAuthorization: token alice-token\r\n"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        eventually(site.traces, what="the kernel is starting")
    eventually(lambda: site.traces() == [], what="nothing is left")
    assert site.alice.ids() == []


def test_a_sandbox_that_cannot_be_made_is_a_failed_start(site: Any) -> None:
    site.spec("loop", argv=["python", "{connection_file}"])
    status, code, _ = failed(site, "loop")
    assert (status, code) == (500, "kernel_exited")
