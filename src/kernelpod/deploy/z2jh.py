"""Installs Zero to JupyterHub with helm (`hub.install: z2jh`), with values made from the gateway's settings."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import yaml

from kernelpod.base import hubnetworks
from kernelpod.base.merging import merged
from kernelpod.deploy import overlay, rendered
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.install import DEPLOYED
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.usernames import check_names
from kernelpod.deploy.watching import said_in
from kernelpod.deploy.z2jhdatabase import database_values
from kernelpod.errors import SettingsError
from kernelpod.findings.finding import START
from kernelpod.findings.yamlfile import Spot, YamlTree
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import overrides
from kernelpod.z2jh.values import z2jh_values

RELEASE = "hub"
# The name `hub` is taken: the chart stores the tokens of all services in its own Secret of that name.
TRIAL = "kernelpod-trial"
SERVERS = "component=singleuser-server"


def check_chart(cluster: Cluster, deployment: Deployment) -> None:
    """Check that the chart is of the version that the file names, for which the values are made.

    Raises SettingsError if it is not, ClusterError if there is no such chart.
    """
    named = deployment.hub.z2jh.version
    found = yaml.safe_load(cluster.helm("show", "chart", *_chart(deployment))) or {}
    version = str(found.get("version"))
    if version.removeprefix("v").split(".")[:2] != named.removeprefix("v").split(".")[:2]:
        raise SettingsError(
            f"hub.z2jh.version is {named}, but the chart {deployment.hub.z2jh.chart} is {version}, which may need "
            f"other values; set hub.z2jh.version: {version}"
        )


def _chart(deployment: Deployment) -> tuple[str, ...]:
    """Return helm's words for the chart."""
    hub = deployment.hub.z2jh
    return (hub.chart, *(("--repo", hub.repository) if hub.repository else ()), "--version", hub.version)


def values(deployment: Deployment, settings: Settings, denied: list[str], password: str) -> dict[str, Any]:
    """Return the values for the chart. Servers cannot reach `denied` addresses.

    Raises SettingsError for settings that values cannot express, and for users who could not log in.
    """
    made = merged(_generated(deployment, settings, denied), _given(deployment))
    config = made["hub"]["config"]
    check_names(config, [deployment.smoke.user])
    if password:
        config["DummyAuthenticator"] = {"password": password, **config.get("DummyAuthenticator", {})}
    return made


def warnings(deployment: Deployment, settings: Settings) -> list[str]:
    """Return what the file's own values change that is risky. Raises SettingsError if they break the hub."""
    theirs = YamlTree(_given(deployment), {(): Spot(Path(), START)})
    found = overrides(_generated(deployment, settings, []), theirs, deployment.hub.z2jh.version)
    if wrong := [f"  {one.text}" for one in found if one.level == "error"]:
        raise SettingsError("\n".join(["The file's hub.config or hub.z2jh.values would break the hub:", *wrong]))
    return [one.text for one in found if one.level == "warning"]


def _generated(deployment: Deployment, settings: Settings, denied: list[str]) -> dict[str, Any]:
    image = f"{deployment.images.named('singleuser')}:{deployment.images.tag}"
    internet = hubnetworks.internet(denied) if deployment.hub.internet else []
    made = z2jh_values(
        settings,
        deployment.namespaces.gateway,
        image,
        hub_name=deployment.hub_name,
        chart_version=deployment.hub.z2jh.version,
        internet=internet,
    )
    proxy: dict[str, Any] = {"service": {"type": deployment.hub.service}}
    if name := deployment.hub.https_secret:
        proxy["https"] = {"enabled": True, "type": "secret", "secret": {"name": name}}
    database = database_values(deployment)
    if volumes := [*made["hub"].get("extraVolumes", ()), *database.get("extraVolumes", ())]:
        database["extraVolumes"] = volumes
    return merged(made, {"hub": database, "proxy": proxy})


def _given(deployment: Deployment) -> dict[str, Any]:
    """Return the values that are the file's own: its users, configuration and values."""
    config = overlay.hub_config(deployment)
    # The chart sets the image from its own value.
    del config["KubeSpawner"]["image"]
    return merged({"hub": {"config": config}}, deployment.hub.z2jh.values)


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
    names = deployment.namespaces
    if storage := rendered.hub_storage(deployment, settings):
        cluster.apply(storage)
    made = values(deployment, settings, denied, trial_password(cluster, deployment))
    cluster.apply(rendered.secret(DEPLOYED, names.hub, {"release": RELEASE}))
    try:
        cluster.helm(
            *("upgrade", "--install", RELEASE, *_chart(deployment), "-n", names.hub),
            *("-f", "-", "--wait", "--timeout", f"{WAIT_SECONDS}s"),
            given=made,
            seconds=WAIT_SECONDS + 30,
        )
    except ClusterError as error:
        raise ClusterError(f"{error.message}\n{said_in(cluster, names.hub)}") from error
    service = settings.hub(deployment.hub_name).service
    token = cluster.read_secret("hub", names.hub).get(f"hub.services.{service}.apiToken")
    if not token:
        raise ClusterError(
            f"The chart did not create a token for the service {service} (Secret hub in {names.hub})."
        )
    cluster.apply(rendered.secret(one.gateway_secret, names.gateway, {"token": token}))


def uninstall(cluster: Cluster, space: str) -> None:
    """Remove the chart's release, then the servers, which the hub created. Raises ClusterError.

    A release that deploy did not install is kept: neither the namespace nor a Secret in it is deploy's.
    """
    labels = (cluster.get("namespace", space) or {"metadata": {}})["metadata"].get("labels", {})
    if not (rendered.MANAGED.items() <= labels.items() or cluster.read_secret(DEPLOYED, space).get("release")):
        return
    cluster.helm(
        *("uninstall", RELEASE, "-n", space, "--ignore-not-found", "--wait"),
        *("--timeout", f"{WAIT_SECONDS}s"),
        seconds=WAIT_SECONDS + 30,
    )
    words = ("-n", space, "-l", SERVERS, "--ignore-not-found", "--wait=true")
    cluster.kubectl("delete", "pods", *words, seconds=WAIT_SECONDS)
