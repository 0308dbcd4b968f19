"""What the commands do: bring a deployment up, take it one step back, remove it."""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from kernelpod.deploy import install, rendered, z2jh
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.settings import Deployment
from kernelpod.deploy.state import kernel_pods
from kernelpod.names import release_labels, selector

REMOVE_SECONDS = 180


def check(cluster: Cluster) -> str:
    """Return the address of the cluster's API server. Raises ClusterError if it does not answer."""
    try:
        cluster.kubectl("version", seconds=15)
        return cluster.kubectl("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    except ClusterError as error:
        raise ClusterError(
            f"The cluster does not answer: {error.message}\nSet KUBECONFIG, or `context:` in the file."
        ) from error


def intention(deployment: Deployment, server: str) -> list[str]:
    """Return what `deploy` is about to do, a line each."""
    names, nfs, hub = deployment.namespaces, deployment.nfs, deployment.hub
    images = deployment.images
    gateway = f"{images.named('gateway')}:{images.tag}"
    specs = f"{nfs.server}:{nfs.kernelspecs}/kernelspecs" if nfs.kernelspecs else "those of the gateway's image"
    how = {
        "manifests": f"JupyterHub ({images.named('hub')}:{images.tag}, service {hub.service})",
        "z2jh": f"Zero to JupyterHub {hub.z2jh.version} ({hub.z2jh.chart})",
        "none": "nothing; the hub is there already",
    }[hub.install]
    return [
        f"cluster     {server}",
        f"gateway     namespace {names.gateway}: release {deployment.release} ({gateway})",
        f"kernels     namespace {names.kernels}",
        f"hub         namespace {names.hub}: {how}",
        f"homes       {nfs.server}:{nfs.homes} ({deployment.homes})",
        f"kernelspecs {specs}",
        f"users       {', '.join(hub.users) or 'as the authenticator says'} ({hub.authenticator})",
    ]


def render(cluster: Cluster, deployment: Deployment) -> dict[str, str]:
    """Return what would be applied, by what it is for; what a Secret holds is left out.

    Nothing is changed. Raises ClusterError for values that the chart refuses.
    """
    planned = _plan(cluster, deployment)
    made = {"values of the gateway's chart": planned.gateway}
    if planned.hub:
        ours = deployment.hub.install == "manifests"
        made["objects of the hub" if ours else "values of Zero to JupyterHub"] = planned.hub
    return {what: rendered.without_secrets(text) for what, text in made.items()}


class _Planned(NamedTuple):
    gateway: str
    """Values of the gateway's chart."""
    settings: dict[str, Any]
    hub: str
    """Objects of our own hub, or values of Zero to JupyterHub without its password; empty for neither."""


def _plan(cluster: Cluster, deployment: Deployment) -> _Planned:
    """Return all that is applied; what does not fit is refused here, before anything is."""
    denied = install.denied_addresses(cluster, deployment.nfs.server)
    values = yaml.safe_dump(rendered.chart_values(deployment, denied), sort_keys=False)
    settings = install.gateway_settings(cluster, deployment, values)
    hub = ""
    if deployment.hub.install == "manifests":
        hub = install.hub_objects(cluster, deployment, settings, denied)
    elif deployment.hub.install == "z2jh":
        made = z2jh.values(deployment, settings, password="")
        hub = yaml.safe_dump(made, sort_keys=False, allow_unicode=True)
    return _Planned(values, settings, hub)


def deploy(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    """Bring everything to what the file says and return when it is ready; may be repeated. Raises ClusterError."""
    with progress("values and settings fit"):
        planned = _plan(cluster, deployment)
    with progress("namespaces and secrets"):
        install.make_namespaces(cluster, deployment)
        install.make_secrets(cluster, deployment)
    if deployment.hub.install != "none":
        with progress("hub"):
            if deployment.hub.install == "z2jh":
                z2jh.install(cluster, deployment, planned.settings)
            else:
                install.install_hub(cluster, deployment, planned.hub)
    with progress("gateway"):
        install.install_gateway(cluster, deployment, planned.gateway)


def rollback(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    """Take hub and gateway back to what they were before the last `deploy`. Raises ClusterError if nothing was."""
    space, names = deployment.namespaces.gateway, deployment.namespaces
    if deployment.hub.install == "z2jh":
        raise ClusterError(
            f"With Zero to JupyterHub go back by helm: helm rollback {z2jh.RELEASE} -n {names.hub}, and "
            f"helm rollback {deployment.release} -n {names.gateway}"
        )
    known = cluster.read_secret(install.DEPLOYED, names.hub)
    revision = int(known.get("revision", "0"))
    if not (known.get("previous") and revision):
        raise ClusterError("There is nothing to go back to: one `deploy` is known, or none.")
    with progress("hub"):
        cluster.apply(known["previous"])
        swapped = {"current": known["previous"], "previous": known["current"]}
        now = str(install.gateway_revision(cluster, deployment))
        cluster.apply(rendered.secret(install.DEPLOYED, names.hub, {**swapped, "revision": now}))
        install.wait_for_hub(cluster, names.hub)
    with progress(f"gateway, as in revision {revision}"):
        wait = ("--wait", "--timeout", f"{WAIT_SECONDS}s")
        cluster.helm(
            *("rollback", deployment.release, str(revision), "-n", space, *wait), seconds=WAIT_SECONDS + 30
        )


def destroy(cluster: Cluster, deployment: Deployment, progress: Progress, *, homes: bool) -> None:
    """Remove hub, gateway, kernels and volumes; the files of homes only if `homes`. Raises ClusterError."""
    names = deployment.namespaces
    if homes:
        with progress(f"files of all homes in {deployment.nfs.server}:{deployment.nfs.homes}"):
            _delete_homes(cluster, deployment)
    with progress(f"hub and servers ({names.hub})"):
        _remove(cluster, names.hub)
    with progress(f"gateway and kernels ({names.gateway}, {names.kernels})"):
        cluster.helm(
            *("uninstall", deployment.release, "-n", names.gateway, "--ignore-not-found", "--wait"),
            seconds=REMOVE_SECONDS,
        )
        # One that the chart did not make stays.
        if (cluster.get("namespace", names.kernels) or {}).get("status", {}).get("phase") == "Terminating":
            waited = (f"namespace/{names.kernels}", f"--timeout={REMOVE_SECONDS}s")
            cluster.kubectl("wait", "--for=delete", *waited, seconds=REMOVE_SECONDS + 10)
        _remove(cluster, names.gateway)
    with progress("volumes; the files stay" if not homes else "volumes"):
        cluster.kubectl(
            *("delete", "persistentvolume", "--ignore-not-found", *rendered.volume_names(deployment)),
            seconds=REMOVE_SECONDS,
        )


def running(cluster: Cluster, deployment: Deployment) -> str:
    """Return what of users' would be lost by `destroy`, in words; empty if nothing."""
    kernels = len(kernel_pods(cluster, deployment))
    servers = len(cluster.items("pods", deployment.namespaces.hub, "component=singleuser-server"))
    return f"{servers} servers and {kernels} kernels run" if servers or kernels else ""


def _remove(cluster: Cluster, space: str) -> None:
    """Remove a namespace that `deploy` made; of another one only what `deploy` put there."""
    found: dict[str, Any] | None = cluster.get("namespace", space)
    if found is None:
        return
    if rendered.MANAGED.items() <= found["metadata"].get("labels", {}).items():
        cluster.kubectl("delete", "namespace", space, "--wait=true", seconds=REMOVE_SECONDS)
        return
    if manifests := cluster.read_secret(install.DEPLOYED, space).get("current"):
        cluster.kubectl("delete", "--ignore-not-found", "-f", "-", given=manifests, seconds=REMOVE_SECONDS)
    ours = ",".join(f"{key}={value}" for key, value in rendered.MANAGED.items())
    cluster.kubectl("delete", "secrets,persistentvolumeclaims", "-n", space, "-l", ours, seconds=REMOVE_SECONDS)


def _delete_homes(cluster: Cluster, deployment: Deployment) -> None:
    space, pod = deployment.namespaces.hub, rendered.deleting_pod(deployment)
    name = pod["metadata"]["name"]
    cluster.kubectl("delete", "deployment/hub", "-n", space, "--ignore-not-found", "--wait=true")
    writers = {
        space: "component=singleuser-server",
        deployment.namespaces.kernels: selector(release_labels(deployment.release)),
    }
    for where, labels in writers.items():
        cluster.kubectl("delete", "pods", "-n", where, "-l", labels, "--wait=true", seconds=REMOVE_SECONDS)
    cluster.kubectl("delete", "pod", name, "-n", space, "--ignore-not-found", "--wait=true")
    cluster.apply(pod)
    try:
        cluster.kubectl(
            *("wait", f"pod/{name}", "-n", space, "--for=jsonpath={.status.phase}=Succeeded"),
            *(f"--timeout={REMOVE_SECONDS}s",),
            seconds=REMOVE_SECONDS + 10,
        )
    except ClusterError as error:
        said = cluster.kubectl("logs", name, "-n", space)
        raise ClusterError(f"Not every home could be deleted, nothing else was removed: {said[-500:]}") from error
