"""Builds chart values and Kubernetes objects of a deployment, as pure functions of deploy.yaml."""

from __future__ import annotations

from typing import Any

import yaml

from kernelpod.base import yamltext
from kernelpod.base.merging import merged
from kernelpod.deploy import internaltls
from kernelpod.deploy.settings import Deployment, Nfs, OneHub
from kernelpod.deploy.z2jhdatabase import CLAIM
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import COURSES_FILES

# Secret that holds all tokens of the hub.
HUB_TOKENS = "hub"
MANAGED = {"app.kubernetes.io/managed-by": "kernelpod-deploy"}
DUMMY = "dummy"
# Claim of the courses' folders, and mount path of the courses files in hubs and gateway.
COURSES = "courses"
COURSES_PLACE = "/etc/kernelpod-courses"
# Changes are visible within a second, and an unresponsive NFS server does not hang hub and gateway. A soft mount
# is safe where nothing is written.
READ_ONLY = ("actimeo=1", "soft", "timeo=50", "retrans=2")


def chart_values(deployment: Deployment, denied: list[str]) -> dict[str, Any]:
    """Return the values for the gateway's chart. Kernels cannot reach the `denied` addresses."""
    nfs, names = deployment.nfs, deployment.namespaces
    first, *more = deployment.hubs()
    homes = {"root": nfs.homes, "volume": _homes_volume(deployment)}
    values: dict[str, Any] = {
        "image": {"repository": deployment.images.named("gateway"), "tag": deployment.images.tag},
        "hub": {"namespace": names.hub, "existingSecret": first.gateway_secret},
        "extraHubs": [_extra_hub(one) for one in more],
        "kernels": {"namespace": {"name": names.kernels}},
        "networkPolicy": {"deny": denied},
        "settings": merged({"homes": homes, **internaltls.settings(deployment)}, deployment.settings),
    }
    if ours := _hub_settings(first):
        given = (deployment.settings.get("hubs") or [{}])[0]
        values["settings"]["hubs"] = [{**ours, **given}]
    if deployment.homes == "pvc":
        folder = {"create": True, "server": nfs.server, "path": nfs.homes}
        values["homes"] = {"persistentVolume": {**folder, "mountOptions": [*nfs.mount_options]}}
    if nfs.kernelspecs:
        folder = {"create": True, "server": nfs.server, "path": nfs.kernelspecs}
        folder["mountOptions"] = [*nfs.way, *READ_ONLY]
        values["kernelspecs"] = {"source": "volume", "volume": folder}
    made = merged(values, {**deployment.values, **_gateway_volumes(deployment)})
    policy = made["networkPolicy"]
    if isinstance(policy, dict) and isinstance(policy["deny"], list):  # anything else is refused by the schema
        policy["deny"] = all_denied(deployment, denied)
    return made


def all_denied(deployment: Deployment, found: list[str]) -> list[str]:
    """Return the CIDR blocks that kernels and servers must not reach: those found, and those of the file."""
    policy = deployment.values.get("networkPolicy")
    given = policy.get("deny") if isinstance(policy, dict) else None
    return [*found, *(one for one in given if one not in found)] if isinstance(given, list) else found


def _gateway_volumes(deployment: Deployment) -> dict[str, list[Any]]:
    """Return the values for the gateway's further volumes: those that it needs, and those of the file."""
    needed = {}
    if deployment.nfs.courses_files:
        claim = {"claimName": COURSES_FILES, "readOnly": True}
        mount = {"name": COURSES_FILES, "mountPath": COURSES_PLACE, "readOnly": True}
        needed[COURSES_FILES] = ({"name": COURSES_FILES, "persistentVolumeClaim": claim}, mount)
    if deployment.internal_tls:
        needed[internaltls.VOLUME] = (internaltls.volume(), internaltls.mount())
    made = {}
    for number, key in enumerate(("extraVolumes", "extraVolumeMounts")):
        given = deployment.values.get(key) or []
        others = needed.keys() - {one.get("name") for one in given if isinstance(one, dict)}
        if listed := [*(pair[number] for name, pair in needed.items() if name in others), *given]:
            made[key] = listed
    return made


def _homes_volume(deployment: Deployment) -> dict[str, str]:
    kind = deployment.homes
    if kind in ("pvc", "none"):
        return {"kind": kind}
    volume = {"kind": kind, "server": deployment.nfs.server}
    if kind == "nfs":
        return volume
    # The name of an additional hub is also its namespace.
    space = "{hub}" if deployment.more_hubs else deployment.namespaces.hub
    return {**volume, "claim": "claim-{username}", "namespace": space}


def _extra_hub(one: OneHub) -> dict[str, Any]:
    """Return an additional hub as an item of the chart's `extraHubs`."""
    made = {"name": one.name, "namespace": one.deployment.namespaces.hub, "existingSecret": one.gateway_secret}
    return {**made, "settings": _hub_settings(one)}


def _hub_settings(one: OneHub) -> dict[str, Any]:
    hub = one.deployment.hub
    made = {**({"subdomain_host": hub.url} if hub.subdomains else {}), **internaltls.hub_settings(one)}
    if hub.user_ids:
        made["user_ids"] = f"{COURSES_PLACE}/{hub.user_ids}"
    if not hub.courses:
        return made
    may = hub.model_dump(mode="json", include={"courses_may_mount", "courses_nfs"}, exclude_defaults=True)
    return {**made, "courses": f"{COURSES_PLACE}/{hub.courses}", **may}


