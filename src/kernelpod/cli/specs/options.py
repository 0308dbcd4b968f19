"""Options and output formats that the commands of `kernelpod specs` share."""

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
    help="Folder of kernelspecs. Default: those shipped with kernelpod.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
context_option = click.option("--context", default="", help="Context of kubectl. Default: the current one.")
_PLACE_OPTIONS = (
    click.option(
        "--target",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of releases that gateways mount, such as an NFS folder mounted here; it holds `kernelspecs`.",
    ),
    click.option("--ssh", default="", metavar="USER@HOST:/FOLDER", help="Folder of releases on another machine."),
    click.option(
        "--pvc",
        default="",
        metavar="CLAIM",
        help="Claim with the folder of releases. A short-lived pod mounts it.",
    ),
    click.option("--namespace", default="", help="With --pvc: namespace of the claim."),
    click.option("--path", default="", help="With --pvc: folder in the volume. Default: its root."),
    click.option("--pod-image", default=pod.IMAGE, show_default=True, help="With --pvc: image of the pod."),
    click.option(
        "--pod-uid", default=1000, show_default=True, help="With --pvc: uid that can write to the folder."
    ),
)


@dataclass(frozen=True)
class ReleasePlace:
    """The location of releases: a local folder, a folder reached by ssh, or a folder on a claim."""

    target: Path | None
    ssh: str
    pvc: str
    namespace: str
    path: str
    pod_image: str
    pod_uid: int

    @property
    def count(self) -> int:
        """Return how many locations were given."""
        return sum(map(bool, (self.target, self.ssh, self.pvc)))

    @contextmanager
    def opened(self, context: str) -> Iterator[Target]:
        """Yield the releases at this location. Raises KernelpodError."""
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
                with steps(f"mounting {self.pvc} in a pod"):
                    shell = stack.enter_context(pod.pod_shell(claim))
            with steps("reading the releases"):
                there = stack.enter_context(remote_target(shell, folder))
            yield there


def place_options(required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds the location options. The command gets them as `place`, and `context`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def collected(**given: Any) -> None:
            place = ReleasePlace(**{name: given.pop(name) for name in ReleasePlace.__dataclass_fields__})
            if place.count > 1 or (required and not place.count):
                raise click.UsageError("Give exactly one of --target, --ssh and --pvc.")
            if place.pvc and not place.namespace:
                raise click.UsageError("--pvc requires --namespace.")
            if ".." in place.path.split("/"):
                raise click.UsageError("--path must not contain '..'.")
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
        raise KernelpodError(f"--command {command!r} is not a valid command line: {error}") from error


def say_json(data: Any) -> None:
    """Print data as indented JSON."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def say_table(rows: list[dict[str, str]], colours: Mapping[str, str] = MappingProxyType({})) -> None:
    """Print rows as an aligned table. `colours` maps the text of a cell to its colour."""
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
    """Return a Progress that prints to stderr if that is a terminal, and nothing otherwise."""
    return Progress(lambda line: click.secho(line, err=True, dim=True) if sys.stderr.isatty() else None)


def _source(folder: Path | None) -> Path:
    return folder or shipped.kernelspecs()
