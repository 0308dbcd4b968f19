"""Files of a deployment, and a kubectl that answers as it is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment

LEAST: dict[str, Any] = {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}}


TOKENS = ["cookie_secret", "proxy_token", "crypt_key", "service_token"]


def deployment(**changes: Any) -> Deployment:
    return Deployment.model_validate({**LEAST, **changes})


def written(tmp_path: Path, data: Any) -> Path:
    file = tmp_path / "deploy.yaml"
    file.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return file


class Answers:
    """Stands in for the tools: answers by the beginning of the words, and keeps what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.asked: list[list[str]] = []
        self.given: list[str | None] = []

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        self.asked.append(command)
        self.given.append(given)
        text = " ".join(command)
        for beginning, answer in self.answers.items():
            if text.startswith(beginning):
                said = answer if isinstance(answer, str) else json.dumps(answer)
                return subprocess.CompletedProcess(command, 0, said, "")
        return subprocess.CompletedProcess(command, 0, "", "")

    def cluster(self, *, on_microk8s: bool = False) -> Cluster:
        first = ("microk8s",) if on_microk8s else ()
        return Cluster((*first, "kubectl"), (*first, "helm3") if first else ("helm",), on_microk8s, self)


def courses_deployment(**changes: Any) -> Deployment:
    """Return a deployment of a teaching hub and an exam hub."""
    nfs = {"server": "10.0.0.5", "courses": "/courses", "courses_files": "/courses-files"}
    hubs = {
        "hub": {"courses": "teaching.yaml"},
        "more_hubs": {
            "exam": {
                "courses": "exam.yaml",
                "internet": False,
                "courses_may_mount": ["secret/licence-*"],
                "courses_nfs": [{"server": "10.0.0.9", "root": "/export/scans"}],
            }
        },
    }
    return deployment(nfs=nfs, **{**hubs, **changes})
