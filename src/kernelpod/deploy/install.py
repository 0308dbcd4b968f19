"""The steps of a deployment in order. Each step can be repeated safely."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path
from shutil import copytree
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from kernelpod.base import shipped, yamltext
from kernelpod.base.names import lease_name
from kernelpod.deploy import hubsecrets, overlay, rendered
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.internaltls import TlsSecret
from kernelpod.deploy.release import release_of
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.watching import said_in
from kernelpod.errors import SettingsError
from kernelpod.findings.sentences import sentences
from kernelpod.settings.sections import Settings

NFS_PORT = 2049
# Nodes that are asked for their configuration; a large cluster has the same on all.
MOST_ASKED = 10
DEPLOYED = "kernelpod-deployed"
"""Secret in the hub's namespace for `rollback`: `current` and `previous` objects, and the gateway's `revision`."""


def denied_addresses(cluster: Cluster, nfs_server: str) -> list[str]:
    """Return the CIDR blocks that kernels and servers must not reach: NFS server, nodes and API servers.

    Raises ClusterError if the NFS server's name is not found from this machine.
    """
    nodes = [
        address["address"]
        for node in cluster.items("nodes")
        for address in node["status"].get("addresses", [])
        if address["type"] in ("InternalIP", "ExternalIP")
    ]
    slices = cluster.items("endpointslices", "default", "kubernetes.io/service-name=kubernetes")
    servers = [address for one in slices for endpoint in one["endpoints"] for address in endpoint["addresses"]]
    return as_networks([*addresses_of(nfs_server), *nodes, *servers])


def check_lease(cluster: Cluster, deployment: Deployment) -> None:
    """Check that a gateway that runs knows of the lease if there are to be several. Raises ClusterError."""
    if (deployment.values.get("replicaCount") or 1) < 2:
        return
    ours = f"app.kubernetes.io/instance={deployment.release}"
    runs = cluster.items("deployments", deployment.namespaces.gateway, ours)
    if runs and not cluster.get("lease", lease_name(deployment.release), deployment.namespaces.kernels):
        raise ClusterError(
            "values.replicaCount: the gateway that runs is of a version without a lease, and would go on to end "
            "kernels beside new ones. Upgrade with replicaCount: 1 first, and then to several."
        )


def pid_warnings(cluster: Cluster) -> list[str]:
    """Return a warning if kubelets let a pod take all process ids of its node, as far as they can be asked."""
    names = [node["metadata"]["name"] for node in cluster.items("nodes")][:MOST_ASKED]
    if not (unlimited := [name for name in names if _has_no_pid_limit(cluster, name)]):
        return []
    more = f" and {len(unlimited) - 1} more" if len(unlimited) > 1 else ""
    return [
        f"node {unlimited[0]}{more}: one kernel can take all process ids there; set podPidsLimit, such as 4096, "
        "in the kubelet's configuration"
    ]


def _has_no_pid_limit(cluster: Cluster, node: str) -> bool:
    try:
        said = json.loads(cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz", seconds=15))
        return int(said["kubeletconfig"]["podPidsLimit"]) <= 0
    except (ClusterError, ValueError, KeyError, TypeError):
        return False  # the node is away, or who deploys may not ask it


def addresses_of(nfs_server: str) -> list[str]:
    """Return the addresses of the NFS server, given by name or address. Raises ClusterError if there are none."""
    if _is_address(nfs_server):
        return [nfs_server]
    try:
        found = socket.getaddrinfo(nfs_server, NFS_PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ClusterError(
            f"nfs.server: this machine does not find the name {nfs_server}, so the network policies cannot keep "
            "kernels from its addresses. Give the server's address, or put its name into /etc/hosts here."
        ) from error
    return sorted({str(place[0]).partition("%")[0] for *_, place in found})


def as_networks(hosts: list[str]) -> list[str]:
    """Return those of the hosts that are addresses, each once, as CIDR blocks."""
    return [str(ip_network(host)) for host in dict.fromkeys(hosts) if _is_address(host)]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class CompletedSettings(NamedTuple):
    """The gateway's settings, completed by the chart: as text, which hubs get unchanged, and as a model."""

    text: str
    settings: Settings


def gateway_settings(cluster: Cluster, deployment: Deployment, values: str) -> CompletedSettings:
    """Return the settings, completed by the chart. Raises ClusterError, SettingsError."""
    return completed_settings(release_of(cluster, deployment).config_map(values))


def completed_settings(config_map: str) -> CompletedSettings:
    """Return the settings of the chart's ConfigMap. Raises SettingsError if they are invalid."""
    found = yaml.safe_load(yaml.safe_load(config_map)["data"]["settings.yaml"])
    try:
        return CompletedSettings(yamltext.dump(found), Settings.model_validate(found))
    except ValidationError as error:
        lines = [f"  settings.{line}" for line in sentences(error, Settings)]
        raise SettingsError("\n".join(["The chart's settings are invalid:", *lines])) from error


def hub_objects(
    cluster: Cluster, one: OneHub, completed: CompletedSettings, denied: list[str], certificates: str
) -> str:
    """Return all objects of the hub except its tokens and certificates, as YAML.

    Raises ClusterError if kustomize fails.
    """
    with tempfile.TemporaryDirectory(prefix="kernelpod-") as folder:
        copytree(shipped.hub_manifests(), Path(folder, "base"))
        made = Path(folder, "overlay")
        made.mkdir()
        for name, text in overlay.hub_overlay(one, completed.text, denied, certificates).items():
            (made / name).write_text(text, encoding="utf-8")
        objects = cluster.kubectl("kustomize", str(made))
    storage = yamltext.dump_all(rendered.hub_storage(one.deployment, completed.settings))
    return f"{storage}---\n{objects}"


