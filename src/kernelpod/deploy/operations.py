"""Deploys, and rolls back."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from kernelpod.base import yamltext
from kernelpod.deploy import install, rendered, volumes, z2jh
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.internaltls import TlsSecret
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.release import release_of
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.watching import watched
from kernelpod.findings.finding import START, Finding
from kernelpod.settings.origins import shared_origin
from kernelpod.settings.sections import Settings


def check_cluster(cluster: Cluster) -> str:
    """Return the address of the cluster's API server. Raises ClusterError if it does not answer."""
    try:
        cluster.kubectl("version", seconds=15)
        return cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    except ClusterError as error:
        raise ClusterError(
            f"The cluster does not answer: {error.message}\nCheck KUBECONFIG, or `context:` in the file."
        ) from error


def intention(deployment: Deployment, server: str) -> list[str]:
    """Return lines that describe what `deploy` is about to do."""
    names, nfs, images = deployment.namespaces, deployment.nfs, deployment.images
    gateway = f"{images.named('gateway')}:{images.tag}"
    specs = f"{nfs.server}:{nfs.kernelspecs}/kernelspecs" if nfs.kernelspecs else "from the gateway's image"
    return [
        f"cluster     {server}",
        f"gateway     namespace {names.gateway}: release {deployment.release} ({gateway})"
        + (", without Helm" if deployment.without_helm else ""),
        f"kernels     namespace {names.kernels}",
        f"homes       {nfs.server}:{nfs.homes} ({deployment.homes})",
        f"kernelspecs {specs}",
        *(["inside      HTTPS; servers that still speak HTTP are ended"] if deployment.internal_tls else []),
        *(line for one in deployment.hubs() for line in _intention_of(one)),
    ]


def _intention_of(one: OneHub) -> list[str]:
    hub, images = one.deployment.hub, one.deployment.images
    how = {
        "manifests": f"JupyterHub ({images.named('hub')}:{images.tag}, service {hub.service})",
        "z2jh": f"Zero to JupyterHub {hub.z2jh.version} ({hub.z2jh.chart})",
        "none": "existing hub, not changed",
    }[hub.install]
    files = one.deployment.nfs.courses_files
    lists = f"those of {one.deployment.nfs.server}:{files}/{hub.courses}" if hub.courses else ""
    who = lists or ", ".join(hub.users) or "those of the authenticator"
    return [
        f"hub         namespace {one.deployment.namespaces.hub}: {how}",
        f"users       {who} ({hub.authenticator})",
    ]


def shared_origins(deployment: Deployment, file: Path) -> list[Finding]:
    """Return a warning for each hub whose users can act as each other by a page of their server."""
    hubs = [one for one in deployment.hubs() if one.deployment.hub.shares_its_origin]
    keys = ["hub" if one.first else f"more_hubs.{one.name}" for one in hubs]
    return [
        shared_origin(file, START, f"set {key}.subdomains: true and {key}.url (docs/https.md)") for key in keys
    ]


def render(cluster: Cluster, deployment: Deployment) -> dict[str, str]:
    """Return the text of what would be applied, by description. Values of Secrets are masked.

    Nothing is changed. Raises ClusterError for values that the chart rejects.
    """
    planned = _plan(cluster, deployment)
    made = {"values of the gateway's chart": planned.gateway}
    for one in deployment.hubs():
        if text := planned.hubs[one.name]:
            ours = one.deployment.hub.install == "manifests"
            of = "" if one.first else f" {one.name}"
            made[f"objects of the hub{of}" if ours else "values of Zero to JupyterHub"] = text
    shown = {what: rendered.without_secrets(text) for what, text in made.items()}
    if left := volumes.left_behind(cluster, deployment):
        shown["volumes that would be freed"] = "\n".join(f"# {name}" for name in left)
    return shown


class _Planned(NamedTuple):
    gateway: str
    """Values of the gateway's chart."""
    settings: Settings
    denied: list[str]
    """CIDR blocks that kernels and servers must not reach."""
    hubs: dict[str, str]
    """By hub: its objects, or values for Zero to JupyterHub without the password. Empty for an existing hub."""
    tls: list[TlsSecret]
    """The Secrets of `internal_tls`."""
    warnings: list[str]
    """What is risky: the file's own values for Zero to JupyterHub, and nodes without a limit of processes."""


