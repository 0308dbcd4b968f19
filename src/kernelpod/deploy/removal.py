"""Removes a deployment: hubs, gateway, kernels and volumes, and the files of homes only if that is asked for."""

from __future__ import annotations

import json
from typing import Any

from kernelpod.base.names import release_labels, selector
from kernelpod.deploy import install, rendered, volumes, z2jh
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.release import REMOVE_SECONDS, release_of
from kernelpod.deploy.settings import Deployment
from kernelpod.deploy.state import kernel_pods, server_pods


def destroy(cluster: Cluster, deployment: Deployment, progress: Progress, *, homes: bool) -> None:
    """Remove hub, gateway, kernels and volumes, and with `homes` also the files of homes. Raises ClusterError.

    What deploy did not create is kept: an existing hub with its namespace and servers, and unlabelled objects.
    """
    names, hubs = deployment.namespaces, deployment.own_hubs()
    if homes and len(hubs) < len(deployment.hubs()):
        raise ClusterError(
            "--homes: the existing hub (hub.install: none) uses the homes, so they are not deleted. Nothing was "
            "removed. Run destroy without --homes, then delete the files on their server"
        )
    if homes and deployment.homes in ("pvc", "nfs"):
        with progress(f"files of all homes in {deployment.nfs.server}:{deployment.nfs.homes}"):
            _delete_homes(cluster, deployment)
    spaces = [one.deployment.namespaces.hub for one in hubs]
    if not homes:
        _keep_claimed(cluster, spaces)
    if hubs:
        with progress(f"hub and servers ({', '.join(spaces)})"):
            for one in hubs:
                if one.deployment.hub.install == "z2jh":
                    z2jh.uninstall(cluster, one.deployment.namespaces.hub)
            _remove(cluster, *spaces)
    with progress(f"gateway and kernels ({names.gateway}, {names.kernels})"):
        release_of(cluster, deployment).uninstall()
        # A namespace that the chart did not create is kept.
        if (cluster.get("namespace", names.kernels) or {}).get("status", {}).get("phase") == "Terminating":
            waited = (f"namespace/{names.kernels}", f"--timeout={REMOVE_SECONDS}s")
            cluster.kubectl("wait", "--for=delete", *waited, seconds=REMOVE_SECONDS + 10)
        _remove(cluster, names.gateway)
    with progress("volumes (files are kept)" if not homes else "volumes"):
        if own := [volume["metadata"]["name"] for volume in volumes.of_deploy(cluster, deployment)]:
            cluster.kubectl("delete", "persistentvolume", "--ignore-not-found", *own, seconds=REMOVE_SECONDS)


def running(cluster: Cluster, deployment: Deployment) -> str:
    """Return a text that counts the servers and kernels that `destroy` would stop. Empty if there are none."""
    kernels = len(kernel_pods(cluster, deployment))
    servers = len(server_pods(cluster, deployment.own_hubs()))
    return f"{servers} servers and {kernels} kernels are running" if servers or kernels else ""


def _remove(cluster: Cluster, *spaces: str) -> None:
    """Remove namespaces that deploy created. In other namespaces, remove only the objects of `deploy`."""
    found: dict[str, Any] = {space: cluster.get("namespace", space) for space in spaces}
    there = {space: one["metadata"].get("labels", {}) for space, one in found.items() if one is not None}
    ours = [space for space, labels in there.items() if rendered.MANAGED.items() <= labels.items()]
    for space in there.keys() - set(ours):
        _remove_ours(cluster, space)
    if ours:
        cluster.kubectl("delete", "namespace", *ours, "--wait=true", seconds=REMOVE_SECONDS)


def _remove_ours(cluster: Cluster, space: str) -> None:
    if manifests := cluster.read_secret(install.DEPLOYED, space).get("current"):
        delete = ("delete", "--ignore-not-found", "-f", "-")
        # Claims go when no pod uses them, and servers stay away when no hub starts them.
        cluster.kubectl(*delete, "--wait=false", given=manifests, seconds=REMOVE_SECONDS)
        for pods in ("component=hub", "component=singleuser-server"):
            cluster.kubectl("delete", "pods", "-n", space, "-l", pods, seconds=REMOVE_SECONDS)
        cluster.kubectl(*delete, given=manifests, seconds=REMOVE_SECONDS)
    ours = ",".join(f"{key}={value}" for key, value in rendered.MANAGED.items())
    cluster.kubectl("delete", "secrets,persistentvolumeclaims", "-n", space, "-l", ours, seconds=REMOVE_SECONDS)


def _keep_claimed(cluster: Cluster, spaces: list[str]) -> None:
    """Set the reclaim policy of the users' volumes to Retain, so that the files are kept without the claims."""
    keep = json.dumps({"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    for space in spaces:
        for claim in cluster.items("persistentvolumeclaims", space, "component=singleuser-storage"):
            if volume := claim["spec"].get("volumeName"):
                cluster.kubectl("patch", "persistentvolume", volume, "--type", "merge", "-p", keep)


def _delete_homes(cluster: Cluster, deployment: Deployment) -> None:
    space, pod = deployment.namespaces.hub, rendered.deleting_pod(deployment)
    name = pod["metadata"]["name"]
    writers = {deployment.namespaces.kernels: selector(release_labels(deployment.release))}
    for one in deployment.hubs():
        hub = one.deployment.namespaces.hub
        cluster.kubectl("delete", "deployment/hub", "-n", hub, "--ignore-not-found", "--wait=true")
        writers[hub] = "component=singleuser-server"
    for where, labels in writers.items():
        cluster.kubectl("delete", "pods", "-n", where, "-l", labels, "--wait=true", seconds=REMOVE_SECONDS)
    cluster.kubectl("delete", "pod", name, "-n", space, "--ignore-not-found", "--wait=true")
    cluster.apply(pod)
    try:
        cluster.kubectl(
            *("wait", f"pod/{name}", "-n", space, "--for=jsonpath={.status.phase}=Succeeded"),
            *(f"--timeout={REMOVE_SECONDS}s",),
            seconds=REMOVE_SECONDS + 10,
        )
    except ClusterError as error:
        said = cluster.kubectl("logs", name, "-n", space)
        raise ClusterError(
            f"Not all homes could be deleted, and nothing else was removed: {said[-500:]}"
        ) from error
