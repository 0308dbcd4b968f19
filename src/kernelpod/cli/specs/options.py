"""Options and output formats that the commands of `kernelpod specs` share."""

from __future__ import annotations

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
from kernelpod.cli.places import Command, Place
from kernelpod.cli.places import place_options as options_of
from kernelpod.deploy.progress import Progress
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.publishing.releases import Target
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


@dataclass(frozen=True)
class ReleasePlace(Place):
    """The location of releases."""

    pod_uid: int

    @contextmanager
    def opened(self, context: str) -> Iterator[Target]:
        """Yield the releases at this location. Raises KernelpodError."""
        if self.target:
            yield Target(self.target)
            return
        steps = progress()
        with ExitStack() as stack:
            shell, folder = stack.enter_context(self.shell(context, steps, self.pod_uid, "kernelspecs-sync"))
            with steps("reading the releases"):
                there = stack.enter_context(remote_target(shell, folder))
            yield there


def place_options(required: bool) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of a place of releases. The command gets `place` and `context`."""
    pod_uid = click.option(
        "--pod-uid", default=1000, show_default=True, help="With --pvc: uid that can write to the folder."
    )
    target = "Folder of releases that gateways mount, such as an NFS folder mounted here; it holds `kernelspecs`."
    return options_of(ReleasePlace, required, target, "folder of releases", (pod_uid,))


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
