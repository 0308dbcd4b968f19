"""The files that a machine is started from: configuration of what runs in it, and keys to be let in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from .. import pki
from ..components import containerd_configuration, kubelet_configuration, proxy_configuration
from ..layout import NAME, Layout
from ..shell import run
from . import disk
from .machine import Machine

RUN = Path("/run/containerd")
SOCKET = RUN / "containerd.sock"
TAINT = "kernelpod.test/machine"
"""Only pods that tolerate it come to such a node, so that tests that do not ask for it stay on the first."""
# As every NFS server has them: by default root of a client is nobody there.
EXPORTS = """\
/homes *(rw,sync,no_subtree_check,root_squash)
/open *(rw,sync,no_subtree_check,no_root_squash)
/anyone *(rw,sync,no_subtree_check,all_squash,anonuid=1000,anongid=100)
"""


def write(layout: Layout, machine: Machine) -> None:
    """Write the files of a machine, all of them or none, unless they are there."""
    folder = layout.machine(machine.name)
    if folder.is_dir():
        return
    making = folder.with_name(f".{machine.name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True, mode=0o700)
    disk.insert(layout, making)
    for key in ("host_key", "client_key"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", making / key])
    if machine.role == "node":
        _write_node(layout, machine, making)
    else:
        (making / "exports").write_text(EXPORTS)
    making.rename(folder)


def _write_node(layout: Layout, machine: Machine, making: Path) -> None:
    pki.issue(layout.pki, pki.of_node(machine.name, machine.address, machine.name))
    (making / "cni").mkdir()
    (making / "containerd.toml").write_text(
        containerd_configuration(Path("/var/lib/containerd"), RUN, SOCKET, layout.machine(machine.name) / "cni")
    )
    kubelet = kubelet_configuration(layout.pki, machine.name, SOCKET, Path("/run/volume-plugins"))
    taint = {"key": TAINT, "effect": "NoSchedule"}
    (making / "kubelet.json").write_text(json.dumps({**kubelet, "registerWithTaints": [taint]}))
    (making / "proxy.json").write_text(json.dumps(proxy_configuration(layout.pki, machine.name, "nftables")))
    addresses = {"type": "host-local", "ranges": [[{"subnet": machine.pods}]], "routes": [{"dst": "0.0.0.0/0"}]}
    pods = {"cniVersion": "0.4.0", "name": NAME, "plugins": [{"type": "ptp", "ipam": addresses}]}
    (making / "cni" / "10-pods.conflist").write_text(json.dumps(pods))
