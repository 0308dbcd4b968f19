"""Installs Zero to JupyterHub with helm (`hub.install: z2jh`), with values made from the gateway's settings."""

from __future__ import annotations

import secrets
from typing import Any

from kernelpod.base import hubnetworks
from kernelpod.base.merging import merged
from kernelpod.deploy import overlay, rendered
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values

RELEASE = "hub"
# The name `hub` is taken: the chart stores the tokens of all services in its own Secret of that name.
TRIAL = "kernelpod-trial"
# Labels of the servers of the chart's hub.
SERVERS = "app=jupyterhub,component=singleuser-server"


def values(deployment: Deployment, settings: Settings, denied: list[str], password: str) -> dict[str, Any]:
    """Return the values for the chart. Servers cannot reach `denied` addresses.

    Raises SettingsError for settings that values cannot express.
    """
    image = f"{deployment.images.named('singleuser')}:{deployment.images.tag}"
    internet = hubnetworks.internet(denied) if deployment.hub.internet else []
    version = deployment.hub.z2jh.version
    made = z2jh_values(settings, deployment.namespaces.gateway, image, chart_version=version, internet=internet)
    config = overlay.hub_config(deployment)
    # The chart sets the image from its own value.
    del config["KubeSpawner"]["image"]
    if password:
        config["DummyAuthenticator"] = {"password": password, **config.get("DummyAuthenticator", {})}
    proxy: dict[str, Any] = {"service": {"type": deployment.hub.service}}
    if name := deployment.hub.https_secret:
        proxy["https"] = {"enabled": True, "type": "secret", "secret": {"name": name}}
    ours = {"hub": {"config": config}, "proxy": proxy}
    return merged(merged(made, ours), deployment.hub.z2jh.values)


def trial_password(cluster: Cluster, deployment: Deployment) -> str:
    """Return the password of all users, which is created once. Empty unless the authenticator is `dummy`."""
    if deployment.hub.authenticator != rendered.DUMMY:
        return ""
    space = deployment.namespaces.hub
    if not (known := cluster.read_secret(TRIAL, space)):
        known = {"trial_password": secrets.token_urlsafe(12)}
        cluster.kubectl("create", "-f", "-", given=rendered.secret(TRIAL, space, known))
    return known["trial_password"]


def install(cluster: Cluster, one: OneHub, settings: Settings, denied: list[str]) -> None:
    """Install or upgrade the chart, and copy its token for the gateway to the gateway. Raises ClusterError."""
    deployment = one.deployment
    hub, names = deployment.hub.z2jh, deployment.namespaces
    if storage := rendered.hub_storage(deployment, settings):
        cluster.apply(storage)
    made = values(deployment, settings, denied, trial_password(cluster, deployment))
    where = ("--repo", hub.repository) if hub.repository else ()
    cluster.helm(
        *("upgrade", "--install", RELEASE, hub.chart, *where, "--version", hub.version, "-n", names.hub),
        *("-f", "-", "--wait", "--timeout", f"{WAIT_SECONDS}s"),
        given=made,
        seconds=WAIT_SECONDS + 30,
    )
    service = settings.hubs[0].service
    token = cluster.read_secret("hub", names.hub).get(f"hub.services.{service}.apiToken")
    if not token:
        raise ClusterError(
            f"The chart did not create a token for the service {service} (Secret hub in {names.hub})."
        )
    cluster.apply(rendered.secret(one.gateway_secret, names.gateway, {"token": token}))


def uninstall(cluster: Cluster, space: str) -> None:
    """Remove the chart's release, then the servers, which the hub created. Raises ClusterError."""
    cluster.helm(
        *("uninstall", RELEASE, "-n", space, "--ignore-not-found", "--wait"),
        *("--timeout", f"{WAIT_SECONDS}s"),
        seconds=WAIT_SECONDS + 30,
    )
    words = ("-n", space, "-l", SERVERS, "--ignore-not-found", "--wait=true")
    cluster.kubectl("delete", "pods", *words, seconds=WAIT_SECONDS)
