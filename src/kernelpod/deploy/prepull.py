"""Waits, in a pod of the chart, until every node has pulled the kernels' images.

It reads one object and one list from the API server as the pod's service account, using the standard library only.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from kernelpod.errors import KernelpodError

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REQUEST_SECONDS = 10
LOOK_SECONDS = 2.0

# Returns the object or list at a path of the API server.
Get = Callable[[str], dict[str, Any]]


class PrePullError(KernelpodError):
    """A node has not pulled the images in time, or the API server cannot be reached."""


def service_account_get(path: str) -> dict[str, Any]:
    """Return an object or list from the API server as this pod's service account. Raises PrePullError."""
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        place = f"[{host}]" if ":" in host else host
        headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='ascii').strip()}"}
        context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        request = Request(f"https://{place}:{port}{path}", headers=headers)
        with urlopen(request, timeout=REQUEST_SECONDS, context=context) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
    except KeyError as error:
        raise PrePullError("This command only works in a pod. The chart starts it.") from error
    except (URLError, OSError, ValueError) as error:
        raise PrePullError(f"The API server cannot be reached: {error}") from error
    return found


def await_images(name: str, namespace: str, seconds: float, get: Get, say: Callable[[str], None]) -> None:
    """Wait until all pods of a DaemonSet have pulled their images. `say` is called with each line of progress.

    Raises PrePullError, which says what each node waits for, after `seconds`.
    """
    deadline, last = time.monotonic() + seconds, ""
    while True:
        found = get(f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}")
        status, labels = found.get("status", {}), found["spec"]["selector"]["matchLabels"]
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
        if current and ready >= wanted and status.get("updatedNumberScheduled", 0) >= wanted:
            say(f"{wanted} nodes have the images")
            return
        selector = quote(",".join(f"{key}={value}" for key, value in labels.items()))
        pods = get(f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]
        now = "; ".join([f"{ready} of {wanted} nodes have the images", *waiting(pods)])
        if now != last:
            say(now)
        if time.monotonic() > deadline:
            raise PrePullError(
                f"After {seconds:g} s, {now}. Fix prePuller.images, or raise prePuller.waitSeconds."
            )
        last = now
        time.sleep(LOOK_SECONDS)


def waiting(pods: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what the pods of each node wait for, as `node: image (reason)`."""
    for pod in pods:
        node = pod["spec"].get("nodeName", "a node")
        status = pod.get("status", {})
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            why = container["state"].get("waiting", {}).get("reason", "")
            if why and why != "PodInitializing":
                yield f"{node}: {container['image']} ({why})"
