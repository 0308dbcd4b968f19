"""The command lines of Kubernetes and what it needs, in the order in which they start."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from . import binaries, nfs
from .api import Api, answers
from .images import PAUSE
from .layout import (
    CLUSTER_CIDR,
    CONTAINERD_SOCKET,
    DNS_IP,
    NAME,
    NODE_IP,
    NODE_NAME,
    RUN,
    SERVICE_CIDR,
    SOURCES,
    Layout,
)
from .netpol import TABLE
from .network import CNI_CONFIGURATION
from .processes import Component
from .shell import succeeds

ETCD = "http://127.0.0.1:2379"
PLUGINS = RUN / "volume-plugins"  # empty; the default folder would be made in /usr/libexec

CONTAINERD = """\
version = 2
root = "{root}"
state = "{run}/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true  # root may lack CAP_SYS_RESOURCE
  netns_mounts_under_state_dir = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{run}/runc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
"""


def write(layout: Layout) -> None:
    """Write the configuration files."""
    (layout.state / "containerd.toml").write_text(
        containerd_configuration(layout.state / "containerd", RUN, CONTAINERD_SOCKET, CNI_CONFIGURATION)
    )
    (layout.state / "kubelet.json").write_text(json.dumps(_kubelet_configuration(layout)))
    (layout.state / "proxy.json").write_text(json.dumps(proxy_configuration(layout.pki, NODE_NAME, "iptables")))
    nfs.write(layout)


def containerd_configuration(root: Path, state: Path, socket: Path, cni: Path) -> str:
    """Return containerd's configuration for a node."""
    return CONTAINERD.format(root=root, run=state, socket=socket, cni=cni, pause=PAUSE)


def _node(layout: Layout, name: str) -> list[str]:
    return [str(binaries.folder(binaries.KUBERNETES, layout.cache) / "node"), name]


def _etcd(_: Layout) -> Component:
    peer = "http://127.0.0.1:2380"
    clients = [f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}", f"--listen-peer-urls={peer}"]
    return Component("etcd", ["etcd", f"--data-dir={RUN}/etcd/data", *clients], lambda: answers(2379, "/health"))


def _containerd(layout: Layout) -> Component:
    asking = ["ctr", f"--address={CONTAINERD_SOCKET}", "version"]
    return Component(
        "containerd", ["containerd", f"--config={layout.state}/containerd.toml"], lambda: succeeds(asking)
    )


def _apiserver(layout: Layout) -> Component:
    pki = layout.pki
    api = Api(pki)
    flags = {
        "advertise-address": NODE_IP,
        "allow-privileged": "true",
        "anonymous-auth": "false",
        "authorization-mode": "Node,RBAC",
        "client-ca-file": pki / "ca.crt",
        "enable-admission-plugins": "NodeRestriction",
        "etcd-servers": ETCD,
        "kubelet-certificate-authority": pki / "ca.crt",
        "kubelet-client-certificate": pki / "apiserver-kubelet-client.crt",
        "kubelet-client-key": pki / "apiserver-kubelet-client.key",
        "kubelet-preferred-address-types": "InternalIP",  # the node's name is in no DNS
        "requestheader-allowed-names": "none",  # no front proxy; without these two, every client logs errors
        "requestheader-client-ca-file": pki / "ca.crt",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki / "service-accounts.pub",
        "service-account-signing-key-file": pki / "service-accounts.key",
        "service-cluster-ip-range": SERVICE_CIDR,
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
    }
    argv = [*_node(layout, "kube-apiserver"), *(f"--{name}={value}" for name, value in flags.items())]
    return Component("apiserver", argv, lambda: api.says("/readyz", "ok"))


def _client_flags(kubeconfig: Path) -> list[str]:
    kinds = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [*(f"--{kind}={kubeconfig}" for kind in kinds), "--leader-elect=false"]


