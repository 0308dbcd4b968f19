"""The hub of a deployment: a kustomize overlay on its manifests, as data."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kernelpod.base import yamltext
from kernelpod.deploy.rendered import COURSES_PLACE, DUMMY, merged
from kernelpod.deploy.settings import SMOKE_USER, DeployedHub, Deployment, OneHub
from kernelpod.errors import SettingsError
from kernelpod.z2jh.values import COURSES_FILES

# KubeSpawner makes the claims of users, and looks whether they are there.
CLAIMS_RULE = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get"]}
CONTAINER = "/spec/template/spec/containers/0"
# Where the hub sees its certificate and key.
TLS_PLACE = "/run/secrets/tls"


def hub_config(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the traits of the hub that follow from the file; nobody is let in who is not named."""
    hub = deployment.hub
    trial = {SMOKE_USER} if hub.authenticator == DUMMY else set()
    made: dict[str, dict[str, Any]] = {
        "JupyterHub": {"authenticator_class": hub.authenticator},
        "Authenticator": {
            "allowed_users": sorted({*hub.users, *hub.admin_users, *trial}),
            "admin_users": sorted(hub.admin_users),
        },
        "KubeSpawner": {"image": f"{deployment.images.named('singleuser')}:{deployment.images.tag}"},
    }
    config = merged(made, hub.config)
    if config["JupyterHub"]["authenticator_class"] == DUMMY and config["Authenticator"].get("allow_all"):
        raise SettingsError(
            "hub.config: Authenticator.allow_all with the dummy authenticator lets anybody in who "
            "knows one user's password; name the users in hub.users."
        )
    return config


def hub_overlay(one: OneHub, settings: dict[str, Any], denied: list[str]) -> dict[str, str]:
    """Return the files of a kustomize overlay on `../base`, by name; no server reaches an address in `denied`."""
    deployment, names = one.deployment, one.deployment.namespaces
    settings_text = yamltext.dump(settings)
    config = hub_config(deployment)
    if deployment.hub.https_secret:
        files = {"ssl_cert": f"{TLS_PLACE}/tls.crt", "ssl_key": f"{TLS_PLACE}/tls.key"}
        config = merged({"JupyterHub": files}, config)
    config_text = yamltext.dump(config)
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": names.hub,
        "resources": ["../base"],
        "images": [
            {
                "name": "ghcr.io/kernelpod/hub",
                "newName": deployment.images.named("hub"),
                "newTag": deployment.images.tag,
            }
        ],
        "generatorOptions": {"disableNameSuffixHash": True},
        "configMapGenerator": [{"name": "settings", "files": ["settings.yaml"]}],
        "secretGenerator": [{"name": "hub-config", "files": ["config.yaml"]}],
        "patches": _patches(one, hashlib.sha256((settings_text + config_text).encode()).hexdigest(), denied),
    }
    return {
        "kustomization.yaml": yamltext.dump(overlay),
        "settings.yaml": settings_text,
        "config.yaml": config_text,
    }


def _patches(one: OneHub, checksum: str, denied: list[str]) -> list[dict[str, Any]]:
    deployment = one.deployment
    gateway = {"kubernetes.io/metadata.name": deployment.namespaces.gateway}
    patches = [
        _patch("Deployment", "hub", "add", "/spec/template/metadata/annotations", {"checksum/config": checksum}),
        _patch("Service", "proxy-public", "replace", "/spec/type", deployment.hub.service),
        _patch("NetworkPolicy", "hub", "replace", "/spec/ingress/1/from/1/namespaceSelector/matchLabels", gateway),
        _patch(
            "NetworkPolicy", "servers", "replace", "/spec/egress/2/to/0/namespaceSelector/matchLabels", gateway
        ),
        _patch("Deployment", "hub", "add", f"{CONTAINER}/env/-", {"name": "KERNELPOD_HUB", "value": one.name}),
        _patch("Deployment", "hub", "replace", f"{CONTAINER}/volumeMounts/3/mountPath", one.token_folder),
    ]
    if deployment.homes == "dynamic":
        patches.append(_patch("Role", "hub", "add", "/rules/-", CLAIMS_RULE))
    if not one.first:
        # Two hubs may have the same folder of the NFS server; each has its own in it.
        folder = f".kernelpod-hub-{one.name}"
        first = "/spec/template/spec/initContainers/0/env/0/value"
        patches.append(_patch("Deployment", "hub", "replace", first, folder))
        patches.append(_patch("Deployment", "hub", "replace", f"{CONTAINER}/volumeMounts/0/subPath", folder))
    if deployment.hub.internet:
        patches += [_excepted(block) for block in denied]
    else:
        patches.append(_patch("NetworkPolicy", "servers", "remove", "/spec/egress/3"))
    if deployment.nfs.courses_files:
        claim = {"claimName": COURSES_FILES, "readOnly": True}
        volume = {"name": COURSES_FILES, "persistentVolumeClaim": claim}
        mount = {"name": COURSES_FILES, "mountPath": COURSES_PLACE, "readOnly": True}
        patches.append(_patch("Deployment", "hub", "add", "/spec/template/spec/volumes/-", volume))
        patches.append(_patch("Deployment", "hub", "add", f"{CONTAINER}/volumeMounts/-", mount))
    return patches + _way_in(deployment.hub) + _https(deployment.hub)


def _way_in(hub: DeployedHub) -> list[dict[str, Any]]:
    """Return patches that let nobody in from elsewhere; outside of a service, addresses must be kept for that."""
    if not hub.allow_from:
        return []
    networks = [str(network) for network in hub.allow_from]
    blocks = [{"ipBlock": {"cidr": network}} for network in networks]
    patches = [_patch("NetworkPolicy", "hub", "add", "/spec/ingress/0/from", blocks)]
    if hub.service != "ClusterIP":
        patches.append(_patch("Service", "proxy-public", "add", "/spec/externalTrafficPolicy", "Local"))
    if hub.service == "LoadBalancer":
        patches.append(_patch("Service", "proxy-public", "add", "/spec/loadBalancerSourceRanges", networks))
    return patches


def _https(hub: DeployedHub) -> list[dict[str, Any]]:
    """Return patches that serve HTTPS on port 443, those of `hub/https/secret` with the Secret's own name."""
    if not hub.https_secret:
        return []
    # Read by the hub's group, which the pod's fsGroup is.
    volume = {"name": "tls", "secret": {"secretName": hub.https_secret, "defaultMode": 0o440}}
    mount = {"name": "tls", "mountPath": TLS_PLACE, "readOnly": True}
    port = {"name": "https", "port": 443, "targetPort": "public"}
    return [
        _patch("Deployment", "hub", "add", "/spec/template/spec/volumes/-", volume),
        _patch("Deployment", "hub", "add", f"{CONTAINER}/volumeMounts/-", mount),
        _patch("Deployment", "hub", "add", f"{CONTAINER}/readinessProbe/httpGet/scheme", "HTTPS"),
        _patch("Service", "proxy-public", "replace", "/spec/ports/0", port),
    ]


def _excepted(block: str) -> dict[str, Any]:
    """Return a patch that leaves a block out of what servers reach, of its version of the internet protocol."""
    version = 1 if ":" in block else 0
    return _patch("NetworkPolicy", "servers", "add", f"/spec/egress/3/to/{version}/ipBlock/except/-", block)


def _patch(kind: str, name: str, verb: str, path: str, value: Any = None) -> dict[str, Any]:
    step = {"op": verb, "path": path, **({} if value is None else {"value": value})}
    return {"target": {"kind": kind, "name": name}, "patch": json.dumps([step])}
