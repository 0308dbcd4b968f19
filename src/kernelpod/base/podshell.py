"""A shell in a short-lived pod that mounts a claim."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kernelpod.base.clustertools import find_kubectl
from kernelpod.base.shells import SECONDS, RemoteError, asked

IMAGE = "docker.io/library/busybox:1.37"
"""Any image with sh, tar, xargs, sha256sum and mv -T."""
MOUNTED = "/volume"
READY_SECONDS = 120
# The pod ends on its own after this many seconds, in case it is never deleted.
LIFE_SECONDS = 900
KUBECTL_SECONDS = 60.0


@dataclass(frozen=True)
class MountedClaim:
    """A persistent volume claim, and the options of the pod that mounts it."""

    name: str
    namespace: str
    context: str = ""
    image: str = IMAGE
    uid: int = 1000
    purpose: str = "kernelspecs-sync"
    """Beginning of the pod's name, and value of its label."""
    capabilities: tuple[str, ...] = ()
    seconds: int = LIFE_SECONDS
    """How long the pod lives at most."""

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the pod."""
        return {"app.kubernetes.io/name": "kernelpod", "app.kubernetes.io/component": self.purpose}


@dataclass(frozen=True)
class PodShell:
    """The shell of a pod."""

    words: tuple[str, ...]
    """kubectl with context and namespace."""
    pod: str

    def run(self, script: str, *words: str, given: bytes = b"", seconds: float = SECONDS) -> bytes:
        """Return the output of the script. Raises RemoteError."""
        command = [*self.words, "exec", "-i", self.pod, "--", "sh", "-c", script, "sh", *words]
        return asked(command, given, seconds)


@contextmanager
def pod_shell(claim: MountedClaim) -> Iterator[PodShell]:
    """Yield the shell of a new pod, and delete the pod afterwards. Raises RemoteError, ToolsMissing."""
    name = f"{claim.purpose}-{secrets.token_hex(3)}"
    words = (*find_kubectl(claim.context), "--namespace", claim.namespace)
    # Delete pods of earlier commands that did not clean up.
    chosen = ",".join(f"{key}={value}" for key, value in claim.labels.items())
    for phase in ("Succeeded", "Failed"):
        ended = f"--field-selector=status.phase={phase}"
        asked([*words, "delete", "pod", "--selector", chosen, ended, "--wait=false"], seconds=KUBECTL_SECONDS)
    try:
        made = json.dumps(document(name, claim)).encode()
        asked([*words, "create", "-f", "-"], made, KUBECTL_SECONDS)
        _wait(words, name)
        yield PodShell(words, name)
    finally:
        asked([*words, "delete", "pod", name, "--ignore-not-found"], seconds=KUBECTL_SECONDS)


def document(name: str, claim: MountedClaim) -> dict[str, Any]:
    """Return the manifest of the pod. Unless its uid is 0, it complies with Pod Security `restricted`."""
    capabilities = {"drop": ["ALL"], **({"add": list(claim.capabilities)} if claim.capabilities else {})}
    container = {
        "name": "shell",
        "image": claim.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", str(claim.seconds)],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "500m", "memory": "128Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": capabilities},
        "volumeMounts": [{"name": "volume", "mountPath": MOUNTED}],
    }
    spec = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": claim.seconds,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsUser": claim.uid,
            "runAsGroup": claim.uid,
            "runAsNonRoot": claim.uid != 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": claim.name}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": claim.labels}, "spec": spec}


def _wait(words: tuple[str, ...], name: str) -> None:
    """Wait until the pod is ready. Raises RemoteError with the last event of the pod."""
    limit = f"--timeout={READY_SECONDS}s"
    try:
        asked([*words, "wait", "--for=condition=Ready", f"pod/{name}", limit], seconds=READY_SECONDS + 30)
    except RemoteError as error:
        chosen = f"--field-selector=involvedObject.name={name}"
        form = "jsonpath={range .items[*]}{.message}{'\\n'}{end}"
        events = asked([*words, "get", "events", chosen, "-o", form], seconds=KUBECTL_SECONDS)
        last = events.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RemoteError(f"the pod that mounts the claim does not start: {last or error.message}") from error
