"""The cluster's network: one namespace, one node address, routed pods, no way out."""

from __future__ import annotations

import json
from pathlib import Path

from .layout import NAME, NETWORK_NAMESPACE, NODE_IP, POD_CIDR, RUN, SERVICE_CIDR
from .namespaces import enter_network
from .shell import run

CNI_CONFIGURATION = RUN / "cni/conf"
CNI_ADDRESSES = RUN / "cni/addresses"
CNI_RESULTS = Path("/var/lib/cni/results")  # libcni's own place; containerd has no setting for it


def make() -> None:
    """Make the namespace if it is missing, and enter it; without a default route nothing leaves the machine."""
    if not NETWORK_NAMESPACE.exists():
        run(["ip", "netns", "add", NAME])
    enter_network()
    if NODE_IP in run(["ip", "address", "show"]):
        return
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0-peer"])
    run(["ip", "address", "add", f"{NODE_IP}/24", "dev", "node0"])
    run(["ip", "link", "set", "node0-peer", "up"])
    run(["ip", "link", "set", "node0", "up"])
    run(["ip", "route", "add", SERVICE_CIDR, "dev", "node0"])  # needed before kube-proxy rewrites
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def write_cni() -> None:
    """Tell containerd how pods are connected: point to point, so that every packet passes the FORWARD hook."""
    addresses = {
        "type": "host-local",
        "dataDir": str(CNI_ADDRESSES),
        "ranges": [[{"subnet": POD_CIDR}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    pods = {"cniVersion": "0.4.0", "name": NAME, "plugins": [{"type": "ptp", "ipam": addresses}]}
    CNI_CONFIGURATION.mkdir(parents=True, exist_ok=True)
    (CNI_CONFIGURATION / "10-pods.conflist").write_text(json.dumps(pods))


def remove() -> None:
    """Remove the namespace with the links and rules in it, and what CNI noted down."""
    if NETWORK_NAMESPACE.exists():
        run(["ip", "netns", "delete", NAME])
    for result in CNI_RESULTS.glob(f"{NAME}-*-eth0"):
        container = result.name.split("-")[1]
        for noted in CNI_RESULTS.glob(f"*-{container}-*"):  # the loopback device as well
            noted.unlink()
