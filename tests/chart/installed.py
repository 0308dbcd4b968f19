"""The chart installed on a cluster, in namespaces of its own."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import yaml
from helm import VALUES, Helm, settings_text

from doubles import a_connection, a_plan, an_identity
from kernelpod.pods.kernel import kernel_manifest
from kernelpod.settings.sections import Settings
from kernelpod.start.record import KernelRecord

SECONDS = 180
Answer = subprocess.CompletedProcess[str]
Pod = dict[str, Any]


def kubectl(*words: str, send: Any = None) -> Answer:
    """Return what kubectl said; `send` goes to its input as JSON."""
    text = None if send is None else json.dumps(send)
    command = [shutil.which("kubectl") or "kubectl", *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=SECONDS)


def succeeded(answer: Answer) -> str:
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@dataclass(frozen=True)
class Site:
    """A gateway's and a kernels' namespace that nobody else has."""

    gateway: str
    kernels: str

    def values(self, name: str) -> dict[str, Any]:
        """Return one set of values for these namespaces, without the gateway's pod."""
        values = copy.deepcopy(VALUES[name])
        values.setdefault("kernels", {}).setdefault("namespace", {})["name"] = self.kernels
        return {**values, "replicaCount": 0}

    def create(self, pod: Pod) -> Answer:
        """Return the API server's answer to a new pod, which it checks and then forgets."""
        return kubectl("create", "--dry-run=server", "-n", self.kernels, "-f", "-", send=pod)


Installed = tuple[Site, str]  # and what Helm said


def kernel_pod(helm: Helm, site: Site, name: str) -> Pod:
    """Return the pod that the gateway would make under these values."""
    settings = Settings.model_validate(yaml.safe_load(settings_text(helm.objects(site.values(name)))))
    plan = a_plan(settings=settings, identity=an_identity("john.doe"))
    record = KernelRecord(plan=plan, created=datetime(2026, 1, 1, tzinfo=timezone.utc))
    return kernel_manifest(record, a_connection(), "0a1b2c").pod
