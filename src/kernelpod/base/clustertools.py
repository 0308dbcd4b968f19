"""Finds the commands for a cluster: `kubectl` and `helm`, or those of MicroK8s."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Literal

from kernelpod.base.missingtools import require

Tools = Literal["auto", "kubectl", "microk8s"]


@dataclass(frozen=True)
class ClusterTools:
    """The first words of each command, including the context."""

    kubectl: tuple[str, ...]
    helm: tuple[str, ...]
    microk8s: bool


def find_kubectl(context: str = "") -> tuple[str, ...]:
    """Return the first words of a kubectl command. Raises ToolsMissing if there is no kubectl and no microk8s."""
    tools = _tools(context, _chosen("auto"))
    require("microk8s" if tools.microk8s else "kubectl")
    return tools.kubectl


def find_cluster_tools(context: str = "", tools: Tools = "auto", *, helm: bool = True) -> ClusterTools:
    """Return the commands of kubectl and helm. Raises ToolsMissing, which names the commands not on PATH.

    `auto` uses those of microk8s if there is microk8s but no kubectl. Without `helm`, helm may be missing.
    """
    found = _tools(context, _chosen(tools))
    require(*(("microk8s",) if found.microk8s else ("kubectl", "helm") if helm else ("kubectl",)))
    return found


def _chosen(tools: Tools) -> Tools:
    if tools != "auto":
        return tools
    return "microk8s" if shutil.which("microk8s") and not shutil.which("kubectl") else "kubectl"


def _tools(context: str, tools: Tools) -> ClusterTools:
    kubectl = ("kubectl", "--context", context) if context else ("kubectl",)
    if tools == "microk8s":
        # helm3 of MicroK8s only supports the context of MicroK8s.
        return ClusterTools(("microk8s", *kubectl), ("microk8s", "helm3"), microk8s=True)
    return ClusterTools(kubectl, ("helm", "--kube-context", context) if context else ("helm",), microk8s=False)
