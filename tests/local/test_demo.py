"""The demo as a person runs it: up, a server and a kernel in it, Ctrl-C, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelpod.demo.client import Browser, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path: Path, need: Any) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    need((CHECKOUT / ".envs" / "hub" / "bin" / "jupyterhub").exists(), "the hub environment", "make env")
    command = [sys.executable, "-m", "kernelpod.cli.main", "demo", "--folder", str(tmp_path / "demo")]
    # No home, no UTF-8, files of Jupyter's that belong to other things, and no room for a socket's path.
    deep = tmp_path / "ä b" / ("d" * 60)
    (deep / "jupyter").mkdir(parents=True)
    (deep / "jupyter" / "jupyter_server_config.json").write_text("{", encoding="utf-8")
    odd = {"HOME": "/nonexistent", "LC_ALL": "C", "TMPDIR": str(deep), "JUPYTER_CONFIG_DIR": str(deep / "jupyter")}
    process = subprocess.Popen(
        command, env={**os.environ, **odd}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    yield process, tmp_path / "demo"
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=90)


def shown(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the demo's table, once it is printed whole."""
    rows: dict[str, str] = {}
    assert process.stdout is not None
    while "stop" not in rows:
        line = process.stdout.readline()
        assert line, "the demo ended"
        if match := re.match(r"  (\w+) +(.*)", line):
            rows[match[1]] = match[2]
    return rows


def with_server(rows: dict[str, str]) -> Browser:
    """Return alice's browser, logged in, whose server runs."""
    alice = Browser(rows["open"], "alice")
    alice.login(rows["password"])
    alice.spawn()
    return alice


def traces(folder: Path) -> list[str]:
    """Return the command lines of processes that work in the demo's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and int(entry.parent.name) != os.getpid():
            found.append(words.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_no_process_and_keeps_the_homes(
    demo: tuple[subprocess.Popen[str], Path], signum: signal.Signals
) -> None:
    process, folder = demo
    alice = with_server(shown(process))
    kernel = alice.start_notebook("a.ipynb", "python-pod")
    assert kernel.run("open('stays', 'w').write('x')") == "1"
    kernel.close()
    alice.close()
    process.send_signal(signum)
    for _ in range(5):  # whoever is impatient
        time.sleep(0.1)
        process.send_signal(signum)
    assert process.wait(timeout=90) == 0
    wait_until(lambda: not traces(folder), "the end of every process of the demo")
    assert (folder / "homes" / "alice" / "stays").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_checks_that_are_ended_leave_no_process(tmp_path: Path, signum: signal.Signals) -> None:
    command = [sys.executable, "-m", "kernelpod.cli.main", "demo", "--check"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "hub and proxy ready" in line:
                break
        process.send_signal(signum)
        process.communicate(timeout=90)
        assert process.returncode == 1
    wait_until(lambda: not traces(tmp_path), "the end of every process of the demo")
    assert not list(tmp_path.glob("*"))


def test_a_gateway_that_is_killed_is_started_again_and_a_cell_goes_on(
    demo: tuple[subprocess.Popen[str], Path],
) -> None:
    process, folder = demo
    alice = with_server(shown(process))
    before = alice.start_notebook("a.ipynb", "python-pod")
    cell = before.begin(
        "import os, time\nopen('begun', 'w').close()\n"
        "while not os.path.exists('go'): time.sleep(0.05)\nprint('late')"
    )
    # A cell that the gateway has not passed on when it is killed does not run, and says so on its own page.
    wait_until((folder / "homes" / "alice" / "begun").exists, "the begin of the cell")
    for _ in range(2):
        (gateway,) = children(process.pid, b"gateway")
        os.kill(gateway, signal.SIGKILL)
        wait_until(lambda ended=gateway: children(process.pid, b"gateway") not in ([], [ended]), "another gateway")
    wait_until(lambda: alice.api("GET", f"kernels/{before.kernel_id}").ok, "the gateway, with the kernel")
    after = alice.connect(before.kernel_id)
    # Once a reply has come, this page hears the kernel, too.
    after.answer_to(after.send("kernel_info_request", {}, "control"), "kernel_info_reply")
    (folder / "homes" / "alice" / "go").touch()
    assert after.finish(cell) == "late\n"
    for kernel in (before, after):
        kernel.close()
    alice.close()
    assert process.poll() is None


def children(parent: int, word: bytes) -> list[int]:
    """Return the children of a process with this word in their command line."""
    found = []
    for pid in map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()):
        with contextlib.suppress(OSError):
            if word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def test_a_port_that_is_taken_is_not_waited_for(demo: tuple[subprocess.Popen[str], Path], tmp_path: Path) -> None:
    """Two demos at once: the second takes other ports, and a folder of its own."""
    first = shown(demo[0])
    same = [sys.executable, "-m", "kernelpod.cli.main", "demo", "--folder", str(demo[1])]
    refused = subprocess.run(same, capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"kernelpod: Another demo keeps its homes in {demo[1]}: end it, or name another folder with --folder.\n"
    )
    command = [sys.executable, "-m", "kernelpod.cli.main", "demo", "--folder", str(tmp_path / "second")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        try:
            rows = shown(second)
            assert rows["open"] != first["open"]
            assert rows["gateway"] != first["gateway"]
        finally:
            second.terminate()
            second.wait(timeout=90)
