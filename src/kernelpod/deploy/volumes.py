"""Static volumes of a deployment that are bound to a claim which is gone: freed for the next claim of its name.

A volume remembers its claim by uid. Where a namespace is deleted by hand it stays, `Released`, and is bound to no
other claim.
"""

from __future__ import annotations

import json
from typing import Any

from kernelpod.base.names import selector
from kernelpod.deploy import rendered
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment


def left_behind(cluster: Cluster, deployment: Deployment) -> list[str]:
    """Return the names of the deployment's volumes, the chart's among them, whose claim is gone."""
    return [volume["metadata"]["name"] for volume in _own(cluster, deployment) if _claim_is_gone(cluster, volume)]


def free(cluster: Cluster, volume: str) -> None:
    """Let the next claim of the same namespace and name have a volume; nobody else gets it."""
    patch = json.dumps({"spec": {"claimRef": {"uid": None, "resourceVersion": None}}})
    cluster.kubectl("patch", "persistentvolume", volume, "--type", "merge", "-p", patch)


def _own(cluster: Cluster, deployment: Deployment) -> list[dict[str, Any]]:
    names = rendered.volume_names(deployment)
    ours = cluster.items("persistentvolumes", selector=selector(rendered.MANAGED))
    chart = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": deployment.release}
    # Releases of two namespaces may have one name; this is how helm itself knows what is its own.
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
