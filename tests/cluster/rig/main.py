"""The command line of the test cluster."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import binaries, components, images, lifecycle, namespaces, processes, report
from .layout import Layout, RigError
from .machines import machine
from .machines.machine import MACHINES


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description="A real Kubernetes on this machine.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="bring it up, or repair what died; builds what is missing")
    up.add_argument(
        "--nodes",
        type=int,
        default=1,
        help="those after the first have kernels of their own; with them comes an NFS server",
    )
    verbs.add_parser("down", help="remove everything but the logs and the cache; also after a crash")
    verbs.add_parser("status", help="what runs; exit status 1 unless everything does")
    build = verbs.add_parser("build", help="install the Debian packages, build binaries and images; no cluster")
    build.add_argument("only", nargs="?", choices=list(binaries.BUILT))
    verbs.add_parser("clean", help="remove the cache: the next `up` builds everything anew")
    run = verbs.add_parser("run", help="run a command in the cluster's network, with KUBECONFIG, kubectl and helm")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    image = verbs.add_parser("image", help="build an image, import it when the cluster is up, print its archive")
    image.add_argument("dockerfile", type=Path)
    image.add_argument("context", type=Path)
    image.add_argument("tag")
    image.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    reporting = verbs.add_parser("report", help="pods, events and logs, as a failing test wants them")
    reporting.add_argument("namespaces", nargs="*", metavar="NAMESPACE")
    for verb in ("start", "stop"):
        one = verbs.add_parser(verb, help=f"{verb} one component or machine")
        one.add_argument("component", choices=[*components.COMPONENTS, *MACHINES])
    for verb in lifecycle.HARM:
        verbs.add_parser(verb, help=f"{verb} a machine").add_argument("machine", choices=MACHINES)
    on = verbs.add_parser("on", help="run a command in a machine")
    on.add_argument("machine", choices=MACHINES)
    on.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD")
    return parser


def _run(layout: Layout, command: Sequence[str]) -> int:
    """Become the command; only a missing command comes back."""
    argv = list(command[1:] if command[:1] == ["--"] else command)
    if not argv:
        raise RigError("run what? cluster run -- kubectl get pods")
    if not layout.admin_kubeconfig.exists():
        raise RigError("the cluster is down: bring it up first")
    namespaces.enter_network()
    namespaces.replace_file(Path("/etc/resolv.conf"), layout.state / "resolv.conf")
    os.environ["KUBECONFIG"] = str(layout.admin_kubeconfig)
    os.environ["KUBECACHEDIR"] = str(layout.kubectl_cache)
    os.environ["PATH"] = f"{layout.bin}{os.pathsep}{os.environ['PATH']}"
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - a list, no shell
    except FileNotFoundError:
        raise RigError(f"{argv[0]}: no such command") from None


def _status(layout: Layout) -> int:
    """0 when everything runs."""
    machines = [name for name in MACHINES if layout.machine(name).exists()]
    living = {name: processes.alive(name) for name in (*components.COMPONENTS, *machines)}
    for name, runs in living.items():
        print(f"{name:20} {'runs' if runs else 'does not run'}")
    print(f"state {layout.state}, logs {layout.logs}, cache {layout.cache}")
    return 0 if all(living.values()) else 1


def _on(layout: Layout, name: str, command: Sequence[str]) -> int:
    """Become the client of the machine that runs the command."""
    argv = list(command[1:] if command[:1] == ["--"] else command)
    if not processes.alive(name):
        raise RigError(f"{name} does not run: `cluster start {name}`, or `cluster up --nodes 3`")
    namespaces.enter_network()
    client = machine.command(layout, MACHINES[name], argv)
    os.execvp(client[0], client)  # noqa: S606 - a list, no shell


def _harm(layout: Layout, arguments: argparse.Namespace) -> None:
    lifecycle.harm(layout, arguments.verb, arguments.machine)


def _build(layout: Layout, only: str | None) -> None:
    if only is None:
        lifecycle.build(layout)
        with lifecycle.step("base image"):
            images.base_image(layout)
    else:
        module = binaries.BUILT[only]
        with lifecycle.step(f"{module.name} {module.version}"):
            binaries.build(module, layout.cache)


def _clean(layout: Layout) -> None:
    if any(map(processes.alive, components.COMPONENTS)):
        raise RigError(f"the cluster runs and needs {layout.cache}: `cluster down` first")
    shutil.rmtree(layout.cache, ignore_errors=True)


def _image(layout: Layout, arguments: argparse.Namespace) -> int:
    values = dict(argument.partition("=")[::2] for argument in arguments.build_arg)
    with lifecycle.step(f"build {arguments.tag}"):
        archive = images.build_image(layout, arguments.dockerfile, arguments.context, arguments.tag, values)
    if processes.alive("containerd"):
        with lifecycle.step(f"import {arguments.tag}"):
            images.import_image(archive)
    lifecycle.import_on_machines(layout, archive)
    print(archive)
    return 0


VERBS: dict[str, Callable[[Layout, argparse.Namespace], int | None]] = {
    "up": lambda layout, arguments: lifecycle.up(layout, arguments.nodes),
    "down": lambda layout, _: lifecycle.down(layout),
    "status": lambda layout, _: _status(layout),
    "build": lambda layout, arguments: _build(layout, arguments.only),
    "clean": lambda layout, _: _clean(layout),
    "image": _image,
    "run": lambda layout, arguments: _run(layout, arguments.command),
    "report": lambda layout, arguments: report.write(layout, arguments.namespaces),
    "start": lambda layout, arguments: lifecycle.start(layout, arguments.component),
    "stop": lambda layout, arguments: lifecycle.stop(layout, arguments.component),
    "on": lambda layout, arguments: _on(layout, arguments.machine, arguments.command),
    **dict.fromkeys(lifecycle.HARM, _harm),
}


def main(argv: Sequence[str]) -> int:
    """The exit status; SIGTERM cleans up as Ctrl-C does."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if os.geteuid() != 0 and arguments.verb != "clean" and not getattr(arguments, "only", None):
            raise RigError("run as root: the cluster needs namespaces, mounts and cgroups")
        return VERBS[arguments.verb](Layout.from_environment(), arguments) or 0
    except RigError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
