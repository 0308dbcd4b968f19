"""Builds the kustomize overlay that adapts the hub's manifests to a deployment."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kernelpod.base import hubnetworks, yamltext
from kernelpod.base.merging import merged
from kernelpod.deploy import internaltls
from kernelpod.deploy.hubsettings import DeployedHub
from kernelpod.deploy.rendered import COURSES_PLACE, DUMMY
from kernelpod.deploy.settings import SMOKE_USER, Deployment, OneHub
from kernelpod.deploy.usernames import check_names
from kernelpod.errors import SettingsError
from kernelpod.z2jh.values import COURSES_FILES

# KubeSpawner creates the users' claims and checks whether they exist.
CLAIMS_RULE = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get"]}
# Mount paths of the manifests: the hub's database, and the gateway service's token of the first hub.
DATABASE_PLACE = "/srv/jupyterhub"
SERVICE_PLACE = "/run/secrets/kernelpod"
# Mount path of the hub's certificate and key.
TLS_PLACE = "/run/secrets/tls"


def hub_config(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the hub's configuration by class and trait. By default only the listed users may log in."""
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
            "hub.config: Authenticator.allow_all with the dummy authenticator lets everybody log in who "
            "knows the password of one user; list the users in hub.users."
        )
    return config


def hub_overlay(one: OneHub, settings_text: str, denied: list[str], certificates: str = "") -> dict[str, str]:
    """Return the files of a kustomize overlay on `../base` by name. Servers cannot reach `denied` addresses.

    `certificates` are those that the hub reads when it starts; other ones restart it.
    """
    deployment, names = one.deployment, one.deployment.namespaces
    config = hub_config(deployment)
    check_names(config, [deployment.smoke.user] if one.first else ())
    if deployment.hub.https_secret:
        files = {"ssl_cert": f"{TLS_PLACE}/tls.crt", "ssl_key": f"{TLS_PLACE}/tls.key"}
        config = merged({"JupyterHub": files}, config)
    if not deployment.hub.internet:
        # Whoever answers a question for a name anywhere in the internet hears it.
        config = merged({"PodSpawner": {"dns": False}}, config)
    config_text = yamltext.dump(merged(config, internaltls.hub_traits(one)))
    read = f"{settings_text}{config_text}{certificates}"
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
        "patches": _patches(one, hashlib.sha256(read.encode()).hexdigest(), denied),
    }
    return {
        "kustomization.yaml": yamltext.dump(overlay),
        "settings.yaml": settings_text,
        "config.yaml": config_text,
    }


def _patches(one: OneHub, checksum: str, denied: list[str]) -> list[dict[str, Any]]:
    hub = one.deployment.hub
    made = [
        _merge("Deployment", "hub", {"template": {"metadata": {"annotations": {"checksum/config": checksum}}}}),
        _merge("Deployment", "hub", {"template": {"spec": _pod(one)}}),
        _merge("Service", "proxy-public", {"type": hub.service}),
        *_networks(one, denied),
    ]
    if one.deployment.homes == "dynamic":
        made.append(_step("Role", "hub", "add", "/rules/-", CLAIMS_RULE))
    if one.deployment.internal_tls:
        made.append(_step("Role", "hub", "add", "/rules/-", internaltls.SERVERS_RULE))
        made.append(_merge("Deployment", "hub", {"template": {"spec": internaltls.hub_pod(one)}}))
    return made + _way_in(hub) + _https(hub)


def _pod(one: OneHub) -> dict[str, Any]:
    """Return the patch of the hub's pod. Kubernetes merges containers by name and mounts by path."""
    mounts: list[dict[str, Any]] = []
    changed: dict[str, Any] = {}
    if not one.first:
        # Two hubs may use the same NFS folder, so each gets its own subfolder.
        folder = f".kernelpod-hub-{one.name}"
        changed["initContainers"] = [{"name": "database", "env": [{"name": "FOLDER", "value": folder}]}]
        mounts += [
            {"name": "database", "mountPath": DATABASE_PLACE, "subPath": folder},
            {"mountPath": SERVICE_PLACE, "$patch": "delete"},
            {"name": "service-token", "mountPath": one.token_folder, "readOnly": True},
        ]
    if one.deployment.nfs.courses_files:
        claim = {"claimName": COURSES_FILES, "readOnly": True}
        changed["volumes"] = [{"name": COURSES_FILES, "persistentVolumeClaim": claim}]
        mounts.append({"name": COURSES_FILES, "mountPath": COURSES_PLACE, "readOnly": True})
    container = {"name": "hub", "env": [{"name": "KERNELPOD_HUB", "value": one.name}]}
    return {**changed, "containers": [{**container, **({"volumeMounts": mounts} if mounts else {})}]}


