"""A gateway beside the cluster whose kernels are pods of one namespace, with homes on the NFS server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kube
from cluster_machines import on
from rig.layout import NODE_IP, Layout
from rig.machines.machine import FILER

from client import Callers
from doubles import ACCESS, FakeHub, GatewayProcess, eventually, user_model
from kernelpod.base.names import KUBESPAWNER_USER

# On another cluster: an export of homes, and the folder of this machine that is exported.
NFS_SERVER, _, NFS_PATH = os.environ.get("KERNELPOD_TEST_NFS", f"{NODE_IP}:/homes").partition(":")
NFS_FOLDER = Path(os.environ.get("KERNELPOD_TEST_NFS_FOLDER") or Layout.from_environment().nfs / "homes")
IMAGES = os.environ.get("KERNELPOD_TEST_IMAGES", "localhost/kernelpod-{}:test")
PYTHON = ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
UID, GID = 1000, 100
USERS = {
    "alice-token": user_model("alice", groups=["staff"]),
    "bob-token": user_model("bob"),
    "john-token": user_model("John.Döe"),
    "nobody-token": user_model("zoe"),
    "admin-token": user_model("carol", scopes=[ACCESS, "custom:kernelpod:admin"], admin=True),
}


@dataclass
class Site(Callers):
    """A gateway whose kernels are pods of `namespace`."""

    namespace: str
    folder: Path
    homes: Path
    """The folder on the NFS server that this site's homes lie in; `export` is its path for clients."""
    export: str
    hub: FakeHub
    gateway: GatewayProcess
    on_filer: bool = False
    """Whether homes are on the NFS server that is a machine of its own, in place of the first node's."""

    def home(self, slug: str) -> Path:
        """Return a home, made as the server's init container does."""
        path = self.homes / slug
        if self.on_filer:
            on(FILER, "install", "-d", "-m", "0700", "-o", str(UID), "-g", str(GID), f"/srv{path}")
        elif not path.exists():
            path.mkdir(0o700)
            os.chown(path, UID, GID)
        return path

    def remove_homes(self) -> None:
        """Remove the homes with all that is in them."""
        if self.on_filer:
            on(FILER, "rm", "-rf", f"/srv{self.homes}")
        else:
            shutil.rmtree(self.homes)

    def spec(self, name: str, kernelpod: dict[str, Any] | None = None, **changes: Any) -> str:
        """Publish a kernelspec and return its name."""
        folder = self.folder / "kernelspecs" / name
        folder.mkdir(parents=True, exist_ok=True)
        stanza = {
            "image": IMAGES.format("kernel-python"),
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
            **(kernelpod or {}),
        }
        whole = {"display_name": name, "language": "python", "argv": PYTHON, "interrupt_mode": "message"}
        whole.update(changes)
        able = ["curve"] if "ipykernel_launcher" in whole["argv"] else []
        metadata = whole.pop("metadata", {"supported_encryption": able})
        text = json.dumps({**whole, "metadata": {**metadata, "kernelpod": stanza}})
        (folder / "kernel.json").write_text(text, encoding="utf-8")
        if self.gateway.url:
            listed = lambda: name in self.alice.ask("GET", "kernelspecs").json()["kernelspecs"]  # noqa: E731
            eventually(listed, what=f"kernelspec {name} is noticed")
        return name

    def over_nfs(self, path: str) -> bytes:
        """Return a file of the homes as the NFS server gives it to any client."""
        url = f"nfs://{NFS_SERVER}{self.export}/{path}?version=4"
        done = subprocess.run(["nfs-cat", url], capture_output=True, check=True, timeout=30)
        return done.stdout

    def pods(self) -> list[str]:
        """Return the names of the kernel pods."""
        return kube.names("pods", self.namespace)

    def leftovers(self) -> list[str]:
        """Return the pods and Secrets of kernels."""
        chosen = ("app.kubernetes.io/component=kernel", "kernelpod.io/taken")
        return [*self.pods(), *(name for each in chosen for name in kube.names("secrets", self.namespace, each))]

    def stop_kernels(self) -> None:
        """End every kernel through the gateway; nothing may be left."""
        if ids := self.admin.ids():
            with ThreadPoolExecutor(len(ids)) as pool:
                list(pool.map(lambda kernel_id: self.admin.ask("DELETE", f"kernels/{kernel_id}"), ids))
        eventually(lambda: not self.leftovers(), what="no pod and no Secret is left")


MakeSite = Callable[..., Site]


def claim_on(
    export: str,
    namespace: str,
    server: str = NFS_SERVER,
    options: Sequence[str] = ("nfsvers=4.1",),
    name: str = "homes",
    user: str = "",
) -> list[dict[str, Any]]:
    """Return a static volume on an NFS server and the claim that is bound to it and to nothing else.

    With `user`, it is a claim that KubeSpawner made for them.
    """
    claim = {"name": name, "namespace": namespace}
    annotations = {"annotations": {KUBESPAWNER_USER: user}} if user else {}
    spec = {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": f"{name}-{namespace}"}
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "claimRef": claim,
        "mountOptions": [*options],
        "nfs": {"server": server, "path": export},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{name}-{namespace}"},
            "spec": volume,
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": claim | annotations,
            "spec": {**spec, "resources": {"requests": {"storage": "1Gi"}}},
        },
    ]
