"""Where everything of the test cluster lies, and its fixed names and addresses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAME = "kernelpod"  # of the network namespace, the cgroup and the CNI network
NODE_NAME = "node1"
NODE_IP = "192.168.77.1"
POD_CIDR = "10.88.0.0/16"  # of the first node
CLUSTER_CIDR = "10.88.0.0/13"  # of all nodes
POD_PREFIX_6 = "fd00:88::"  # with a pod's address at the end, the one that it has where a test gives it IPv6
SERVICE_CIDR = "10.96.0.0/16"
API_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"

NETWORK_NAMESPACE = Path("/run/netns", NAME)
RUN = Path("/run/kernelpod-cluster")  # constant: sockets allow 108 characters, and one cluster fits a machine
CONTAINERD_SOCKET = RUN / "containerd.sock"
SOURCES = Path(__file__).resolve().parents[1]
LONGEST_SOCKET = len("/kubelet/pod-resources/kubelet.sock")


class RigError(Exception):
    """What went wrong and what to do, as one text for the person at the terminal."""


@dataclass(frozen=True)
class Layout:
    """The folders of one user of the rig: state is removed by `down`, the cache stays."""

    state: Path
    cache: Path

    @classmethod
    def from_environment(cls) -> Layout:
        """The layout that KERNELPOD_CLUSTER_STATE, KERNELPOD_CACHE and the XDG variables ask for."""
        home = Path.home()
        state_home = Path(os.environ.get("XDG_STATE_HOME") or home / ".local/state")
        cache_home = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        state = Path(os.environ.get("KERNELPOD_CLUSTER_STATE") or state_home / "kernelpod/cluster").absolute()
        cache = Path(os.environ.get("KERNELPOD_CACHE") or cache_home / "kernelpod").absolute()
        if len(str(state)) + LONGEST_SOCKET >= 108:
            raise RigError(f"{state} is too long for sockets: set KERNELPOD_CLUSTER_STATE to a shorter folder")
        return cls(state, cache)

    @property
    def logs(self) -> Path:
        """One file a component; kept by `down`, until the next `up`."""
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs."""
        return self.state / "pki"

    @property
    def bin(self) -> Path:
        """kubectl and helm, for PATH."""
        return self.state / "bin"

    @property
    def nfs(self) -> Path:
        """The folder whose subfolders the NFS server exports."""
        return self.state / "nfs"

    @property
    def kubelet(self) -> Path:
        """kubelet's folder, with the volumes of the pods."""
        return self.state / "kubelet"

    def machine(self, name: str) -> Path:
        """The files that a machine is started from."""
        return self.state / "machines" / name

    @property
    def kubectl_cache(self) -> Path:
        """In the place of ~/.kube/cache."""
        return self.state / "kubectl-cache"

    @property
    def kubectl_flags(self) -> list[str]:
        """How the rig itself calls kubectl."""
        return [f"--kubeconfig={self.admin_kubeconfig}", f"--cache-dir={self.kubectl_cache}"]

    @property
    def admin_kubeconfig(self) -> Path:
        """For people and tests: every right."""
        return self.pki / "admin.kubeconfig"
