"""A storage class of the test's own: each of its claims gets a folder of the NFS server, as provisioners do it."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import kube

LOOK_SECONDS = 0.5


class Provisioner(threading.Thread):
    """Makes a folder and a volume for every claim of its class in one namespace, until its `with` ends."""

    def __init__(self, name: str, namespace: str, server: str, export: str, folder: Path) -> None:
        super().__init__(name=name)
        self._namespace, self._server, self._export, self._folder = namespace, server, export, folder
        self._done = threading.Event()
        self.elsewhere: set[str] = set()
        """Claims whose folders lie beside the others."""
        self.failed: Exception | None = None

    def __enter__(self) -> Provisioner:
        """Make the class and begin."""
        about = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": self.name}}
        kube.kubectl("apply", "-f", "-", given={**about, "provisioner": "kernelpod.test/nfs"})
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and remove the class and all of its volumes; their folders stay."""
        self._done.set()
        self.join()
        chosen = f"provisioner={self.name}"
        kube.kubectl("delete", "persistentvolumes", "-l", chosen, "--wait=false", check=False)
        kube.kubectl("delete", "storageclass", self.name, check=False)
        shutil.rmtree(self._folder.with_name(f"{self._folder.name}-beside"), ignore_errors=True)
        if self.failed:
            raise self.failed

    def run(self) -> None:
        """Look for claims until the end."""
        while not self._done.wait(LOOK_SECONDS):
            try:
                self._look()
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
                self.failed = error
                return

    def _look(self) -> None:
        text = kube.kubectl("get", "persistentvolumeclaims", "-n", self._namespace, "-o", "json", check=False)
        claims = json.loads(text)["items"] if text.startswith("{") else []
        for claim in claims:
            if claim["spec"].get("storageClassName") == self.name and not claim["spec"].get("volumeName"):
                kube.kubectl("apply", "-f", "-", given=self._volume(claim))

    def _volume(self, claim: dict[str, Any]) -> dict[str, Any]:
        about = claim["metadata"]
        name = f"{about['namespace']}-{about['name']}"
        beside = "-beside" if about["name"] in self.elsewhere else ""
        folder = self._folder.with_name(self._folder.name + beside) / name
        folder.mkdir(parents=True, exist_ok=True)
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {"provisioner": self.name}},
            "spec": {
                "capacity": claim["spec"]["resources"]["requests"],
                "accessModes": claim["spec"]["accessModes"],
                "storageClassName": self.name,
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {"namespace": about["namespace"], "name": about["name"], "uid": about["uid"]},
                "nfs": {"server": self._server, "path": f"{self._export}{beside}/{name}"},
            },
        }
