"""The gateway's chart as it is installed in a cluster: a release of Helm, or objects that kubectl applied."""

from __future__ import annotations

import json
from typing import Any, Protocol

from kernelpod.base import shipped
from kernelpod.base.names import selector
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError, is_without_helm
from kernelpod.deploy.settings import Deployment
from kernelpod.deploy.watching import said_in
from kernelpod.deploy.withouthelm.release import PlainRelease

REMOVE_SECONDS = 180


class Release(Protocol):
    """The chart in a cluster. All methods raise ClusterError if a command fails."""

    def config_map(self, values: str) -> str:
        """Return the ConfigMap with the gateway's settings, as the chart makes it of these values.

        Raises KernelpodError with the chart's words if it refuses the values.
        """

    def check(self, values: str) -> None:
        """Check what would keep the cluster from taking the chart, and change nothing."""

    def install(self, values: str) -> None:
        """Install or upgrade the chart, and return when the gateway is ready."""

    def revision(self) -> int:
        """Return the number of the last installation, upgrade or rollback; 0 if there was none."""

    def roll_back(self, revision: int) -> None:
        """Return to an earlier revision, as a new one, and wait until the gateway is ready."""

    def uninstall(self) -> None:
        """Remove all that the chart has made, and return when it is gone."""

    def status(self) -> str:
        """Return "deployed" or "applied", or why it is not, and the revision; empty if there is none."""

    def volumes(self) -> list[dict[str, Any]]:
        """Return the persistent volumes of the cluster that the chart has made."""


def release_of(cluster: Cluster, deployment: Deployment) -> Release:
    """Return the release of a deployment: without Helm if the file says so, or if it was installed so.

    Raises ClusterError if the file says so and Helm has installed it.
    """
    space = deployment.namespaces.gateway
    if is_without_helm(cluster, deployment):
        return PlainRelease(cluster, deployment)
    if not deployment.without_helm:
        return HelmRelease(cluster, deployment)
    if cluster.items("secrets", space, f"owner=helm,name={deployment.release}"):
        raise ClusterError(
            f"The gateway in the namespace {space} is a release of Helm. Leave out --without-helm, and "
            "`without_helm` of the file. To do without it, first run `kernelpod destroy`, which ends its kernels."
        )
    return PlainRelease(cluster, deployment)


class HelmRelease:
    """A release of Helm."""

    def __init__(self, cluster: Cluster, deployment: Deployment) -> None:
        self._cluster, self._name = cluster, deployment.release
        self._space = deployment.namespaces.gateway

    def config_map(self, values: str) -> str:
        """Return the ConfigMap of the chart; see `Release`."""
        version = json.loads(self._cluster.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        return self._cluster.helm(
            *("template", self._name, str(shipped.chart()), "-n", self._space),
            *("-f", "-", "--show-only", "templates/gateway/configmap.yaml", "--kube-version", version),
            given=values,
        )

    def check(self, values: str) -> None:
        """Do nothing: Helm checks when it installs."""

    def install(self, values: str) -> None:
        """Install or upgrade the chart; see `Release`."""
        self._wait_for("upgrade", "--install", self._name, str(shipped.chart()), "-f", "-", given=values)

    def revision(self) -> int:
        """Return the deployed revision, or 0."""
        return next((int(one["revision"]) for one in self._listed("--deployed")), 0)

    def roll_back(self, revision: int) -> None:
        """Roll back; see `Release`."""
        self._wait_for("rollback", self._name, str(revision))

    def uninstall(self) -> None:
        """Uninstall the release; see `Release`."""
        self._cluster.helm(
            *("uninstall", self._name, "-n", self._space, "--ignore-not-found", "--wait"), seconds=REMOVE_SECONDS
        )

    def status(self) -> str:
        """Return Helm's status and the revision, or nothing."""
        return next((f"{one['status']}, revision {one['revision']}" for one in self._listed("--all")), "")

    def volumes(self) -> list[dict[str, Any]]:
        """Return the release's volumes."""
        chart = {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": self._name}
        # Releases in two namespaces may have the same name. Helm tells their objects apart by this annotation.
        space = ("meta.helm.sh/release-namespace", self._space)
        found = self._cluster.items("persistentvolumes", selector=selector(chart))
        return [one for one in found if space in one["metadata"].get("annotations", {}).items()]

    def _listed(self, which: str) -> list[dict[str, Any]]:
        words = ("list", "-n", self._space, which, "--filter", f"^{self._name}$", "-o", "json")
        found: list[dict[str, Any]] = json.loads(self._cluster.helm(*words))
        return found

    def _wait_for(self, *words: str, given: str | None = None) -> None:
        """Run helm and wait for the pods. Raises ClusterError with the warnings of the namespace."""
        wait = ("-n", self._space, "--wait", "--timeout", f"{WAIT_SECONDS}s")
        try:
            self._cluster.helm(*words, *wait, given=given, seconds=WAIT_SECONDS + 30)
        except ClusterError as error:
            raise ClusterError(f"{error.message}\n{said_in(self._cluster, self._space)}") from error
