"""Frees static volumes of a deployment whose claim was deleted, so that a new claim of the same name can bind.

A volume refers to its claim by uid. If a namespace is deleted by hand, its volumes stay in the phase `Released`
and do not bind to any other claim.
"""

from __future__ import annotations

import json
from typing import Any

from kernelpod.base.names import selector
from kernelpod.deploy import rendered
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment


def left_behind(cluster: Cluster, deployment: Deployment) -> list[str]:
    """Return the names of the deployment's volumes, including the chart's, whose claim was deleted."""
    return [volume["metadata"]["name"] for volume in _own(cluster, deployment) if _claim_is_gone(cluster, volume)]


def free(cluster: Cluster, volume: str) -> None:
    """Free a volume for the next claim of the same namespace and name. Other claims cannot bind to it."""
    patch = json.dumps({"spec": {"claimRef": {"uid": None, "resourceVersion": None}}})
    cluster.kubectl("patch", "persistentvolume", volume, "--type", "merge", "-p", patch)


def _own(cluster: Cluster, deployment: Deployment) -> list[dict[str, Any]]:
    names = rendered.volume_names(deployment)
    ours = cluster.items("persistentvolumes", selector=selector(rendered.MANAGED))
    chart = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": deployment.release}
    # Releases in two namespaces may have the same name. Helm tells their objects apart by this annotation.
    space = ("meta.helm.sh/release-namespace", deployment.namespaces.gateway)
    of_chart = cluster.items("persistentvolumes", selector=selector(chart))
    return [
        *(one for one in ours if one["metadata"]["name"] in names),
        *(one for one in of_chart if space in one["metadata"].get("annotations", {}).items()),
    ]


def _claim_is_gone(cluster: Cluster, volume: dict[str, Any]) -> bool:
    wanted = volume["spec"].get("claimRef", {})
    if "uid" not in wanted:
        return False
    claim = cluster.get("persistentvolumeclaim", wanted["name"], wanted["namespace"])
    return claim is None or claim["metadata"]["uid"] != wanted["uid"]
