"""Up and down: everything in order, each step said with its seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import binaries, cgroups, components, dns, images, mounts, network, packages, pki, processes
from .api import Api
from .layout import NETWORK_NAMESPACE, RUN, Layout, RigError
from .namespaces import enter_network
from .shell import run, wait

LOCK_SECONDS = 1800  # as long as a first build may take
OWNER = RUN / "state"  # a link to the state folder of the cluster that is up
KUBELET_LEFTOVERS = (  # kubelet has no setting for these places
    "/var/lib/kubelet/device-plugins/kubelet.sock",
    "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint",
)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say the step and its seconds when it is done."""
    begun = time.monotonic()
    yield
    print(f"{time.monotonic() - begun:6.1f} s  {what}", file=sys.stderr)


@contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """One change at a time, and to one's own cluster."""
    layout.state.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(layout.state.parent, os.O_RDONLY)
    try:
        if not wait(lambda: _lock(descriptor), LOCK_SECONDS):
            raise RigError(
                f"another `cluster` command has been at work for {LOCK_SECONDS} s: see what it waits for"
            )
        if OWNER.is_symlink() and OWNER.readlink() != layout.state:
            theirs = OWNER.readlink()
            raise RigError(f"the cluster of another state folder is up: set KERNELPOD_CLUSTER_STATE={theirs}")
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def build(layout: Layout) -> list[Path]:
    """The archives of the cluster's own images; installs and builds what is missing."""
    with step("Debian packages"):
        packages.install()
    for module in binaries.MODULES:
        with step(f"{module.name} {module.version}"):
            binaries.build(module, layout.cache)
    with step("images of the cluster"):
        return [
            images.of_binary(layout, binaries.KUBERNETES, "pause", images.PAUSE),
            images.of_binary(layout, binaries.COREDNS, "coredns", images.COREDNS),
        ]


def up(layout: Layout) -> None:
    """Bring the cluster up, or repair what died; when it fails or is interrupted from nothing, nothing is left."""
    with locked(layout):
        archives = build(layout)
        if any(processes.alive(name) for name in components.COMPONENTS):
            _start(layout, archives)
            return
        _remove(layout)
        try:
            with step("network, certificates, configuration"):
                _prepare(layout)
            _start(layout, archives)
        except BaseException:
            _remove(layout)
            raise


def _prepare(layout: Layout) -> None:
    shutil.rmtree(layout.logs, ignore_errors=True)
    for folder in (RUN, layout.logs, layout.bin):
        folder.mkdir(parents=True)
    OWNER.symlink_to(layout.state)
    cgroups.make()
    mounts.tmpfs(RUN / "etcd")
    pki.make(layout.pki)
    components.write(layout)
    network.write_cni()
    (layout.state / "resolv.conf").write_text(dns.RESOLVER)
    for module, name in ((binaries.KUBERNETES, "kubectl"), (binaries.HELM, "helm")):
        (layout.bin / name).symlink_to(binaries.folder(module, layout.cache) / name)


def _start(layout: Layout, archives: list[Path]) -> None:
    network.make()
    for name, make in components.COMPONENTS.items():
        if not processes.alive(name):
            with step(name):
                processes.start(make(layout), layout)
        if name == "containerd":
            for archive in archives:
                images.import_image(archive)
    with step("controllers and DNS"):
        objects = dns.write(layout.state)
        run([str(layout.bin / "kubectl"), *layout.kubectl_flags, "apply", f"--filename={objects}"])
        _wait_for_controllers(layout)


def _wait_for_controllers(layout: Layout) -> None:
    """Return when pods can be made (they need the service account) and can resolve names."""
    api = Api(layout.pki)
    if not wait(lambda: api.exists("/api/v1/namespaces/default/serviceaccounts/default"), seconds=60):
        raise RigError(f"no service account after 60 s; see {layout.logs}/controller-manager.log")
    if not wait(dns.answers, seconds=60):
        raise RigError(f"no DNS after 60 s; see {layout.logs}/kubelet.log")


def start(layout: Layout, name: str) -> None:
    """Start one component of the cluster that is up."""
    with locked(layout):
        _need_up()
        enter_network()
        if not processes.alive(name):
            processes.start(components.COMPONENTS[name](layout), layout)


def stop(layout: Layout, name: str) -> None:
    """Stop one component, which is how tests break things."""
    with locked(layout):
        _need_up()
        processes.stop(name)


def _need_up() -> None:
    if not OWNER.is_symlink():
        raise RigError("the cluster is down: bring it up first")


def down(layout: Layout) -> None:
    """Remove everything but the logs and the cache, whatever state it is in."""
    with locked(layout), step("down"):
        _remove(layout)


def _remove(layout: Layout) -> None:
    cgroups.kill()
    mounts.remove(RUN, layout.state)
    network.remove()
    cgroups.remove()
    _remove_leftovers(layout)
    shutil.rmtree(RUN, ignore_errors=True)
    for path in layout.state.glob("*"):
        if path != layout.logs:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _remove_leftovers(layout: Layout) -> None:
    """Remove what containerd, CNI and kubelet keep at places of their own, and folders that are empty now."""
    files = [Path(name) for name in KUBELET_LEFTOVERS]
    for address in RUN.glob("containerd/io.containerd.runtime.v2.task/*/*/address"):
        files.append(Path(address.read_text().removeprefix("unix://")))
    logs = Path("/var/log/containers")
    links = [link for link in logs.glob("*") if link.is_symlink()]
    files += [link for link in links if link.readlink().is_relative_to(layout.state)]
    for file in files:
        file.unlink(missing_ok=True)
    for folder in (
        *{file.parent for file in files},
        logs,
        network.CNI_RESULTS,
        NETWORK_NAMESPACE.parent,
        Path("/run/ganesha"),
    ):
        _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """Remove the folder and the one it is in, as far as they are empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        mounts.remove(folder)
        folder.rmdir()
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
