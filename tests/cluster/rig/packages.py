"""The Debian packages that the cluster needs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .shell import run

POLICY = Path("/usr/sbin/policy-rc.d")
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
OF_MACHINES = (  # Linux is built, and runs on the machine's own file system
    "bc",
    "bison",
    "e2fsprogs",
    "flex",
    "gcc",
    "libelf-dev",
    "libssl-dev",
    "make",
    "nfs-common",
    "nfs-kernel-server",
    "openssh-client",
    "openssh-server",
    "rpcbind",
    "xz-utils",
)


def missing(wanted: Sequence[str]) -> list[str]:
    """The packages that are not installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", *wanted]
    listed = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False).stdout.split("\n")
    installed = {line.split()[0] for line in listed if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def install(wanted: Sequence[str] = PACKAGES) -> None:
    """Install what is missing, without starting the services that some of the packages bring."""
    if not (packages := missing(wanted)):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        run(["apt-get", "update"], seconds=300, environment=environment)
        install = ["apt-get", "install", "--yes", "--no-install-recommends"]
        run([*install, *packages], seconds=900, environment=environment)


@contextmanager
def _no_services() -> Iterator[None]:
    """Have Debian's maintainer scripts start nothing, unless the machine has a policy of its own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")  # 101: action forbidden, says invoke-rc.d(8)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
