"""Finds the claim that is a user's home, and the NFS folder behind a claim in the hub's namespace.

Kernels that run in another namespace cannot mount that claim, but they can mount its NFS folder. A hub that was
set up with KubeSpawner 6 or before has claims of other names, which its spawner goes on using, and so does this.
"""

from __future__ import annotations

import posixpath
from typing import Any

from kernelpod.base.names import KUBESPAWNER_USER, former_user_slug, user_slug
from kernelpod.errors import StartFailed, home_missing
from kernelpod.homes.volumes import Volume
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError
from kernelpod.start.plan import KernelPlan

# The name of csi-driver-nfs, whose volumes name their folder in volumeAttributes.
NFS_DRIVER = "nfs.csi.k8s.io"


async def with_found_home(plan: KernelPlan, api: ApiServer) -> KernelPlan:
    """Return the plan with the claim that is the user's home, or with the NFS folder behind a claim of the hub's.

    A plan whose home is not the user's own claim is returned unchanged. The claim is looked up at every start,
    since it may have been recreated; records hold the plan with the claim's name of today. Raises StartFailed if
    there is no claim, if KubeSpawner made it for another user, or if kernels would mount its folder and that is
    not one below `homes.root` on the NFS server of the settings.
    """
    volume = plan.mounts.home.volume
    if volume.kind == "dynamic":
        return await _on_nfs(plan, api, await _own_claim(api, volume, volume.namespace, plan.owner.name))
    if volume.kind == "pvc" and plan.mounts.home.is_whole_volume:
        found = await _own_claim(api, volume, plan.namespace, plan.owner.name)
        return plan.model_copy(update={"mounts": plan.mounts.with_home_claim(found["metadata"]["name"])})
    return plan


async def _on_nfs(plan: KernelPlan, api: ApiServer, found: dict[str, Any]) -> KernelPlan:
    home = plan.mounts.home
    root, claim = posixpath.dirname(home.path), found["metadata"]["name"]
    if found.get("status", {}).get("phase") != "Bound":
        raise home_missing(f"home, the claim {claim},", lacks="is not bound to a volume yet")
    volume = await _first(api, claim, f"/api/v1/persistentvolumes/{found['spec']['volumeName']}")
    server, path = _folder(volume, found, claim)
    below = path == posixpath.normpath(path) and path.startswith(root.rstrip("/") + "/")
    if server != home.volume.server or not below:
        wanted = f"{home.volume.server}:{root} (homes.volume.server and homes.root)"
        raise _not_shared(claim, f"its folder is {server}:{path}, which is not below {wanted}")
    nfs = Volume(kind="nfs", server=server)
    mounts = plan.mounts.model_copy(update={"home": home.model_copy(update={"path": path, "volume": nfs})})
    return plan.model_copy(update={"mounts": mounts})


async def _own_claim(api: ApiServer, volume: Volume, namespace: str, user: str) -> dict[str, Any]:
    """Return the user's claim; that of the former name only if there is none of today's, as KubeSpawner does."""
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    former = former_user_slug(user).join(volume.claim.rsplit(user_slug(user), 1))
    paths = [f"{claims}/{name}" for name in dict.fromkeys((volume.claim, former))]
    found = await _first(api, volume.claim, *paths)
    if (found["metadata"].get("annotations") or {}).get(KUBESPAWNER_USER, user) != user:
        # As claim-a-2eb is by its name that of the user a-2eb, and was made for a.b.
        claim, remedy = found["metadata"]["name"], "one of you needs a claim of another name"
        raise _not_shared(claim, "it was made for another user, whose name it had in an older hub", remedy)
    return found


async def _first(api: ApiServer, claim: str, *paths: str) -> dict[str, Any]:
    """Return the first of these objects that there is. Raises StartFailed if there is none."""
    missing = ""
    for path in paths:
        try:
            return await api.call("GET", path)
        except ApiRefusedError as error:
            if error.status != 404:
                said = "the gateway may not read it (the chart grants this where each user has their own claim)"
                raise _not_shared(claim, said, detail=str(error)) from error
            missing = missing or str(error)
        except ApiSilentError as error:
            sentence = "The cluster does not answer. Running kernels continue. Try again in a minute."
            raise StartFailed("cluster_unavailable", sentence, detail=str(error)) from error
    raise home_missing(f"home, the claim {claim},", detail=missing)


def _folder(volume: dict[str, Any], claim: dict[str, Any], name: str) -> tuple[str, str]:
    """Return the server and path of a claim's NFS volume. Raises StartFailed if it is another kind of volume.

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
    raise _not_shared(name, f"its volume {volume['metadata']['name']} is not an NFS folder")


_SHARED = "homes must be folders of one NFS server, or kernels must run in the hub's namespace"


def _not_shared(claim: str, why: str, remedy: str = _SHARED, *, detail: str = "") -> StartFailed:
    said = f"Kernels cannot mount your home, the claim {claim}: {why}. Tell an admin: {remedy}."
    return StartFailed("home_not_shared", said, detail=detail)
