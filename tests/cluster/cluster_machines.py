"""What tests do with the nodes and the NFS server that are machines of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rig.layout import Layout
from rig.machines import machine
from rig.machines.files import TAINT
from rig.machines.machine import NODES, Machine

DOING = "ps -eo pid,stat,wchan:24,etime,args; dmesg | tail -n 20"
CLUSTER = Path(__file__).with_name("cluster")
NODE_OF_SERVERS, NODE_OF_KERNELS = NODES
TOLERATED = [{"key": TAINT, "operator": "Exists"}]


def scheduled_on(node: Machine) -> dict[str, Any]:
    """Return the settings of a gateway whose kernels run on this node, which has a kernel of its own."""
    return {"nodeSelector": {"kubernetes.io/hostname": node.name}, "tolerations": TOLERATED}


ON_THEIR_NODE = scheduled_on(NODE_OF_KERNELS)


def on(where: Machine, *argv: str, check: bool = True, seconds: float = 60) -> str:
    """Return what a command in a machine prints.

    Raises AssertionError with the command's words if it fails, and with what the machine does if it takes long.
    """
    try:
        done = _by_ssh(where, argv, seconds)
    except subprocess.TimeoutExpired:
        doing = _by_ssh(where, ["sh", "-c", DOING], seconds).stdout
        raise AssertionError(
            f"{where.name}: {argv} takes over {seconds} s. What the machine does:\n{doing}"
        ) from None
    said = f"{where.name}: {argv} exits with {done.returncode}: {done.stdout}{done.stderr}"
    assert not check or done.returncode == 0, said
    return done.stdout


def _by_ssh(where: Machine, argv: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    command = machine.command(Layout.from_environment(), where, argv)
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds
    )


def harm(verb: str, where: Machine) -> None:
    """Do to a machine what a verb of the test cluster says."""
    subprocess.run([CLUSTER, verb, where.name], check=True, timeout=200, capture_output=True)


@contextmanager
def without_power(where: Machine) -> Iterator[None]:
    """Let a machine have no power for as long as the block runs."""
    harm("power-off", where)
    try:
        yield
    finally:
        harm("start", where)