def _plan(cluster: Cluster, deployment: Deployment) -> _Planned:
    """Return everything that will be applied. Errors are raised here, before anything is changed."""
    for one in deployment.hubs():
        install.check_https(cluster, one)
        _check_existing(cluster, one)
        if one.deployment.hub.install == "z2jh":
            z2jh.check_chart(cluster, one.deployment)
    install.check_lease(cluster, deployment)
    denied = rendered.all_denied(deployment, install.denied_addresses(cluster, deployment.nfs.server))
    values = yamltext.dump(rendered.chart_values(deployment, denied))
    completed = install.gateway_settings(cluster, deployment, values)
    release_of(cluster, deployment).check(values)
    tls = _planned_certificates(cluster, deployment, completed.settings)
    storage = [rendered.hub_storage(one.deployment, completed.settings) for one in deployment.own_hubs()]
    for made in (*storage, rendered.gateway_storage(deployment), rendered.kernels_storage(deployment)):
        volumes.check_ours(cluster, made)
    zero = deployment.hub.install == "z2jh"
    warnings = [*install.pid_warnings(cluster), *(z2jh.warnings(deployment, completed.settings) if zero else ())]
    hubs = {one.name: _planned_hub(cluster, one, completed, denied, tls) for one in deployment.hubs()}
    return _Planned(values, completed.settings, denied, hubs, tls, warnings)


def _check_existing(cluster: Cluster, one: OneHub) -> None:
    """Check that the namespace of an existing hub exists, since deploy does not create it. Raises ClusterError."""
    space = one.deployment.namespaces.hub
    if one.deployment.hub.install == "none" and cluster.get("namespace", space) is None:
        raise ClusterError(
            f"namespaces.hub: there is no namespace {space}, and with hub.install: none deploy creates none. "
            f"Name the namespace of your hub, or run: kubectl create namespace {space}"
        )


def _planned_certificates(cluster: Cluster, deployment: Deployment, settings: Settings) -> list[TlsSecret]:
    if not deployment.internal_tls:
        return []
    # Loads cryptography, which the gateway's process, whose command line loads this module, does without.
    from kernelpod.deploy import tlssecrets  # noqa: PLC0415

    return tlssecrets.plan(cluster, deployment, settings, datetime.now(timezone.utc))


def _planned_hub(
    cluster: Cluster, one: OneHub, completed: install.CompletedSettings, denied: list[str], tls: list[TlsSecret]
) -> str:
    if one.deployment.hub.install == "manifests":
        space = one.deployment.namespaces.hub
        certificates = "".join(secret.certificates for secret in tls if secret.namespace == space)
        return install.hub_objects(cluster, one, completed, denied, certificates)
    if one.deployment.hub.install == "z2jh":
        return yamltext.dump(z2jh.values(one.deployment, completed.settings, denied, password=""))
    return ""


def deploy(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    """Apply the file and wait until everything is ready. Can be repeated safely. Raises ClusterError."""
    with progress("values and settings checked"):
        planned = _plan(cluster, deployment)
    for text in planned.warnings:
        progress.say(f"warning: {text}")
    for name in volumes.left_behind(cluster, deployment):
        with progress(f"volume {name} freed, since its claim was deleted"):
            volumes.free(cluster, name)
    with progress("namespaces and secrets"):
        install.make_namespaces(cluster, deployment)
        for one in deployment.hubs():
            install.make_secrets(cluster, one)
        install.store_certificates(cluster, planned.tls)
        if storage := rendered.gateway_storage(deployment):
            cluster.apply_storage(storage)
    for one in deployment.own_hubs():
        space = one.deployment.namespaces.hub
        with progress("hub" if one.first else f"hub {one.name}"), watched(cluster, space, progress.say):
            if one.deployment.hub.install == "z2jh":
                z2jh.install(cluster, one, planned.settings, planned.denied)
            else:
                install.install_hub(cluster, one.deployment, planned.hubs[one.name])
    with progress("gateway"), watched(cluster, deployment.namespaces.gateway, progress.say):
        release_of(cluster, deployment).install(planned.gateway)
        if storage := rendered.kernels_storage(deployment):
            cluster.apply_storage(storage)


def rollback(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    """Roll hub and gateway back to before the last `deploy`. Raises ClusterError if there is no earlier state."""
    space, names = deployment.namespaces.gateway, deployment.namespaces
    if deployment.hub.install == "z2jh":
        raise ClusterError(
            f"With Zero to JupyterHub, roll back with helm: helm rollback {z2jh.RELEASE} -n {names.hub}, and "
            f"helm rollback {deployment.release} -n {names.gateway}"
        )
    release = release_of(cluster, deployment)
    spaces = [one.deployment.namespaces.hub for one in deployment.hubs()]
    known = {name: cluster.read_secret(install.DEPLOYED, name) for name in spaces}
    revision = int(known[names.hub].get("revision", "0"))
    if not (known[names.hub].get("previous") and revision):
        raise ClusterError("There is no earlier deployment to roll back to.")
    for name, kept in known.items():
        if not kept.get("previous"):
            continue  # a hub without an earlier state is kept
        with progress("hub" if name == names.hub else f"hub {name}"):
            cluster.apply(kept["previous"])
            swapped = {"current": kept["previous"], "previous": kept["current"]}
            now = str(release.revision())
            cluster.apply(rendered.secret(install.DEPLOYED, name, {**swapped, "revision": now}))
            install.wait_for_hub(cluster, name)
    with progress(f"gateway rolled back to revision {revision}"), watched(cluster, space, progress.say):
        release.roll_back(revision)
