"""The Debian packages that the cluster needs."""

from __future__ import annotations

import os
import subprocess

from .layout import RigError
from .shell import run

PACKAGES = (
    "buildah",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "etcd-server",
    "iproute2",
    "ipset",
    "iptables",
    "libnfs-utils",
    "nfs-ganesha",
    "nfs-ganesha-vfs",
    "nftables",
    "openssl",
    "runc",
)


def missing() -> list[str]:
    """The packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *PACKAGES]
    listed = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False).stdout.split("\n")
    installed = {line.split()[0] for line in listed if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def install() -> None:
    """Install what is missing, without starting any of the services that the packages bring."""
    if not (packages := missing()):
        return
    if os.geteuid() != 0:
        raise RigError(f"run as root once, or: apt-get install {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", "update"], seconds=300, environment=environment)
    options = ["--yes", "--no-install-recommends"]
    run(["apt-get", "install", *options, *packages], seconds=900, environment=environment)