def namespace(name: str, level: str) -> dict[str, Any]:
    """Return a namespace that enforces a level of Pod Security."""
    labels = {**MANAGED, "pod-security.kubernetes.io/enforce": level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def namespaces(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the namespaces of the gateway and of the hubs that deploy installs. The chart has the kernels'."""
    installed = [one.deployment for one in deployment.own_hubs()]
    # The container that creates homes runs as root with three capabilities, which `restricted` forbids.
    hubs = [namespace(one.namespaces.hub, "baseline") for one in installed]
    return [namespace(deployment.namespaces.gateway, "restricted"), *hubs]


def secret(name: str, namespace: str, values: dict[str, str]) -> dict[str, Any]:
    """Return a Secret."""
    metadata = {"name": name, "namespace": namespace, "labels": MANAGED}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": values}


def homes_name(deployment: Deployment) -> str:
    """Return the name of the volume to which the hub's claim of the homes is bound."""
    return f"{deployment.namespaces.hub}-homes"


def without_secrets(text: str) -> str:
    """Return YAML documents with the values of Secrets masked."""
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        if document.get("kind") == "Secret":
            document["data"] = dict.fromkeys(document["data"], "(not shown)")
    return yamltext.dump_all(documents)


def volume_names(deployment: Deployment) -> list[str]:
    """Return the names of the deployment's PersistentVolumes, except the chart's."""
    nfs, names = deployment.nfs, deployment.namespaces
    spaces = [one.deployment.namespaces.hub for one in deployment.hubs()]
    made = [f"{space}-{what}" for space in spaces for what in ("homes", "database")]
    if nfs.courses:
        made += [f"{space}-{COURSES}" for space in (*spaces, names.kernels)]
    if nfs.courses_files:
        made += [f"{space}-{COURSES_FILES}" for space in (*spaces, names.gateway)]
    return made


def deleting_pod(deployment: Deployment) -> dict[str, Any]:
    """Return the pod that deletes the files of all homes."""
    source: dict[str, Any] = {"nfs": {"server": deployment.nfs.server, "path": deployment.nfs.homes}}
    if deployment.homes == "pvc":
        source = {"persistentVolumeClaim": {"claimName": deployment.gateway.homes.volume.claim}}
    container = {
        "name": "delete",
        "image": f"{deployment.images.named('gateway')}:{deployment.images.tag}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["find", "/homes", "-mindepth", "1", "-delete"],
        "resources": {"limits": {"memory": "256Mi"}},
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["DAC_OVERRIDE", "FOWNER"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "homes", "mountPath": "/homes"}],
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "homes", **source}],
    }
    metadata = {"name": "delete-homes", "namespace": deployment.namespaces.hub, "labels": MANAGED}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def hub_storage(deployment: Deployment, settings: Settings) -> list[dict[str, Any]]:
    """Return volumes and claims of the hub's namespace: for its database, homes, courses and courses files."""
    nfs, database, space = deployment.nfs, deployment.hub.database, deployment.namespaces.hub
    made: list[dict[str, Any]] = []
    if database.nfs and deployment.hub.install == "z2jh":
        # The chart makes the claim.
        made.append(_on_nfs(f"{space}-database", CLAIM, space, nfs, database.nfs)[0])
    elif database.nfs:
        made += _on_nfs(f"{space}-database", "hub", space, nfs, database.nfs)
    elif database.host_path:
        made += _static(
            f"{space}-database",
            "hub",
            space,
            {"hostPath": {"path": database.host_path, "type": "DirectoryOrCreate"}},
        )
    elif deployment.hub.install == "manifests":
        made.append(_claim("hub", space, database.claim.size, database.claim.storage_class, None))
    if deployment.homes == "pvc":
        made += _on_nfs(homes_name(deployment), settings.homes.volume.claim, space, nfs, nfs.homes)
    if nfs.courses:
        made += _on_nfs(f"{space}-{COURSES}", COURSES, space, nfs, nfs.courses)
    if nfs.courses_files:
        made += _files_of_courses(deployment, space, nfs.courses_files)
    return made


def gateway_storage(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the gateway's volume and claim of the courses files, or nothing without courses files."""
    folder = deployment.nfs.courses_files
    return _files_of_courses(deployment, deployment.namespaces.gateway, folder) if folder else []


def kernels_storage(deployment: Deployment) -> list[dict[str, Any]]:
    """Return the kernels' volume and claim of the courses' folders, or nothing without courses."""
    nfs, space = deployment.nfs, deployment.namespaces.kernels
    return _on_nfs(f"{space}-{COURSES}", COURSES, space, nfs, nfs.courses) if nfs.courses else []


def _files_of_courses(deployment: Deployment, space: str, folder: str) -> list[dict[str, Any]]:
    nfs = deployment.nfs
    source = {**_folder(nfs.server, folder), "mountOptions": [*nfs.way, *READ_ONLY]}
    return _static(f"{space}-{COURSES_FILES}", COURSES_FILES, space, source)


def _folder(server: str, path: str) -> dict[str, Any]:
    return {"nfs": {"server": server, "path": path}}


def _on_nfs(name: str, claim: str, space: str, nfs: Nfs, path: str) -> list[dict[str, Any]]:
    return _static(name, claim, space, {**_folder(nfs.server, path), "mountOptions": [*nfs.mount_options]})


def _static(name: str, claim: str, namespace: str, source: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a volume that is bound to one claim, and this claim. The files are kept if both are deleted."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": MANAGED},
        "spec": {
            "capacity": {"storage": "1Ti"},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": claim},
            **source,
        },
    }
    return [volume, _claim(claim, namespace, "1Ti", "", name)]


def _claim(name: str, namespace: str, size: str, storage_class: str | None, volume: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if volume else "ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    if volume:
        spec["volumeName"] = volume
    metadata = {"name": name, "namespace": namespace, "labels": MANAGED}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
