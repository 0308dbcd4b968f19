"""What a kernel reaches of other kernels and of the machine by its network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest

from doubles import eventually

CLIENT = {"clientID": "test", "adapterID": "", "pathFormat": "path", "linesStartAt1": True}
INITIALIZE = {"type": "request", "seq": 1, "command": "initialize", "arguments": CLIENT}
LISTENING = """
lines = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
print(sorted({int(words[1].split(":")[1], 16) for words in lines if words[3] == "0A"}))
"""
CONNECT = """
import socket
def attempt(address, port):
    try:
        socket.create_connection((address, port), 5).close()
    except OSError as error:
        return type(error).__name__
    return "connected"
print([attempt(*one) for one in {targets!r}])
"""


def connected(who: Any, kernel_id: str, *targets: tuple[str, int]) -> Any:
    """Return what becomes of connections from a kernel."""
    return literal_eval(who.run(kernel_id, CONNECT.replace("{targets!r}", repr(list(targets)))))


def test_bob_cannot_attach_to_the_debugger_in_alices_kernel(site: Any) -> None:
    hers, his = site.alice.start(), site.bob.start()
    with site.alice.channels(hers) as channels:
        assert channels.ask("control", "debug_request", INITIALIZE)["success"] is True
        ports = literal_eval(channels.run(LISTENING))
    assert ports
    targets = [("127.0.0.1", port) for port in ports]
    assert set(connected(site.alice, hers, *targets)) == {"connected"}
    assert set(connected(site.bob, his, *targets)) == {"ConnectionRefusedError"}


def test_a_student_cannot_reach_what_listens_on_the_machines_loopback(site: Any) -> None:
    """The second address is the machine's in slirp4netns's network, unless it is told otherwise."""
    port = int(site.gateway.url.rpartition(":")[2])
    answers = connected(site.alice, site.alice.start(), ("127.0.0.1", port), ("198.51.100.2", port))
    assert "connected" not in answers


def test_a_student_cannot_meet_another_by_a_name_of_no_file(site: Any) -> None:
    """Sockets with abstract names belong to a network."""
    listen = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0meet'); s.listen(); print('listens')"
    assert site.alice.run(site.alice.start(), listen) == "listens\n"
    connect = "import socket; print(socket.socket(socket.AF_UNIX).connect_ex('\\0meet'))"
    assert site.bob.run(site.bob.start(), connect) == "111\n"


@pytest.mark.parametrize("network", ["none", "licences-only"])
def test_an_examinee_cannot_leave_a_kernel_whose_network_is_not_the_default(site: Any, network: str) -> None:
    site.spec("exam-pod", metadata={"kernelpod": {"image": "i", "network": network}})
    links = "print([line.split(':')[0].strip() for line in open('/proc/net/dev').readlines()[2:]])"
    assert site.alice.run(site.alice.start("exam-pod"), links) == "['lo']\n"
    over_tcp = {"image": "i", "network": network, "transport": "tcp"}
    site.spec("exam-tcp-pod", metadata={"kernelpod": over_tcp})
    answer = site.alice.post("exam-tcp-pod")
    assert (answer.status_code, answer.json()["code"]) == (500, "needs_a_pod")


def test_a_way_out_ends_with_its_kernel(site: Any, need: Any) -> None:
    need(shutil.which("slirp4netns"), "slirp4netns", "apt-get install slirp4netns")
    need(os.access("/dev/net/tun", os.W_OK), "/dev/net/tun", "modprobe tun")
    kernel_id = site.alice.start()
    routes = "print([line.split()[:2] for line in open('/proc/net/route').readlines()[1:]])"
    assert ["tap0", "00000000"] in literal_eval(site.alice.run(kernel_id, routes))
    assert site.alice.run(kernel_id, "print(open('/etc/resolv.conf').readline())") == "nameserver 198.51.100.3\n\n"
    # That of a kernel before this one may be ending.
    eventually(lambda: len(ways_out(site.gateway.pid)) == 1, what="its slirp4netns is the only one")
    site.alice.ask("DELETE", f"kernels/{kernel_id}")
    eventually(lambda: ways_out(site.gateway.pid) == [], what="slirp4netns has ended and is no zombie")


def ways_out(gateway: int) -> list[str]:
    """Return the processes of slirp4netns that a gateway has started."""
    threads = Path(f"/proc/{gateway}/task").iterdir()
    pids = [pid for thread in threads for pid in (thread / "children").read_text(encoding="ascii").split()]
    return [pid for pid in pids if "slirp4netns" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")]


SHARED = """
mount --bind {folder} {folder}
mount --make-shared {folder}
touch {folder}/theirs
mount --bind /proc/self/ns/net {folder}/theirs
{python} -c '
import asyncio, os, subprocess
from kernelpod.runtime.local import network
from kernelpod.runtime.local.pipes import pipe

async def main():
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{{process.pid}}/ns/net") == own:
        await asyncio.sleep(0.01)
    with pipe() as (inside, outside):
        await network.attach(process.pid, inside)
    process.kill()
    process.wait()

asyncio.run(main())
'
mountpoint {folder}/theirs
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root mounts")
def test_a_kernel_cannot_take_the_machines_mounts_by_its_network(tmp_path: Path, need: Any) -> None:
    """The sandbox of slirp4netns unmounts what it does not need; shared mounts, as of `ip netns`, are of all."""
    need(shutil.which("slirp4netns"), "slirp4netns", "apt-get install slirp4netns")
    script = SHARED.format(python=sys.executable, folder=tmp_path)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == f"{tmp_path}/theirs is a mountpoint", done.stdout + done.stderr
