"""kubectl and helm as functions: what they print, or an error with what was asked and what came back."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernelpod.base import yamltext
from kernelpod.deploy.settings import Deployment
from kernelpod.errors import KernelpodError

SECONDS = 60
# Images may have to be pulled.
WAIT_SECONDS = 300

INSTALL = {
    "kubectl": "snap install kubectl --classic, or see https://kubernetes.io/docs/tasks/tools/",
    "helm": "snap install helm --classic, or see https://helm.sh/docs/intro/install/",
    "microk8s": "snap install microk8s --classic",
}

Run = Callable[[list[str], str | None, float], "subprocess.CompletedProcess[str]"]


class ClusterError(KernelpodError):
    """The cluster did not do what was asked."""


def run(command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
    """Return what a command did with `given` as its input. Raises ClusterError if it takes too long."""
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"{' '.join(command[:4])} did not end within {seconds:g} s.") from error


@dataclass(frozen=True)
class Cluster:
    """One context of kubectl and helm."""

    kubectl_words: tuple[str, ...]
    helm_words: tuple[str, ...]
    microk8s: bool = False
    run: Run = run

    def kubectl(self, *words: str, given: Any = None, seconds: float = SECONDS) -> str:
        """Return what kubectl prints; `given`, text or documents, is its input. Raises ClusterError."""
        return self._asked([*self.kubectl_words, *words], given, seconds)

    def helm(self, *words: str, given: Any = None, seconds: float = SECONDS) -> str:
        """Return what helm prints; `given`, text or values, is its input. Raises ClusterError."""
        return self._asked([*self.helm_words, *words], given, seconds)

    def get(self, kind: str, name: str = "", namespace: str = "", selector: str = "") -> dict[str, Any] | None:
        """Return an object, or the list of them without `name`; None if there is none of that name."""
        words = ["get", kind, *([name] if name else []), "-o", "json", "--ignore-not-found"]
        words += ["-n", namespace] if namespace else []
        words += ["-l", selector] if selector else []
        text = self.kubectl(*words)
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def items(self, kind: str, namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        return list((self.get(kind, namespace=namespace, selector=selector) or {}).get("items", []))

    def read_secret(self, name: str, namespace: str) -> dict[str, str]:
        """Return what a Secret holds; empty if there is none."""
        data = (self.get("secret", name, namespace) or {}).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def apply(self, documents: Any) -> str:
        """Create or change objects; what another tool set beside stays."""
        return self.kubectl("apply", "-f", "-", given=documents)

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
    """Return the cluster that the file names. Raises ToolsMissing if a tool is missing."""
    tools = deployment.tools
    if tools == "auto":
        tools = "kubectl" if shutil.which("kubectl") or not shutil.which("microk8s") else "microk8s"
    needed = ("microk8s",) if tools == "microk8s" else ("kubectl", "helm")
    if missing := [tool for tool in needed if not shutil.which(tool)]:
        how = "\n".join(f"  {tool}: {INSTALL[tool]}" for tool in missing)
        raise ClusterError(f"Not on PATH: {', '.join(missing)}. Install it, or set `tools:` in the file.\n{how}")
    context = deployment.context
    kubectl = ["kubectl", *(["--context", context] if context else [])]
    if tools == "microk8s":
        return Cluster(("microk8s", *kubectl), ("microk8s", "helm3"), True, run)
    return Cluster(tuple(kubectl), ("helm", *(["--kube-context", context] if context else [])), False, run)
