"""The gateway's chart as objects that kubectl applies. A Secret beside the gateway keeps the last revisions."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import yaml

from kernelpod.base import shipped, yamltext
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.settings import Deployment
from kernelpod.deploy.watching import said_in
from kernelpod.deploy.withouthelm.chart import SERVICE, oldest_kubernetes, rendered

KEPT_REVISIONS = 5
REMOVE_SECONDS = 180
# The key of what is being applied. It stays if that fails, so that the next deploy removes what is left of it.
_PENDING = "pending"
_MANAGED_BY = "app.kubernetes.io/managed-by"

Object = dict[str, Any]


class _Kept(NamedTuple):
    """What the Secret holds: manifests by revision, those that are being applied, and the Secret's own version."""

    revisions: dict[int, str]
    pending: str
    version: str

    def objects(self) -> list[Object]:
        """Return all objects that may be in the cluster, later ones first."""
        texts = [self.pending, *(self.revisions[number] for number in sorted(self.revisions, reverse=True))]
        found = [one for text in texts for one in reversed(list(yaml.safe_load_all(text))) if one]
        return list({_identity(one): one for one in found}.values())


class PlainRelease:
    """The chart's objects, applied by kubectl. See `Release`."""

    def __init__(self, cluster: Cluster, deployment: Deployment) -> None:
        self._cluster, self._deployment = cluster, deployment
        self._space, self._secret = deployment.namespaces.gateway, deployment.manifests_secret

    def objects(self, values: str) -> list[Object]:
        """Return the objects that the chart makes of these values, in the order in which they can be created.

        Raises KernelpodError if it refuses the values.
        """
        given = yaml.safe_load(values) or {}
        return rendered(shipped.chart(), given, self._deployment.release, self._space)

    def config_map(self, values: str) -> str:
        """Return the ConfigMap of the chart."""
        return yamltext.dump(next(one for one in self.objects(values) if one["kind"] == "ConfigMap"))

    def install(self, values: str) -> None:
        """Apply the chart's objects, and remove those that it does not have any more."""
        made = self.objects(values)
        self._check_version()
        self._check_ours(made)
        self._apply(made)

    def revision(self) -> int:
        """Return the last revision, or 0."""
        return max(self._kept().revisions, default=0)

    def roll_back(self, revision: int) -> None:
        """Apply the objects of an earlier revision, as a new one."""
        kept = self._kept().revisions
        if revision not in kept:
            raise ClusterError(
                f"The manifests of revision {revision} are not kept any more. Deploy with the file as it was then."
            )
        self._apply(list(yaml.safe_load_all(kept[revision])))

    def uninstall(self) -> None:
        """Delete all objects of the kept revisions."""
        if objects := self._kept().objects():
            self._delete(objects)
        self._cluster.kubectl("delete", "secret", self._secret, "-n", self._space, "--ignore-not-found")

    def status(self) -> str:
        """Return whether the last `deploy` has ended, and the revision."""
        kept = self._kept()
        revision = max(kept.revisions, default=0)
        if kept.pending:
            return f"incomplete, revision {revision + 1}"
        return f"deployed, revision {revision}, without Helm" if revision else ""

    def volumes(self) -> list[Object]:
        """Return the volumes of the kept revisions that exist."""
        names = {one["metadata"]["name"] for one in self._kept().objects() if one["kind"] == "PersistentVolume"}
        return [one for one in self._cluster.items("persistentvolumes") if one["metadata"]["name"] in names]

    def _apply(self, made: list[Object]) -> None:
        """Apply objects as the next revision, and remove what they do not hold of earlier ones."""
        kept = self._kept()
        text = yamltext.dump_all(made)
        pending = self._store(kept._replace(pending=text))
        try:
            self._cluster.apply(text)
            for one in made:
                if one["kind"] == "Deployment":
                    self._wait_for(one["metadata"]["name"])
            staying = {_identity(one) for one in made}
            if gone := [one for one in kept.objects() if _identity(one) not in staying]:
                self._delete(gone)
        except ClusterError as error:
            raise ClusterError(f"{error.message}\n{said_in(self._cluster, self._space)}") from error
        revisions = {**kept.revisions, max(kept.revisions, default=0) + 1: text}
        newest = sorted(revisions)[-KEPT_REVISIONS:]
        self._store(_Kept({number: revisions[number] for number in newest}, "", pending))

    def _wait_for(self, name: str) -> None:
        self._cluster.kubectl(
            *("rollout", "status", f"deployment/{name}", "-n", self._space, f"--timeout={WAIT_SECONDS}s"),
            seconds=WAIT_SECONDS + 10,
        )

    def _delete(self, objects: list[Object]) -> None:
        self._cluster.kubectl(
            "delete", "--ignore-not-found", "--wait=true", "-f", "-", given=objects, seconds=REMOVE_SECONDS
        )

    def _check_version(self) -> None:
        found = json.loads(self._cluster.kubectl("version", "-o", "json"))["serverVersion"]
        oldest = oldest_kubernetes(shipped.chart())
        # Some clusters write the minor version as in "30+".
        if (int(found["major"]), int(found["minor"].rstrip("+"))) < oldest:
            raise ClusterError(
                f"Kubernetes {found['gitVersion']} is too old: the gateway needs {oldest[0]}.{oldest[1]} or newer."
            )

    def _check_ours(self, made: list[Object]) -> None:
        """Check that deploy made those of the objects that exist. Raises ClusterError, which names another one."""
        text = self._cluster.kubectl("get", "-f", "-", "-o", "json", "--ignore-not-found", given=made)
        found = json.loads(text) if text.strip() else {}
        for one in found.get("items", [found] if found else []):
            by = one["metadata"].get("labels", {}).get(_MANAGED_BY, "")
            if by == SERVICE:
                continue
            what = f"The {one['kind']} {one['metadata']['name']} exists, and deploy did not create it"
            if by == "Helm":
                raise ClusterError(
                    f"{what}: it belongs to a release of Helm. Deploy without without_helm, or run destroy before."
                )
            raise ClusterError(f"{what}. Use another namespace or release name, or delete it.")

    def _kept(self) -> _Kept:
        there = self._cluster.get("secret", self._secret, self._space)
        values = self._cluster.read_secret(self._secret, self._space) if there else {}
        pending = values.pop(_PENDING, "")
        version = there["metadata"].get("resourceVersion", "") if there else ""
        return _Kept({int(number): text for number, text in values.items()}, pending, version)

    def _store(self, kept: _Kept) -> str:
        """Write the Secret and return its version. Raises ClusterError if another deploy wrote it meanwhile."""
        values = {str(number): text for number, text in kept.revisions.items()}
        values |= {_PENDING: kept.pending} if kept.pending else {}
        metadata = {"name": self._secret, "namespace": self._space, "labels": {_MANAGED_BY: SERVICE}}
        metadata |= {"resourceVersion": kept.version} if kept.version else {}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
        verb = "replace" if kept.version else "create"
        try:
            text = self._cluster.kubectl(verb, "-f", "-", "-o", "json", given=secret)
        except ClusterError as error:
            if "Conflict" in error.message or "AlreadyExists" in error.message:
                raise ClusterError("Another deploy is under way. Wait for its end, then repeat this.") from error
            raise
        return str(json.loads(text)["metadata"]["resourceVersion"])


def _identity(one: Object) -> tuple[str, str, str, str]:
    metadata = one["metadata"]
    return one["apiVersion"].rpartition("/")[0], one["kind"], metadata.get("namespace", ""), metadata["name"]
