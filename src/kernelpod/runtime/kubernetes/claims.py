"""Homes that are claims of the hub's namespace: which folder of the NFS server each of them is bound to.

Kernels run in another namespace, where no claim of the hub's can be named; an NFS folder can be mounted anywhere.
"""

from __future__ import annotations

import posixpath
from typing import Any

from kernelpod.errors import StartFailed, home_missing
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.start.plan import KernelPlan

# The driver of csi-driver-nfs, whose volumes say their folder in attributes.
NFS_DRIVER = "nfs.csi.k8s.io"


async def on_nfs(plan: KernelPlan, api: ApiServer) -> KernelPlan:
    """Return the plan with the home's NFS folder in place of its claim; a plan without such a home as it is.

    The claim is looked up for every start, since it may have been made anew; a kernel that a restarted gateway
    found keeps the folder it had. Raises StartFailed where there is no claim, or where its volume is not a folder
    of the settings' NFS server below `homes.root`.
    """
    home = plan.mounts.home
    if home.volume.kind != "dynamic":
        return plan
    claim, root = home.volume.claim, posixpath.dirname(home.path)
    claims = f"/api/v1/namespaces/{home.volume.namespace}/persistentvolumeclaims/{claim}"
    found = await _asked(api, claims, claim)
    if found.get("status", {}).get("phase") != "Bound":
        raise home_missing(f"home, the claim {claim},", lacks="has no volume yet")
    volume = await _asked(api, f"/api/v1/persistentvolumes/{found['spec']['volumeName']}", claim)
    server, path = _folder(volume, found, claim)
    below = path == posixpath.normpath(path) and path.startswith(root.rstrip("/") + "/")
    if server != home.volume.server or not below:
        wanted = f"{home.volume.server}:{root} (homes.volume.server and homes.root)"
        raise _not_shared(claim, f"it is {server}:{path}, not below {wanted}")
    nfs = Volume(kind="nfs", server=server)
    mounts = plan.mounts.model_copy(update={"home": home.model_copy(update={"path": path, "volume": nfs})})
    return plan.model_copy(update={"mounts": mounts})


async def _asked(api: ApiServer, path: str, claim: str) -> dict[str, Any]:
    try:
        return await api.call("GET", path)
    except ApiRefusedError as error:
        if error.status == 404:
            raise home_missing(f"home, the claim {claim},", detail=str(error)) from error
        said = "the gateway may not look at it (the chart grants that where homes.volume.kind is dynamic)"
        raise _not_shared(claim, said, detail=str(error)) from error
    except ApiSilentError as error:
        sentence = "The cluster does not answer; running kernels go on. Try again in a minute."
        raise StartFailed("cluster_unavailable", sentence, detail=str(error)) from error


def _folder(volume: dict[str, Any], claim: dict[str, Any], name: str) -> tuple[str, str]:
    """Return server and path of a volume that is a folder of an NFS server, and this claim's.

    Source: k8s.io/api/core/v1 PersistentVolumeSpec; csi-driver-nfs, pkg/nfs/nfs.go (volume attributes).
    """
    spec = volume["spec"]
    if (spec.get("claimRef") or {}).get("uid") != claim["metadata"]["uid"]:
        raise _not_shared(name, "its volume belongs to another claim")
    if nfs := spec.get("nfs"):
        return nfs["server"], nfs["path"]
    csi = spec.get("csi") or {}
    if csi.get("driver") == NFS_DRIVER:
        said = {key.lower(): value for key, value in (csi.get("volumeAttributes") or {}).items()}
        parts = (said.get("share", "/"), said.get("subdir", "").lstrip("/"))
        return said.get("server", ""), posixpath.join(*parts).rstrip("/")
    raise _not_shared(name, f"its volume {volume['metadata']['name']} is no NFS folder")


def _not_shared(claim: str, why: str, *, detail: str = "") -> StartFailed:
    return StartFailed(
        "home_not_shared",
        f"Kernels cannot mount your home, the claim {claim}: {why}. Tell an admin: either homes are folders of "
        "one NFS server, or kernels share the hub's namespace.",
        detail=detail,
    )