def _networks(one: OneHub, denied: list[str]) -> list[dict[str, Any]]:
    """Return patches of the policies that name the gateway's namespace or the internet.

    Rules have no names, so each of these policies has one purpose and its rules are replaced as a whole. A policy
    that allows nothing is still applied. If it were left out, an earlier version of it would stay in the cluster.
    """
    gateway = {"matchLabels": {"kubernetes.io/metadata.name": one.deployment.namespaces.gateway}}
    made = []
    for name, direction, side in (
        ("hub-from-gateway", "ingress", "from"),
        ("servers-to-gateway", "egress", "to"),
    ):
        rules = hubnetworks.rules(name, direction)
        for peer in (peer for rule in rules for peer in rule[side]):
            peer["namespaceSelector"] = gateway
        made.append(_step("NetworkPolicy", name, "replace", f"/spec/{direction}", rules))
    internet = hubnetworks.internet(denied) if one.deployment.hub.internet else []
    made.append(_step("NetworkPolicy", "servers-to-internet", "replace", "/spec/egress", internet))
    if not one.deployment.hub.internet:
        made.append(_step("NetworkPolicy", "servers-to-dns", "replace", "/spec/egress", []))
    return made


def _way_in(hub: DeployedHub) -> list[dict[str, Any]]:
    """Return patches that only allow clients from `allow_from`. For that, services must keep client addresses."""
    if not hub.allow_from:
        return []
    networks = [str(network) for network in hub.allow_from]
    rules = hubnetworks.rules("hub-public", "ingress")
    for rule in rules:
        rule["from"] = [{"ipBlock": {"cidr": network}} for network in networks]
    patches = [_step("NetworkPolicy", "hub-public", "replace", "/spec/ingress", rules)]
    if hub.service != "ClusterIP":
        patches.append(_merge("Service", "proxy-public", {"externalTrafficPolicy": "Local"}))
    if hub.service == "LoadBalancer":
        patches.append(_merge("Service", "proxy-public", {"loadBalancerSourceRanges": networks}))
    return patches


def _https(hub: DeployedHub) -> list[dict[str, Any]]:
    """Return patches that serve HTTPS on port 443: those of `hub/https/secret`, with the name of the Secret."""
    if not hub.https_secret:
        return []
    container = {
        "name": "hub",
        "readinessProbe": {"httpGet": {"scheme": "HTTPS"}},
        "volumeMounts": [{"name": "tls", "mountPath": TLS_PLACE, "readOnly": True}],
    }
    # The hub reads it through its group, the pod's fsGroup.
    volume = {"name": "tls", "secret": {"secretName": hub.https_secret, "defaultMode": 0o440}}
    ports = [{"port": 80, "$patch": "delete"}, {"name": "https", "port": 443, "targetPort": "public"}]
    return [
        _merge("Deployment", "hub", {"template": {"spec": {"containers": [container], "volumes": [volume]}}}),
        _merge("Service", "proxy-public", {"ports": ports}),
    ]


def _merge(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a strategic merge patch, which finds list items by name."""
    version = {"Deployment": "apps/v1", "Service": "v1"}[kind]
    return {
        "patch": yamltext.dump({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
    }


def _step(kind: str, name: str, verb: str, path: str, value: Any) -> dict[str, Any]:
    """Return a JSON patch, for lists that are replaced as a whole or appended to."""
    step = {"op": verb, "path": path, "value": value}
    return {"target": {"kind": kind, "name": name}, "patch": json.dumps([step])}
