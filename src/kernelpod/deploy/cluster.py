"""Runs kubectl and helm, and returns their output or raises an error with the command and its output."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernelpod.base import yamltext
from kernelpod.base.clustertools import find_cluster_tools
from kernelpod.base.missingtools import ToolsMissing
from kernelpod.base.names import ANNOTATION_RELEASE, LABEL_INSTANCE
from kernelpod.deploy.settings import Deployment
from kernelpod.errors import KernelpodError

SECONDS = 60
# Images may have to be pulled, and the scheduler looks again at a pod that it could not place after five minutes.
WAIT_SECONDS = 420
BIND_SECONDS = 60
_BEFORE_PODS = ("Namespace", "PersistentVolume", "PersistentVolumeClaim")

Run = Callable[[list[str], str | None, float], "subprocess.CompletedProcess[str]"]


class ClusterError(KernelpodError):
    """A command on the cluster failed."""


def run(command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command with `given` as its input and return the result. Raises ClusterError after `seconds`."""
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(command[:4])} did not finish within {seconds:g} s.") from error


@dataclass(frozen=True)
class Cluster:
    """A cluster, as the commands of kubectl and helm that reach it."""

    kubectl_words: tuple[str, ...]
    helm_words: tuple[str, ...]
    microk8s: bool = False
    run: Run = run

    def kubectl(self, *words: str, given: Any = None, seconds: float = SECONDS) -> str:
        """Return the output of kubectl. `given`, text or documents, is its input. Raises ClusterError."""
        return self._asked([*self.kubectl_words, *words], given, seconds)

    def helm(self, *words: str, given: Any = None, seconds: float = SECONDS) -> str:
        """Return the output of helm. `given`, text or values, is its input. Raises ClusterError."""
        return self._asked([*self.helm_words, *words], given, seconds)

    def get(self, kind: str, name: str = "", namespace: str = "", selector: str = "") -> dict[str, Any] | None:
        """Return the object `name`, or None if there is none. Without `name`, return the list of all objects."""
        words = ["get", kind, *([name] if name else []), "-o", "json", "--ignore-not-found"]
        words += ["-n", namespace] if namespace else []
        words += ["-l", selector] if selector else []
        text = self.kubectl(*words)
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def items(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        return list((self.get(kind, namespace=namespace, selector=selector) or {}).get("items", []))

    def read_secret(self, name: str, namespace: str) -> dict[str, str]:
        """Return the decoded values of a Secret, or an empty dict if there is none."""
        data = (self.get("secret", name, namespace) or {}).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def apply(self, documents: Any) -> str:
        """Create or change objects; what another tool set beside stays."""
        return self.kubectl("apply", "-f", "-", given=documents)

    def apply_storage(self, documents: list[dict[str, Any]]) -> None:
        """Create or change those of these objects that pods mount, with their namespaces, before the pods come.

        Return when each claim that names its volume is bound. The scheduler may miss that, if it looks at a pod
        meanwhile. Raises ClusterError.
        """
        if made := [one for one in documents if one["kind"] in _BEFORE_PODS]:
            self.apply(made)
        for one in made:
            if one["kind"] == "PersistentVolumeClaim" and one["spec"].get("volumeName"):
                self._wait_bound(one["metadata"]["name"], one["metadata"]["namespace"])

    def _wait_bound(self, claim: str, space: str) -> None:
        until = ("--for=jsonpath={.status.phase}=Bound", f"--timeout={BIND_SECONDS}s")
        try:
            self.kubectl("wait", f"pvc/{claim}", "-n", space, *until, seconds=BIND_SECONDS + 10)
        except ClusterError as error:
            raise ClusterError(
                f"The claim {claim} in the namespace {space} is not bound to its volume after {BIND_SECONDS} s. "
                f"`kubectl describe pvc {claim} -n {space}` says why. Then repeat this."
            ) from error

    def patch(self, kind: str, name: str, namespace: str, patch: dict[str, Any]) -> None:
        """Change an object by a JSON merge patch. It is no word of the command, since it may hold secrets."""
        words = ("--type", "merge", "--patch-file", "/dev/stdin")
        self.kubectl("patch", kind, name, "-n", namespace, *words, given=json.dumps(patch))

    def _asked(self, command: list[str], given: Any, seconds: float) -> str:
        text = given
        if given is not None and not isinstance(given, str):
            text = yamltext.dump_all(given if isinstance(given, list) else [given])
        done = self.run(command, text, seconds)
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise ClusterError(f"`{' '.join(command)}` failed: {said}")
        return done.stdout


def find_cluster(deployment: Deployment, run: Run = run) -> Cluster:
    """Return the cluster that the file describes. Raises ToolsMissing if kubectl or helm is missing.

    Helm may be missing where the gateway is, or is to be, installed without it.
    """
    context, tools = deployment.context or "", deployment.tools
    try:
        found = find_cluster_tools(context, tools, helm=not deployment.without_helm)
    except ToolsMissing as error:
        with contextlib.suppress(KernelpodError):
            found = find_cluster_tools(context, tools, helm=False)
            cluster = Cluster(found.kubectl, found.helm, found.microk8s, run)
            if is_without_helm(cluster, deployment):
                return cluster
        raise ToolsMissing(
            f"{error.message} To use other tools, set `tools` in the file. kubectl alone is enough with "
            "`without_helm: true`."
        ) from error
    return Cluster(found.kubectl, found.helm, found.microk8s, run)


def is_without_helm(cluster: Cluster, deployment: Deployment) -> bool:
    """Return whether the gateway is there without Helm: by `deploy`, or applied from a folder of manifests."""
    space = deployment.namespaces.gateway
    if cluster.read_secret(deployment.manifests_secret, space):
        return True
    found = cluster.items("deployments", space, f"{LABEL_INSTANCE}={deployment.release}")
    return any(ANNOTATION_RELEASE in one["metadata"].get("annotations", {}) for one in found)