def check_https(cluster: Cluster, one: OneHub) -> None:
    """Check that the hub's certificate and key exist if `https_secret` is set. Raises ClusterError."""
    name, space = one.deployment.hub.https_secret, one.deployment.namespaces.hub
    if name is None:
        return
    secret = cluster.get("secret", name, space)
    if secret is None:
        words = [f"kubectl create secret tls {name} -n {space} --cert=tls.crt --key=tls.key"]
        if cluster.get("namespace", space) is None:
            words.insert(0, f"kubectl create namespace {space}")
        told = "\n".join(f"  {text}" for text in words)
        raise ClusterError(f"https_secret: there is no Secret {name} in the namespace {space}. Run:\n{told}")
    if missing := {"tls.crt", "tls.key"} - secret.get("data", {}).keys():
        raise ClusterError(
            f"https_secret: the Secret {name} in the namespace {space} lacks {' and '.join(sorted(missing))}; "
            "`kubectl create secret tls` makes one with both"
        )


def make_namespaces(cluster: Cluster, deployment: Deployment) -> None:
    """Create missing namespaces of gateway and installed hubs. The chart creates the kernels' namespace."""
    for one in rendered.namespaces(deployment):
        if cluster.get("namespace", one["metadata"]["name"]) is None:
            cluster.apply(one)


def make_secrets(cluster: Cluster, one: OneHub) -> None:
    """Create a hub's missing tokens. Existing ones are never changed, since that would log all users out.

    The gateway's copy is updated if the hub's token differs, as in a new namespace. Zero to JupyterHub creates its
    own tokens.
    """
    deployment, names = one.deployment, one.deployment.namespaces
    if deployment.hub.install == "z2jh":
        return
    copy = cluster.read_secret(one.gateway_secret, names.gateway)
    if deployment.hub.install != "none":
        token = _make_tokens(cluster, names.hub, trial=deployment.hub.authenticator == rendered.DUMMY)
        if copy.get("token") != token:
            wanted = rendered.secret(one.gateway_secret, names.gateway, {"token": token})
            cluster.kubectl("replace" if copy else "create", "-f", "-", given=wanted)
    elif not copy:
        raise ClusterError(
            f"The hub's service token is missing. Run: kubectl -n {names.gateway} create secret generic "
            f"{one.gateway_secret} --from-literal=token=<the token of the hub's service>"
        )


def _make_tokens(cluster: Cluster, space: str, *, trial: bool) -> str:
    """Create the hub's missing tokens, and return the token of its service."""
    there = cluster.get("secret", rendered.HUB_TOKENS, space)
    if there is None:
        made = {key: hubsecrets.fresh() for key in (*hubsecrets.VARIABLES, "service_token")}
        if trial:
            made["trial_password"] = secrets.token_urlsafe(12)
        cluster.kubectl("create", "-f", "-", given=rendered.secret(rendered.HUB_TOKENS, space, made))
        return made["service_token"]
    if "service_token" not in (known := there.get("data", {})):
        raise ClusterError(
            f"The Secret {rendered.HUB_TOKENS} in the namespace {space} has no service_token, so it belongs to "
            "another kind of hub. Use another namespace for the hub, or delete the Secret."
        )
    if "crypt_key" not in known:
        # Older deployments have no crypt key. With resourceVersion, the patch fails if the Secret has changed.
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "stringData": {"crypt_key": hubsecrets.fresh()}}
        cluster.patch("secret", rendered.HUB_TOKENS, space, patch)
    return base64.b64decode(known["service_token"]).decode()


def store_certificates(cluster: Cluster, planned: list[TlsSecret]) -> None:
    """Create or replace the Secrets of internal TLS whose values change."""
    for one in planned:
        if one.values != one.former:
            wanted = rendered.secret(one.name, one.namespace, one.values)
            # Not `apply`, which would keep a copy of the keys in an annotation.
            cluster.kubectl("create" if one.former is None else "replace", "-f", "-", given=wanted)


def install_hub(cluster: Cluster, deployment: Deployment, manifests: str) -> None:
    """Apply the hub's objects, store the previous ones, and wait until the hub is ready. Raises ClusterError."""
    space = deployment.namespaces.hub
    former = {
        "previous": cluster.read_secret(DEPLOYED, space).get("current", ""),
        "revision": str(release_of(cluster, deployment).revision()),
    }
    cluster.apply_storage([one for one in yaml.safe_load_all(manifests) if one])
    cluster.apply(manifests)
    cluster.apply(rendered.secret(DEPLOYED, space, {"current": manifests, **former}))
    wait_for_hub(cluster, space)


def wait_for_hub(cluster: Cluster, space: str) -> None:
    """Wait until the hub is ready. Raises ClusterError with the warnings of its namespace."""
    try:
        cluster.kubectl(
            *("rollout", "status", "deployment/hub", "-n", space, f"--timeout={WAIT_SECONDS}s"),
            seconds=WAIT_SECONDS + 10,
        )
    except ClusterError as error:
        raise ClusterError(f"The hub does not start. {said_in(cluster, space)}") from error
