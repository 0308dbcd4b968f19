"""The gateway's chart as objects that kubectl applies. A Secret beside the gateway keeps the last revisions."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any, NamedTuple

import yaml

from kernelpod.base import shipped, yamltext
from kernelpod.base.names import ANNOTATION_RELEASE
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError, is_without_helm
from kernelpod.deploy.rendered import chart_values
from kernelpod.deploy.settings import Deployment
from kernelpod.deploy.watching import said_in
from kernelpod.deploy.withouthelm.chart import SERVICE, oldest_kubernetes, read_values, rendered

KEPT_REVISIONS = 5
REMOVE_SECONDS = 180
# The key of what is being applied. It stays if that fails, so that the next deploy removes what is left of it.
_PENDING = "pending"
_MANAGED_BY = "app.kubernetes.io/managed-by"

# With this annotation Helm deletes an object never; neither do we.
_POLICY = "helm.sh/resource-policy"
_MEANWHILE = "Another deploy is under way. Wait for its end, then repeat this."

Object = dict[str, Any]


class _Kept(NamedTuple):
    """What the Secret holds: manifests by revision, those that are being applied, and the Secret's own version."""

    revisions: dict[int, str]
    pending: str
    version: str

    def objects(self) -> list[Object]:
        """Return all objects that may be in the cluster: the last revision's, and those of a failed deploy."""
        texts = [self.pending, self.revisions.get(max(self.revisions, default=0), "")]
        found = [one for text in texts for one in yaml.safe_load_all(text) if one]
        return list({_identity(one): one for one in found}.values())


