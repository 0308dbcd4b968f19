"""Options and forms of output that the commands of `kernelpod specs` share."""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from kernelpod.base import shipped
from kernelpod.deploy.progress import Progress
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.publishing.releases import Target
from kernelpod.kernelspecs.publishing.remote import pod
from kernelpod.kernelspecs.publishing.remote.shell import Shell, SshShell, ssh_place
from kernelpod.kernelspecs.publishing.remote.target import remote_target

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

source_argument = click.argument("folder", type=FOLDER, required=False, callback=lambda *given: _source(given[2]))
source_option = click.option(
    "--source",
    "folder",
    type=FOLDER,
    callback=lambda *given: _source(given[2]),
    help="Folder of kernelspecs; else those that come with kernelpod.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
context_option = click.option("--context", default="", help="Context of kubectl; else its current one.")
_PLACE_OPTIONS = (
    click.option(
        "--target",
        type=click.Path(path_type=Path, file_okay=False),
        help="The folder above `kernelspecs` that gateways mount, such as an NFS folder mounted here.",
    ),
    click.option("--ssh", default="", metavar="USER@HOST:/FOLDER", help="The same folder on another machine."),
    click.option(
        "--pvc", default="", metavar="CLAIM", help="The same folder on a claim; a short-lived pod mounts it."
    ),
    click.option("--namespace", default="", help="With --pvc: the claim's namespace."),
    click.option("--path", default="", help="With --pvc: the folder in the volume; else its root."),
    click.option("--pod-image", default=pod.IMAGE, show_default=True, help="With --pvc: image of the pod."),
    click.option("--pod-uid", default=1000, show_default=True, help="With --pvc: uid that may write the folder."),
)


@dataclass(frozen=True)
class ReleasePlace:
    """Where releases are: a folder, one at the other end of ssh, or one on a claim."""

    target: Path | None
    ssh: str
    pvc: str
    namespace: str
    path: str
    pod_image: str
    pod_uid: int

    @property
    def count(self) -> int:
        """How many places were named."""
        return sum(map(bool, (self.target, self.ssh, self.pvc)))

    @contextmanager
    def opened(self, context: str) -> Iterator[Target]:
        """Give the releases there. Raises KernelpodError."""
        steps = progress()
        with ExitStack() as stack:
            if self.target:
                yield Target(self.target)
                return
            if self.ssh:
                host, folder = ssh_place(self.ssh)
                shell: Shell = SshShell(host)
            else:
                claim = pod.MountedClaim(self.pvc, self.namespace, context, self.pod_image, self.pod_uid)
                folder = f"{pod.MOUNTED}/{self.path.strip('/')}".rstrip("/")
                with steps(f"a pod mounts {self.pvc}"):
                    shell = stack.enter_context(pod.pod_shell(claim))
            with steps("the releases there are read"):
                there = stack.enter_context(remote_target(shell, folder))
            yield there


def place_options(required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives a command the options of a place; it gets `place`, made of them, and `context`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def collected(**given: Any) -> None:
            place = ReleasePlace(**{name: given.pop(name) for name in ReleasePlace.__dataclass_fields__})
            if place.count > 1 or (required and not place.count):
                raise click.UsageError("Say where: one of --target, --ssh and --pvc.")
            if place.pvc and not place.namespace:
                raise click.UsageError("--pvc needs --namespace.")
            if ".." in place.path.split("/"):
                raise click.UsageError("--path leads out of the volume.")
            command(place=place, **given)

        for option in reversed((*_PLACE_OPTIONS, context_option)):
            collected = option(collected)
        return collected

    return decorate


def words_of(command: str) -> list[str]:
    """Return the words of a command line. Raises KernelpodError if its quotes do not match."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise KernelpodError(f"--command {command!r} is no command line: {error}") from error


def say_json(data: Any) -> None:
    """Print JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def say_table(rows: list[dict[str, str]], colours: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print rows in columns as wide as they need to be; `colours` are those of cells, by their text."""
    if not rows:
        return
    texts = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for text in texts:
        cells = (
            _painted(cell, colours) + " " * (width - len(cell)) for cell, width in zip(text, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _painted(cell: str, colours: Mapping[str, str]) -> str:
    return click.style(cell, fg=colours[cell]) if cell in colours else cell


def progress() -> Progress:
    """Return what says a line a step on a terminal, and nothing elsewhere."""
    return Progress(lambda line: click.secho(line, err=True, dim=True) if sys.stderr.isatty() else None)


def _source(folder: Path | None) -> Path:
    return folder or shipped.kernelspecs()
