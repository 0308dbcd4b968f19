"""What machines there are, their command lines, and what can be done to one."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import binaries
from ..api import Api
from ..layout import NODE_IP, SOURCES, Layout, RigError
from ..processes import Component
from ..shell import run, succeeds
from . import disk, linux

BOOT = Path(__file__).with_name("boot")
KUBELET_PORT = 10250
TUN = Path("/dev/net/tun")
GRACE_SECONDS = 10  # of the NFS server: how long a client that was away keeps its locks


@dataclass(frozen=True)
class Machine:
    """A machine: its name, its address in the cluster's network, and what it is."""

    name: str
    address: str
    role: str
    memory_mb: int
    pods: str = ""
    """The addresses of the pods of a node."""

    @property
    def interface(self) -> str:
        """The device of the first node's network that leads to it."""
        return f"to-{self.name}"


FILER = Machine("filer", "192.168.77.9", "nfs", 512)
NODES = (
    Machine("node2", "192.168.77.2", "node", 2500, "10.89.0.0/24"),
    Machine("node3", "192.168.77.3", "node", 2500, "10.90.0.0/24"),
)
MACHINES: Mapping[str, Machine] = {machine.name: machine for machine in (FILER, *NODES)}


def component(layout: Layout, machine: Machine) -> Component:
    """Return the process that the machine is. It is ready when it serves."""
    facts = {
        "ROLE": machine.role,
        "NAME": machine.name,
        "ADDRESS": machine.address,
        "GATEWAY": NODE_IP,
        "MACHINE": layout.machine(machine.name),
        "PKI": layout.pki,
        "SOURCES": SOURCES,
        "PYTHON": sys.executable,
        "KUBERNETES": binaries.folder(binaries.KUBERNETES, layout.cache),
        "GRACE_SECONDS": GRACE_SECONDS,
    }
    argv = [
        str(linux.program(layout)),
        f"mem={machine.memory_mb}M",
        disk.arguments(layout, machine.name),
        f"vec0:transport=tap,ifname={machine.interface},depth=64,gro=0",
        "root=/dev/root",
        "rootflags=/",
        "rootfstype=hostfs",
        "ro",
        "con=null",
        "con0=null,fd:1",
        "quiet",
        f"init={BOOT}/init",
        *(f"{name}={value}" for name, value in facts.items()),
    ]
    return Component(machine.name, argv, _ready(layout, machine))


def _ready(layout: Layout, machine: Machine) -> Callable[[], bool]:
    if machine.role == "node":
        api = Api(layout.pki)
        path = f"/api/v1/nodes/{machine.name}"
        # What Kubernetes says may be of the machine's former life.
        return lambda: _listens(machine.address, KUBELET_PORT) and api.has_condition(path, "Ready")
    listing = ["nfs-ls", f"nfs://{machine.address}/open?version=4"]
    return lambda: succeeds(listing, seconds=3)


def _listens(address: str, port: int) -> bool:
    """Return whether somebody takes connections there."""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def require_tap() -> None:
    """Raise RigError, which says what to do, if this machine cannot have network devices for machines."""
    try:
        TUN.open("r+b", buffering=0).close()
    except OSError as error:
        said = f"nodes with kernels of their own need tap devices, and {TUN} cannot be opened ({error.strerror}): "
        raise RigError(
            f"{said}`modprobe tun` on the machine, and in a container `--device {TUN} --cap-add NET_ADMIN`; "
            "or bring up one node, `--nodes 1`"
        ) from error


def connect(machine: Machine) -> None:
    """Make the device that leads to the machine, and its routes, as far as they are missing.

    The routes say which address is this machine's: otherwise a connection begun while a test has added an address
    would get that one, and end with it.
    """
    if f" {machine.interface}:" not in run(["ip", "-oneline", "link", "show"]):
        run(["ip", "tuntap", "add", "dev", machine.interface, "mode", "tap"])
    run(["ip", "link", "set", machine.interface, "up"])
    run(["ip", "route", "replace", f"{machine.address}/32", "dev", machine.interface, "src", NODE_IP])
    if machine.pods:
        way = ["via", machine.address, "dev", machine.interface, "onlink"]
        run(["ip", "route", "replace", machine.pods, *way, "src", NODE_IP])


def cut(machine: Machine) -> None:
    """Drop what is sent to the machine and what it sends."""
    device = machine.interface
    chains = (
        f'chain incoming {{ type filter hook prerouting priority -310; iifname "{device}" drop; }};'
        f'chain outgoing {{ type filter hook postrouting priority -310; oifname "{device}" drop; }};'
    )
    run(["nft", f"table inet cut-{machine.name} {{ {chains} }}"])


def mend(machine: Machine) -> None:
    """Connect again what was cut."""
    if succeeds(["nft", "list", "table", "inet", f"cut-{machine.name}"]):
        run(["nft", "delete", "table", "inet", f"cut-{machine.name}"])


def command(layout: Layout, machine: Machine, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs a command in the machine.

    It exits with 255, as ssh does, if the machine cannot be reached, or is silent for half a minute.
    """
    options = ["-i", str(layout.machine(machine.name) / "client_key"), "-q"]
    for option in (
        "BatchMode=yes",
        "ConnectTimeout=10",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=3",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
    ):
        options += ["-o", option]
    return ["ssh", *options, f"root@{machine.address}", shlex.join(argv)]
