"""What fails of the cluster itself, so that all who use it feel it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cluster_machines import NODE_OF_KERNELS, harm, on
from rig.machines.machine import FILER, NODES, Machine

from .faults import Scene

RIG = Path(__file__).parents[1] / "cluster"
NODE = {one.name: one for one in NODES}[os.environ.get("KERNELPOD_CHAOS_NODE") or NODE_OF_KERNELS.name]
"""Where the kernels run, if the cluster has nodes with kernels of their own."""


def rig(*words: str) -> None:
    """Ask the test cluster's rig to do something to itself."""
    done = subprocess.run([RIG, *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _component(name: str) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        rig("stop", name)
        try:
            scene.pause()
        finally:
            rig("start", name)

    return fault


def _kubelet_frozen(scene: Scene) -> None:
    """The kernels go on, and the cluster hears nothing of them."""

    def send(signum: str) -> None:
        # The brackets keep the shell, whose command line has the pattern in it, from being meant as well.
        script = f'for one in $(pgrep -f "[n]ode kubelet"); do kill -{signum} "$one"; done'
        on(NODE, "sh", "-c", script)

    try:
        send("STOP")
        time.sleep(scene.random.uniform(1, 15))
    finally:
        send("CONT")


def _nfs_stopped(scene: Scene) -> None:
    on(FILER, "rpc.nfsd", "0")
    try:
        scene.pause()
    finally:
        on(FILER, "rpc.nfsd", "--tcp", "--no-udp", "8")


def _clock_steps(scene: Scene) -> None:
    """The clock of the kernels' node is wrong for a while."""
    on(NODE, "date", "--set", f"{scene.random.choice((-3600, -60, 60, 3600))} seconds")
    try:
        scene.pause()
    finally:
        on(NODE, "date", "--set", f"@{time.time():.3f}")


def _machine(where: Machine, harmed: str, mended: str, most_seconds: float) -> Callable[[Scene], None]:
    def fault(scene: Scene) -> None:
        harm(harmed, where)
        try:
            time.sleep(scene.random.uniform(1, most_seconds))
        finally:
            harm(mended, where)

    return fault


OF_CLUSTER: dict[str, tuple[float, Callable[[Scene], None]]] = {
    "the API server stops": (1, _component("apiserver")),
    "etcd stops": (0.5, _component("etcd")),
}
"""Those of the cluster itself."""

OF_ONE_NODE: dict[str, tuple[float, Callable[[Scene], None]]] = {
    "kubelet stops": (1, _component("kubelet")),
    "the NFS server stops": (1, _component("nfs")),
}
"""Those of a cluster whose one node has kernels and homes."""

OF_MACHINES: dict[str, tuple[float, Callable[[Scene], None]]] = {
    "kubelet stands still": (1, _kubelet_frozen),
    "the NFS server stops": (1, _nfs_stopped),
    "the clock of the kernels' node steps": (1, _clock_steps),
    "the kernels' node is frozen": (2, _machine(NODE, "freeze", "thaw", 15)),
    "the kernels' node is cut off": (2, _machine(NODE, "cut", "mend", 15)),
    "the kernels' node loses its power": (0.5, _machine(NODE, "power-off", "start", 5)),
    "the NFS server's machine is frozen": (1, _machine(FILER, "freeze", "thaw", 15)),
    "the NFS server's machine loses its power": (0.5, _machine(FILER, "power-off", "start", 5)),
}
"""Those of a cluster whose kernels and homes are on machines of their own."""
