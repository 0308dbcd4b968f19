"""What the cluster says about a namespace, for the reader of a failed test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from . import namespaces
from .layout import Layout, RigError

LOG_LINES = "60"


class _Kubectl:
    def __init__(self, layout: Layout) -> None:
        self._command = [str(layout.bin / "kubectl"), *layout.kubectl_flags, "--request-timeout=10s"]

    def __call__(self, *arguments: str) -> str:
        """What kubectl says, errors included: a report is never the thing that fails."""
        command = [*self._command, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{error}\n"
        return done.stdout + done.stderr


def write(layout: Layout, chosen: Sequence[str]) -> None:
    """Print pods, events and the ends of the logs of the namespaces; without any, of all but kube-system."""
    if not layout.admin_kubeconfig.exists():
        raise RigError("the cluster is down: there is nothing to report")
    namespaces.enter_network()
    kubectl = _Kubectl(layout)
    spaces = [space["metadata"]["name"] for space in _items(kubectl("get", "namespaces", "--output=json"))]
    print(f"the logs of the components are in {layout.logs}")
    for namespace in chosen or [name for name in spaces if not name.startswith("kube-")]:
        print(f"=== {namespace}: pods\n{kubectl('get', 'pods', '--namespace', namespace, '--output=wide')}")
        print(f"=== {namespace}: events\n{_events(kubectl, namespace)}")
        for pod in _items(kubectl("get", "pods", "--namespace", namespace, "--output=json")):
            _pod(kubectl, namespace, pod)


def _items(text: str) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = json.loads(text)["items"]
    except ValueError:
        return []
    return items


def _events(kubectl: _Kubectl, namespace: str) -> str:
    columns = (
        "TIME:.metadata.creationTimestamp,TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message"
    )
    output = (f"--output=custom-columns={columns}", "--sort-by=.metadata.creationTimestamp")
    return kubectl("get", "events", "--namespace", namespace, *output)


def _pod(kubectl: _Kubectl, namespace: str, pod: dict[str, Any]) -> None:
    """Print each container's state and the end of its log, of the run before as well if there was one."""
    name = pod["metadata"]["name"]
    status = pod["status"]
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        print(f"=== {namespace}/{name} {container['name']}: {json.dumps(container['state'])}")
        options = ("--namespace", namespace, "--container", container["name"], f"--tail={LOG_LINES}")
        print(kubectl("logs", name, *options))
        if container["restartCount"]:
            print(f"--- before its restart\n{kubectl('logs', name, *options, '--previous')}")
