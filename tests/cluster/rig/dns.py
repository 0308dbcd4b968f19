"""CoreDNS as the cluster's DNS, deployed as a cluster deploys it, so that network policies can name its pods."""

from __future__ import annotations

import socket
from pathlib import Path

from .images import COREDNS
from .layout import DNS_IP

MANIFEST = Path(__file__).parent / "coredns.yaml"
RESOLVER = f"nameserver {DNS_IP}\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"  # for `run`


def write(folder: Path) -> Path:
    """The file of objects to apply."""
    written = folder / MANIFEST.name
    written.write_text(MANIFEST.read_text().replace("IMAGE", COREDNS).replace("ADDRESS", DNS_IP))
    return written


def answers() -> bool:
    """Whether the Service takes connections: CoreDNS is ready, and kube-proxy knows."""
    try:
        socket.create_connection((DNS_IP, 53), timeout=1).close()
    except OSError:
        return False
    return True
