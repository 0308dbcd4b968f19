"""What gets through, decided by cyclonus from the chart's policies."""

from __future__ import annotations

from typing import Any

import pytest
import traffic
from helm import Helm
from traffic import Peer

from kernelpod.base import names

pytestmark = pytest.mark.chart

KERNEL_PORTS = (20001, 20005)


def kernel(address: str, network: str, release: str = "kernelpod") -> Peer:
    return Peer(address, "kernels", names.labels(release, "hub", "user", "Alice", "python-pod", "k", network))


PARTS = {"app.kubernetes.io/name": "kernelpod", "app.kubernetes.io/instance": "kernelpod"}
GATEWAY = Peer("10.1.0.1", "gateway", {**PARTS, "app.kubernetes.io/component": "gateway"})
NEIGHBOUR = Peer("10.1.0.2", "gateway", {"app": "other"})
KERNEL, CLOSED = kernel("10.1.0.3", "default"), kernel("10.1.0.4", "none")
OF_ANOTHER_GATEWAY = kernel("10.1.0.5", "default", "other")
SERVER = Peer("10.1.0.6", "hub", {"component": "singleuser-server"})
HUB = Peer("10.1.0.7", "hub", {"component": "hub"})
STRANGER = Peer("10.1.0.8", "default", {**PARTS, "app.kubernetes.io/component": "gateway"})
DNS = Peer("10.1.0.9", "kube-system", {"k8s-app": "kube-dns"})
OUTSIDE, METADATA, NEIGHBOURHOOD = Peer("93.184.216.34"), Peer("169.254.169.254"), Peer("10.0.0.7")
OUTSIDE_BY_IPV6 = Peer("2620:fe::fe")
# Metadata services outside of 169.254.0.0/16, and ways to the one inside as an IPv6 address.
SPECIAL = {
    "Azure's metadata service": Peer("168.63.129.16"),
    "Oracle's metadata service": Peer("192.0.0.192"),
    "Alibaba's metadata service": Peer("100.100.100.200"),
    "AWS's metadata service by IPv6": Peer("fd00:ec2::254"),
    "Google's metadata service by IPv6": Peer("fd20:ce::254"),
    "a link-local address of IPv6": Peer("fe80::1"),
    "the metadata service by NAT64": Peer("64:ff9b::a9fe:a9fe"),
    "the metadata service by a site's NAT64": Peer("64:ff9b:1::a9fe:a9fe"),
    "the metadata service by 6to4": Peer("2002:a9fe:a9fe::1"),
    "the metadata service by Teredo": Peer("2001:0:a9fe:a9fe::1"),
    "a relay of 6to4": Peer("192.88.99.1"),
}
# Public addresses, which only the rules about them keep kernels from.
NODE, NFS, API_SERVER = Peer("203.0.113.7"), Peer("198.51.100.5"), Peer("203.0.113.200")
GIVEN = {
    "hub": {"existingSecret": "kernelpod-hub"},
    "homes": {"persistentVolume": {"create": True, "server": NFS.address}},
    "networkPolicy": {"deny": ["203.0.113.0/24"]},
}

TRAFFIC: dict[str, tuple[Peer, Peer, int, bool]] = {
    "a server asks the gateway": (SERVER, GATEWAY, 8888, True),
    "a server asks another port of the gateway": (SERVER, GATEWAY, 9999, False),
    "the hub asks the gateway": (HUB, GATEWAY, 8888, True),
    "the hub asks another port of the gateway": (HUB, GATEWAY, 9999, False),
    "a kernel asks the gateway": (KERNEL, GATEWAY, 8888, False),
    "a stranger asks the gateway": (STRANGER, GATEWAY, 8888, False),
    "something outside asks the gateway": (OUTSIDE, GATEWAY, 8888, False),
    "the gateway asks the hub": (GATEWAY, HUB, 8081, True),
    "the gateway asks the hub's proxy": (GATEWAY, HUB, 8000, False),
    "the gateway asks the API server": (GATEWAY, API_SERVER, 443, True),
    "the gateway asks for names": (GATEWAY, DNS, 53, True),
    "the gateway asks the metadata service": (GATEWAY, METADATA, 443, False),
    "the gateway asks the NFS server": (GATEWAY, NFS, 2049, False),
    "the gateway connects to a kernel, first port": (GATEWAY, KERNEL, KERNEL_PORTS[0], True),
    "the gateway connects to a kernel, last port": (GATEWAY, KERNEL, KERNEL_PORTS[1], True),
    "the gateway connects to a kernel below": (GATEWAY, KERNEL, KERNEL_PORTS[0] - 1, False),
    "the gateway connects to a kernel above": (GATEWAY, KERNEL, KERNEL_PORTS[1] + 1, False),
    "the gateway connects to a kernel without egress": (GATEWAY, CLOSED, KERNEL_PORTS[0], True),
    "the gateway connects to another gateway's kernel": (GATEWAY, OF_ANOTHER_GATEWAY, KERNEL_PORTS[0], False),
    "a neighbour connects to a kernel": (NEIGHBOUR, KERNEL, KERNEL_PORTS[0], False),
    "a stranger connects to a kernel": (STRANGER, KERNEL, KERNEL_PORTS[0], False),
    "a server connects to a kernel": (SERVER, KERNEL, KERNEL_PORTS[0], False),
    "a kernel connects to a kernel": (KERNEL, CLOSED, KERNEL_PORTS[0], False),
    "a kernel asks for names": (KERNEL, DNS, 53, True),
    "a kernel asks the world": (KERNEL, OUTSIDE, 443, True),
    "a kernel asks the NFS server": (KERNEL, NFS, 2049, False),
    "a kernel asks a node": (KERNEL, NODE, 10250, False),
    "a kernel asks a private address": (KERNEL, NEIGHBOURHOOD, 443, False),
    "a kernel asks the API server": (KERNEL, API_SERVER, 443, False),
    "a kernel asks the metadata service": (KERNEL, METADATA, 80, False),
    "a kernel asks a server": (KERNEL, SERVER, 8888, False),
    "a kernel asks the hub": (KERNEL, HUB, 8081, False),
    "a kernel asks the world by IPv6": (KERNEL, OUTSIDE_BY_IPV6, 443, True),
    **{f"a kernel asks {name}": (KERNEL, peer, 80, False) for name, peer in SPECIAL.items()},
    **{f"the gateway asks {name}": (GATEWAY, peer, 443, False) for name, peer in SPECIAL.items()},
    "the gateway asks the world by IPv6": (GATEWAY, OUTSIDE_BY_IPV6, 443, True),
    "a kernel without egress asks for names": (CLOSED, DNS, 53, False),
    "a kernel without egress asks the world": (CLOSED, OUTSIDE, 443, False),
    "a kernel without egress asks the NFS server": (CLOSED, NFS, 2049, False),
}


@pytest.fixture(scope="module")
def verdicts(helm: Helm, need: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Return what cyclonus says of each connection of the table."""
    found = [one for one in helm.objects(GIVEN) if one["kind"] == "NetworkPolicy"]
    return traffic.verdicts(found, TRAFFIC, tmp_path_factory.mktemp("traffic"), need)


@pytest.mark.parametrize("name", TRAFFIC)
def test_traffic(name: str, verdicts: dict[str, bool]) -> None:
    assert verdicts[name] is TRAFFIC[name][3]