def _controller_manager(layout: Layout) -> Component:
    flags = [
        *_client_flags(layout.pki / "controller-manager.kubeconfig"),
        f"--flex-volume-plugin-dir={PLUGINS}",
        "--pvclaimbinder-sync-period=2s",  # 15 s by default: a volume made after its claim would wait that long
        f"--root-ca-file={layout.pki}/ca.crt",
        f"--service-account-private-key-file={layout.pki}/service-accounts.key",
        "--use-service-account-credentials=true",
    ]
    argv = [*_node(layout, "kube-controller-manager"), *flags]
    return Component("controller-manager", argv, lambda: True)


def _scheduler(layout: Layout) -> Component:
    argv = [*_node(layout, "kube-scheduler"), *_client_flags(layout.pki / "scheduler.kubeconfig")]
    return Component("scheduler", argv, lambda: True)


def kubelet_configuration(pki: Path, identity: str, socket: Path, plugins: Path) -> dict[str, object]:
    """Return kubelet's configuration for a node whose certificate has that name."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{socket}",
        "evictionHard": {"memory.available": "100Mi"},  # not the disk: a full machine would evict every pod
        "failCgroupV1": False,  # node1 has the machine's
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,  # an image that was collected could not be pulled again
        "maxPods": 250,
        "resolvConf": "",
        "tlsCertFile": str(pki / f"{identity}.crt"),
        "tlsPrivateKeyFile": str(pki / f"{identity}.key"),
        "volumePluginDir": str(plugins),
    }


def _kubelet_configuration(layout: Layout) -> dict[str, object]:
    return {
        **kubelet_configuration(layout.pki, "kubelet", CONTAINERD_SOCKET, PLUGINS),
        "cgroupRoot": f"/{NAME}",
        "podLogsDir": str(layout.state / "pod-logs"),
    }


def _kubelet(layout: Layout) -> Component:
    flags = [
        f"--cert-dir={layout.kubelet}/pki",
        f"--config={layout.state}/kubelet.json",
        f"--hostname-override={NODE_NAME}",
        f"--kubeconfig={layout.pki}/kubelet.kubeconfig",
        f"--node-ip={NODE_IP}",
        f"--root-dir={layout.kubelet}",
    ]
    api = Api(layout.pki)

    def ready() -> bool:
        return answers(10248, "/healthz") and api.has_condition(f"/api/v1/nodes/{NODE_NAME}", "Ready")

    environment = {"PATH": f"{SOURCES}/rig/shims:/usr/sbin:/usr/bin:/sbin:/bin", "NFS_EXPORTS": str(layout.nfs)}
    return Component("kubelet", [*_node(layout, "kubelet"), *flags], ready, environment)


def proxy_configuration(pki: Path, node: str, mode: str) -> dict[str, object]:
    """Return kube-proxy's configuration for a node."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(pki / "proxy.kubeconfig")},
        "clusterCIDR": CLUSTER_CIDR,
        "conntrack": {"maxPerCore": 0},
        "hostnameOverride": node,
        mode: {"minSyncPeriod": "100ms"},  # 1 s by default: a new Service would refuse that long
        "mode": mode,
    }


def _proxy(layout: Layout) -> Component:
    argv = [*_node(layout, "kube-proxy"), f"--config={layout.state}/proxy.json"]
    return Component("proxy", argv, lambda: answers(10256, "/healthz"))


def _enforcer(layout: Layout) -> Component:
    """The process that makes network policies hold: package registries have no CNI plugin that does."""
    argv = [sys.executable, "-m", "rig.enforcer", str(layout.pki), NODE_NAME]
    listing = ["nft", "list", "table", "inet", TABLE]
    return Component("enforcer", argv, lambda: succeeds(listing), {"PYTHONPATH": str(SOURCES)})


# In the order in which they start; the keys are the names of the components.
COMPONENTS: Mapping[str, Callable[[Layout], Component]] = {
    "etcd": _etcd,
    "containerd": _containerd,
    "nfs": nfs.server,
    "apiserver": _apiserver,
    "controller-manager": _controller_manager,
    "scheduler": _scheduler,
    "kubelet": _kubelet,
    "proxy": _proxy,
    "enforcer": _enforcer,
}
