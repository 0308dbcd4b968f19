"""Asks cyclonus what NetworkPolicies let through: a second reader beside ours."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from helm import built

NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Peer:
    """One end of a connection; without a namespace it is no pod of the cluster."""

    address: str
    namespace: str = ""
    labels: dict[str, str] | None = None

    def given(self) -> dict[str, Any]:
        """Return the peer as cyclonus reads it."""
        if not self.namespace:
            return {"IP": self.address}
        inside = {
            "Namespace": self.namespace,
            "NamespaceLabels": {NAMESPACE: self.namespace},
            "PodLabels": self.labels or {},
        }
        return {"IP": self.address, "Internal": inside}


# Who connects to whom, on which port, and whether it gets through.
Traffic = Mapping[str, tuple[Peer, Peer, int, bool]]


def verdicts(policies: Sequence[dict[str, Any]], traffic: Traffic, folder: Path, need: Any) -> dict[str, bool]:
    """Return what cyclonus says of each connection, by its name; without cyclonus the test is skipped."""
    cyclonus = shutil.which("cyclonus") or built("cyclonus")
    need(cyclonus, "cyclonus", "make test-chart builds it")
    (folder / "policies").mkdir()
    for number, policy in enumerate(policies):
        (folder / "policies" / f"{number}.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    asked = [
        {
            "Source": source.given(),
            "Destination": destination.given(),
            "Protocol": "UDP" if port == 53 else "TCP",
            "ResolvedPort": port,
        }
        for source, destination, port, _ in traffic.values()
    ]
    (folder / "traffic.json").write_text(json.dumps(asked), encoding="utf-8")
    words = ["analyze", "--mode", "query-traffic", "--policy-path", folder / "policies"]
    done = subprocess.run(
        [str(cyclonus), *words, "--traffic-path", folder / "traffic.json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "HOME": str(folder)},
    )
    said = re.findall(r"IS ALLOWED\?\s*\|\s*(TRUE|FALSE)", done.stdout, re.IGNORECASE)
    assert len(said) == len(traffic), done.stdout[:2000]
    return {name: verdict.upper() == "TRUE" for name, verdict in zip(traffic, said, strict=True)}
