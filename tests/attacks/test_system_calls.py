"""System calls by which a kernel could get at the machine or at other users' kernels."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

import pytest

from kernelpod.runtime.local.seccomp import CLONE3, MACHINES

CALL = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {numbers}[platform.machine()]
def call(name, *arguments):
    result = libc.syscall(numbers[name], *(ctypes.c_long(x) if isinstance(x, int) else x for x in arguments))
    return "allowed" if result >= 0 else errno.errorcode[ctypes.get_errno()]
"""
NUMBERS = {
    machine: {**known.denied, "clone": known.clone, "clone3": CLONE3, "socket": known.socket}
    for machine, known in MACHINES.items()
}
NEW_USER = 0x10000000


def answered(who: Any, kernel_id: str, *calls: str) -> Any:
    """Return what the kernel gets for each call."""
    code = CALL.replace("{numbers}", repr(NUMBERS)) + f"print([{', '.join(calls)}])"
    return literal_eval(who.run(kernel_id, code))


def test_bob_cannot_use_a_keyring_that_alice_uses_too(site: Any) -> None:
    """All kernels have one uid where the gateway is root, and a uid's keyring is in no namespace but a user's."""
    add = "call('add_key', b'user', b'a-password', b'secret', 6, -4)"
    search = "call('keyctl', 10, -4, b'user', b'a-password', 0)"
    assert answered(site.alice, site.alice.start(), add) == ["EPERM"]
    assert answered(site.bob, site.bob.start(), search) == ["EPERM"]


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (f"call('unshare', {NEW_USER})", "EPERM"),
        (f"call('clone', {NEW_USER} | 17, 0, 0, 0, 0)", "EPERM"),
        ("call('clone3', 0, 0)", "ENOSYS"),
        ("call('setns', os.open('/proc/1', os.O_RDONLY), 0)", "EPERM"),
        ("call('bpf', 0, 0, 0)", "EPERM"),
        ("call('userfaultfd', 1)", "EPERM"),
        ("call('perf_event_open', 0, 0, -1, -1, 0)", "EPERM"),
        ("call('mount', b'x', b'/tmp', b'tmpfs', 0, 0)", "EPERM"),
        ("call('io_uring_setup', 1, 0)", "EPERM"),
        ("call('socket', 40, 1, 0)", "EPERM"),
    ],
)
def test_a_student_cannot_make_a_system_call_that_leads_out(site: Any, call: str, answer: str) -> None:
    assert answered(site.alice, site.alice.start(), call) == [answer]


def test_ordinary_work_goes_on(site: Any) -> None:
    code = """
import multiprocessing, os, socket, subprocess, threading
thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
print(subprocess.run(["sh", "-c", "echo process"], capture_output=True, text=True).stdout, end="")
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(*pool.map(str.upper, ["pool"]))
left, right = socket.socketpair()
left.send(b"socket"); print(right.recv(10).decode())
"""
    assert site.alice.run(site.alice.start(), code).split() == ["thread", "process", "POOL", "socket"]
