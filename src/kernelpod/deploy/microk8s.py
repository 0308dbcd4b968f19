"""Enables the add-ons that a deployment needs on microk8s, and checks that the node can mount NFS."""

from __future__ import annotations

import shutil

import yaml

from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.settings import Deployment
from kernelpod.errors import SettingsError

ENABLE_SECONDS = 300
# Without rbac, every service account may do everything, and the chart's Roles have no effect.
ADDONS = ("dns", "rbac")
STORAGE = "hostpath-storage"


def missing(cluster: Cluster, deployment: Deployment) -> list[str]:
    """Return the add-ons that are not enabled yet, as arguments of `microk8s enable`. Empty on other clusters.

    Raises SettingsError if metallb's addresses are needed but missing, ClusterError if there is no NFS client.
    """
    if not cluster.microk8s:
        return []
    if not shutil.which("mount.nfs"):
        raise ClusterError("This node cannot mount NFS. Run: sudo apt-get install nfs-common")
    enabled = _enabled(cluster)
    wanted = [*ADDONS]
    database = deployment.hub.database
    own_volume = database.nfs or database.host_path or database.claim.storage_class
    if deployment.hub.install == "manifests" and not own_volume:
        wanted.append(STORAGE)
    found = [addon for addon in wanted if addon not in enabled]
    if deployment.hub.service == "LoadBalancer" and "metallb" not in enabled:
        if not deployment.microk8s.metallb:
            raise SettingsError(
                "microk8s.metallb: hub.service is LoadBalancer, but metallb is disabled; set a range of free "
                "addresses, such as 10.64.140.43-10.64.140.49, or set hub.service: NodePort"
            )
        found.append(f"metallb:{deployment.microk8s.metallb}")
    return found


def enable(cluster: Cluster, addons: list[str], progress: Progress) -> None:
    """Enable add-ons one after another. Raises ClusterError."""
    for addon in addons:
        with progress(f"microk8s enable {addon}"):
            _microk8s(cluster, "enable", addon)


def _enabled(cluster: Cluster) -> set[str]:
    status = yaml.safe_load(_microk8s(cluster, "status", "--format", "yaml"))
    return {addon["name"] for addon in status["addons"] if addon["status"] == "enabled"}


def _microk8s(cluster: Cluster, *words: str) -> str:
    done = cluster.run(["microk8s", *words], None, ENABLE_SECONDS)
    if done.returncode != 0:
        raise ClusterError(f"`microk8s {' '.join(words)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
