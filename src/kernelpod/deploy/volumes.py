"""Tells a deployment's volumes and claims from others, and frees volumes whose claim was deleted.

A volume refers to its claim by uid. If a namespace is deleted by hand, its volumes stay in the phase `Released`
and do not bind to any other claim.
"""

from __future__ import annotations

import json
from typing import Any

from kernelpod.base.names import selector
from kernelpod.deploy import rendered
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.release import release_of
from kernelpod.deploy.settings import Deployment


def check_ours(cluster: Cluster, storage: list[dict[str, Any]]) -> None:
    """Check that deploy created those of these volumes and claims that exist. Raises ClusterError."""
    for one in storage:
        kind, wanted = one["kind"], one["metadata"]
        there = cluster.get(kind.lower(), wanted["name"], wanted.get("namespace", ""))
        if there is not None and not rendered.MANAGED.items() <= there["metadata"].get("labels", {}).items():
            where = f" -n {wanted['namespace']}" if "namespace" in wanted else ""
            label = selector(rendered.MANAGED)
            raise ClusterError(
                f"The {kind} {wanted['name']} exists, and deploy did not create it. Use another namespace, or let "
                f"deploy change and remove it: kubectl label {kind.lower()} {wanted['name']}{where} {label}"
            )


def left_behind(cluster: Cluster, deployment: Deployment) -> list[str]:
    """Return the names of the deployment's volumes, including the chart's, whose claim was deleted."""
    return [volume["metadata"]["name"] for volume in _own(cluster, deployment) if _claim_is_gone(cluster, volume)]


def free(cluster: Cluster, volume: str) -> None:
    """Free a volume for the next claim of the same namespace and name. Other claims cannot bind to it."""
    patch = json.dumps({"spec": {"claimRef": {"uid": None, "resourceVersion": None}}})
    cluster.kubectl("patch", "persistentvolume", volume, "--type", "merge", "-p", patch)


def of_deploy(cluster: Cluster, deployment: Deployment) -> list[dict[str, Any]]:
    """Return the volumes that deploy created. A volume of the same name without its label is somebody else's."""
    names = rendered.volume_names(deployment)
    ours = cluster.items("persistentvolumes", selector=selector(rendered.MANAGED))
    return [one for one in ours if one["metadata"]["name"] in names]


def _own(cluster: Cluster, deployment: Deployment) -> list[dict[str, Any]]:
    return [*of_deploy(cluster, deployment), *release_of(cluster, deployment).volumes()]


def _claim_is_gone(cluster: Cluster, volume: dict[str, Any]) -> bool:
    wanted = volume["spec"].get("claimRef", {})
    if "uid" not in wanted:
        return False
    claim = cluster.get("persistentvolumeclaim", wanted["name"], wanted["namespace"])
    return claim is None or claim["metadata"]["uid"] != wanted["uid"]
