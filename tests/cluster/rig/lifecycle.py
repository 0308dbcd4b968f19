"""Up and down: everything in order, each step said with its seconds."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import binaries, cgroups, components, dns, images, mounts, network, packages, pki, processes
from .api import Api
from .layout import NETWORK_NAMESPACE, RUN, Layout, RigError
from .machines import disk, files, linux, machine
from .machines.machine import FILER, MACHINES, NODES, Machine
from .namespaces import enter_network
from .shell import run, succeeds, wait

MACHINE_SECONDS = 180
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


def up(layout: Layout, nodes: int = 1) -> None:
    """Bring the cluster up, or repair what died; when it fails or is interrupted from nothing, nothing is left.

    The nodes after the first are machines of their own, and with them comes an NFS server that is none of them.
    """
    if not 1 <= nodes <= 1 + len(NODES):
        raise RigError(f"a cluster of {nodes} nodes cannot be made: say --nodes 1 to {1 + len(NODES)}")
    if nodes > 1:
        machine.require_tap()
    with locked(layout):
        archives = build(layout)
        wanted = [FILER, *NODES[: nodes - 1]] if nodes > 1 else []
        if wanted:
            prepare_machines(layout)
        if any(processes.alive(name) for name in components.COMPONENTS):
            _start(layout, archives, wanted)
            return
        _remove(layout)
        try:
            with step("network, certificates, configuration"):
                _prepare(layout)
            _start(layout, archives, wanted)
        except BaseException:
            _remove(layout)
            raise


def prepare_machines(layout: Layout) -> None:
    """Install and build what machines need."""
    with step("Debian packages of machines"):
        packages.install(packages.OF_MACHINES)
    with step("Linux"):
        linux.build(layout)
    with step("the disk of images"):
        disk.of_images(layout)


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


def _start(layout: Layout, archives: list[Path], machines: list[Machine]) -> None:
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
    for one in machines:
        if not processes.alive(one.name):
            with step(one.name):
                start_machine(layout, one)


def import_on_machines(layout: Layout, archive: Path) -> None:
    """Give an image to the machines that run and use it, unless they have it from their disk."""
    nodes = [one for one in NODES if processes.alive(one.name)]
    if not nodes or not archive.name.startswith(disk.IMAGES):
        return
    name, digest = images.named(archive)
    enter_network()
    for one in nodes:
        client = ["ctr", "--namespace=k8s.io", "images"]
        if digest in run(machine.command(layout, one, [*client, "list", f"name=={name}"]), seconds=60):
            continue
        with step(f"import {name} on {one.name}"):
            run(machine.command(layout, one, [*client, "import", str(archive)]), seconds=600)


def start_machine(layout: Layout, one: Machine) -> None:
    """Start a machine, with what its disk held before."""
    files.write(layout, one)
    machine.connect(one)
    machine.mend(one)
    processes.start(machine.component(layout, one), layout, seconds=MACHINE_SECONDS)


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
        if processes.alive(name):
            return
        processes.enter_mounts("kubelet" if name == "containerd" else "containerd")
        if name in MACHINES:
            _need_machine(layout, name)
            start_machine(layout, MACHINES[name])
        else:
            processes.start(components.COMPONENTS[name](layout), layout)


def stop(layout: Layout, name: str) -> None:
    """Stop one component or machine, which is how tests break things. A machine writes what it holds first."""
    with locked(layout):
        _need_up()
        enter_network()
        if name in MACHINES and processes.alive(name):
            succeeds(machine.command(layout, MACHINES[name], ["sync"]), seconds=30)
        processes.stop(name)


def harm(layout: Layout, verb: str, name: str) -> None:
    """Do to a machine what happens to machines: it loses its power or its network, stands still, comes back."""
    with locked(layout):
        _need_up()
        enter_network()
        _need_machine(layout, name)
        HARM[verb](MACHINES[name])


HARM: dict[str, Callable[[Machine], None]] = {
    "power-off": lambda one: processes.stop(one.name, seconds=0),
    "freeze": lambda one: processes.send(one.name, signal.SIGSTOP),
    "thaw": lambda one: processes.send(one.name, signal.SIGCONT),
    "cut": machine.cut,
    "mend": machine.mend,
}


def _need_machine(layout: Layout, name: str) -> None:
    if not layout.machine(name).exists():
        raise RigError(f"there is no {name}: `cluster up --nodes {1 + len(NODES)}` makes it")


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