class PlainRelease:
    """The chart's objects, applied by kubectl. See `Release`."""

    def __init__(self, cluster: Cluster, deployment: Deployment) -> None:
        self._cluster, self._deployment = cluster, deployment
        self._space, self._secret = deployment.namespaces.gateway, deployment.manifests_secret
        self._release = f"{self._space}/{deployment.release}"

    def objects(self, values: str) -> list[Object]:
        """Return the objects that the chart makes of these values, in the order in which they can be created.

        Raises KernelpodError if it refuses the values.
        """
        made = rendered(shipped.chart(), read_values(values), self._deployment.release, self._space)
        for one in made:
            if one["kind"] == "Secret":
                raise ClusterError("values.hub.token: put the token into a Secret, and set hub.existingSecret.")
            one["metadata"].setdefault("annotations", {})[ANNOTATION_RELEASE] = self._release
        return made

    def config_map(self, values: str) -> str:
        """Return the ConfigMap of the chart."""
        return yamltext.dump(next(one for one in self.objects(values) if one["kind"] == "ConfigMap"))

    def install(self, values: str) -> None:
        """Apply the chart's objects, and remove those that it does not have any more."""
        made = self.objects(values)
        self._check(made)
        self._apply(made)

    def check(self, values: str) -> None:
        """Check that the cluster is new enough, and that deploy made those of the objects that exist."""
        self._check(self.objects(values))

    def _check(self, made: list[Object]) -> None:
        self._check_version()
        for one in self._there(made):
            if self._is_ours(one):
                continue
            what = f"The {one['kind']} {one['metadata']['name']} exists, and this deployment did not create it"
            raise ClusterError(f"{what}. Use another namespace or release name, or delete it.")

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
        """Delete all objects of the last revision, and those of a deploy that failed.

        What was applied from a folder of manifests is known by the file.
        """
        made = self._kept().objects() or self.objects(yamltext.dump(chart_values(self._deployment, [])))
        self._delete(made, wait=True)
        self._cluster.kubectl("delete", "secret", self._secret, "-n", self._space, "--ignore-not-found")

    def status(self) -> str:
        """Return whether the last `deploy` has ended, and the revision."""
        kept = self._kept()
        revision = max(kept.revisions, default=0)
        if kept.pending:
            return f"incomplete, revision {revision + 1}"
        if revision:
            return f"deployed, revision {revision}, without Helm"
        there = is_without_helm(self._cluster, self._deployment)
        return "applied from manifests, without Helm" if there else ""

    def volumes(self) -> list[Object]:
        """Return the volumes of the cluster that are this release's."""
        return [one for one in self._cluster.items("persistentvolumes") if self._is_ours(one)]

    def _apply(self, made: list[Object]) -> None:
        """Apply objects as the next revision, and remove what they do not hold of earlier ones."""
        kept, text = self._kept(), yamltext.dump_all(made)
        staying = {_identity(one) for one in made}
        gone = [one for one in kept.objects() if _identity(one) not in staying]
        # With what has to go, so that also the next deploy removes it if this one fails.
        pending = self._store(kept._replace(pending=yamltext.dump_all([*made, *gone])))
        try:
            self._cluster.apply_storage(made)
            self._cluster.apply(text)
            for one in made:
                if one["kind"] == "Deployment":
                    self._wait_for(one["metadata"]["name"])
            if self._kept().version != pending:
                raise ClusterError(_MEANWHILE)
            self._delete(gone, wait=False)
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

    def _delete(self, objects: list[Object], *, wait: bool) -> None:
        """Delete those of the objects that exist and are this release's, last ones first."""
        gone = [one for one in self._there(objects) if self._is_ours(one) and not _is_kept(one)]
        if gone:
            words = ("delete", "--ignore-not-found", f"--wait={str(wait).lower()}", "-f", "-")
            self._cluster.kubectl(*words, given=[_named(one) for one in reversed(gone)], seconds=REMOVE_SECONDS)

    def _check_version(self) -> None:
        found = json.loads(self._cluster.kubectl("version", "-o", "json"))["serverVersion"]
        oldest = oldest_kubernetes(shipped.chart())
        # Some clusters write the minor version as in "30+".
        if (int(found["major"]), int(found["minor"].rstrip("+"))) < oldest:
            raise ClusterError(
                f"Kubernetes {found['gitVersion']} is too old: the gateway needs {oldest[0]}.{oldest[1]} or newer."
            )

    def _there(self, objects: list[Object]) -> list[Object]:
        """Return those of the objects that exist, as the cluster has them."""
        if not objects:
            return []
        named = [_named(one) for one in objects]
        text = self._cluster.kubectl("get", "-f", "-", "-o", "json", "--ignore-not-found", given=named)
        found = json.loads(text) if text.strip() else {"items": []}
        there: list[Object] = found.get("items", [found])
        return there

    def _is_ours(self, one: Object) -> bool:
        return bool(one["metadata"].get("annotations", {}).get(ANNOTATION_RELEASE) == self._release)

    def _kept(self) -> _Kept:
        there = self._cluster.get("secret", self._secret, self._space)
        values = self._cluster.read_secret(self._secret, self._space) if there else {}
        texts = {name: gzip.decompress(base64.b64decode(packed)).decode() for name, packed in values.items()}
        pending = texts.pop(_PENDING, "")
        version = there["metadata"].get("resourceVersion", "") if there else ""
        return _Kept({int(number): text for number, text in texts.items()}, pending, version)

    def _store(self, kept: _Kept) -> str:
        """Write the Secret and return its version. Raises ClusterError if another deploy wrote it meanwhile."""
        texts = {str(number): text for number, text in kept.revisions.items()}
        texts |= {_PENDING: kept.pending} if kept.pending else {}
        # A Secret holds at most 1 MiB.
        values = {name: base64.b64encode(gzip.compress(text.encode())).decode() for name, text in texts.items()}
        metadata = {"name": self._secret, "namespace": self._space, "labels": {_MANAGED_BY: SERVICE}}
        metadata |= {"resourceVersion": kept.version} if kept.version else {}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
        verb = "replace" if kept.version else "create"
        try:
            text = self._cluster.kubectl(verb, "-f", "-", "-o", "json", given=secret)
        except ClusterError as error:
            if "Conflict" in error.message or "AlreadyExists" in error.message:
                raise ClusterError(_MEANWHILE) from error
            raise
        return str(json.loads(text)["metadata"]["resourceVersion"])


def _identity(one: Object) -> tuple[str, str, str, str]:
    metadata = one["metadata"]
    return one["apiVersion"].rpartition("/")[0], one["kind"], metadata.get("namespace", ""), metadata["name"]


def _named(one: Object) -> Object:
    """Return what tells an object from others."""
    names = {key: one["metadata"][key] for key in ("name", "namespace") if key in one["metadata"]}
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": names}


def _is_kept(one: Object) -> bool:
    return bool(one["metadata"].get("annotations", {}).get(_POLICY) == "keep")
