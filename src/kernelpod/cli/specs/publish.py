"""`kernelpod specs diff`, `sync`, `history`, `rollback`."""

from __future__ import annotations

import functools
import getpass
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.specs.image_checks import CHOICES, check
from kernelpod.cli.specs.options import (
    ReleasePlace,
    json_option,
    place_options,
    progress,
    say_json,
    say_table,
    source_option,
)
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.folders import images_of, read_all
from kernelpod.kernelspecs.linting.lint import lint as find_findings
from kernelpod.kernelspecs.publishing.releases import Target
from kernelpod.kernelspecs.publishing.tree import Tree, changes, difference, read_tree
from kernelpod.kernelspecs.publishing.usage import running
from kernelpod.settings.sections import Settings

COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@source_option
@place_options(required=True)
@json_option
def diff(folder: Path, place: ReleasePlace, context: str, as_json: bool) -> None:
    """Show what `sync` would change, as a unified diff; exit 1 if anything would.

    With --json only which files would be added, changed or removed.

    \b
    Example:
      kernelpod specs diff --source kernelspecs --target /srv/nfs/kernelpod
    """
    with place.opened(context) as target:
        old, new = target.tree(), read_tree(folder)
    changed = changes(old, new)
    if as_json:
        say_json(changed)
    else:
        click.echo(_coloured(difference(old, new)), nl=False)
    raise SystemExit(1 if changed else 0)


@dataclass(frozen=True)
class Publishing:
    """What is looked at before anything is published, and what stays afterwards."""

    images: str
    gateway: tuple[str, Path] | None
    keep: int


def publishing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that gets its options as `publishing`."""

    @functools.wraps(command)
    def collected(images: str, gateway: tuple[str, Path] | None, keep: int, **given: Any) -> None:
        command(publishing=Publishing(images, gateway, keep), **given)

    for option in (
        click.option("--keep", type=click.IntRange(1), default=5, show_default=True, help="Releases that stay."),
        click.option(
            "--gateway",
            type=(str, click.Path(path_type=Path, exists=True, dir_okay=False)),
            metavar="URL TOKEN_FILE",
            help="Take away no kernelspec of which this gateway runs kernels; the token needs its admin scope.",
        ),
        click.option(
            "--images",
            type=click.Choice(CHOICES),
            default="registry",
            show_default=True,
            help="Who is asked for images before: their registry, the cluster's nodes, or nobody (skip). One that "
            "is missing refuses; one that cannot be asked for refuses only with `require`.",
        ),
    ):
        collected = option(collected)
    return collected


@click.command()
@source_option
@place_options(required=True)
@settings_option
@publishing_options
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def sync(
    folder: Path,
    place: ReleasePlace,
    context: str,
    settings_file: Path | None,
    publishing: Publishing,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish kernelspecs as a new release; gateways follow by themselves.

    \b
    Examples:
      kernelpod specs sync --source kernelspecs --target /srv/nfs/kernelpod --dry-run
      kernelpod specs sync --source kernelspecs --pvc kernelspecs --namespace gateway
      kernelpod specs sync --source kernelspecs --ssh admin@nfs.example.org:/srv/nfs/kernelpod
    """
    tree = _looked_at(folder, load_settings(settings_file))
    with place.opened(context) as target:
        old = target.tree()
        change = difference(old, tree)
        if dry_run:
            click.echo(_coloured(change) or "nothing would change\n", nl=False)
            return
        if change:
            _refuse_if_running(old.specs - tree.specs, publishing.gateway)
            _refuse_if_missing(folder, publishing.images, context)
        name = _published(target, tree, bool(change), publishing.keep)
    if as_json:
        say_json({"release": name, "published": bool(change), "kernelspecs": sorted(tree.specs)})
    else:
        click.echo(f"{name} is live{'' if change else ' already'}")


@click.command()
@place_options(required=True)
@json_option
def history(place: ReleasePlace, context: str, as_json: bool) -> None:
    """List the releases, the newest first, and say which is live and which is damaged.

    \b
    Example:
      kernelpod specs history --target /srv/nfs/kernelpod
    """
    with place.opened(context) as target:
        releases = target.history()
    if as_json:
        say_json([asdict(release) for release in releases])
        return
    rows = [
        {
            "": "live" if release.live else "",
            "release": release.name,
            "created": f"{release.created:%Y-%m-%d %H:%M:%S}",
            "by": release.by,
            "state": release.damage or "whole",
        }
        for release in releases
    ]
    say_table(rows, {"live": "green"} | {release.damage: "red" for release in releases if release.damage})


@click.command()
@place_options(required=True)
@click.option("--to", default="", help="Name of a release; else the one before the live one.")
@json_option
def rollback(place: ReleasePlace, context: str, to: str, as_json: bool) -> None:
    """Make an earlier release live again.

    \b
    Example:
      kernelpod specs rollback --target /srv/nfs/kernelpod
    """
    with place.opened(context) as target:
        name = target.rollback(getpass.getuser(), to)
    if as_json:
        say_json({"release": name})
    else:
        click.echo(f"{name} is live")


def _looked_at(source: Path, settings: Settings) -> Tree:
    """Return the files of a folder that lint finds no error in. Raises KernelpodError."""
    tree = read_tree(source)
    findings = find_findings(source, settings.kernelspecs, settings.culling)
    if errors := [finding.as_text() for finding in findings if finding.level == "error"]:
        raise KernelpodError("\n".join(["nothing is published:", *errors]))
    if read_tree(source) != tree:
        raise KernelpodError(f"{source} was changed while it was read; nothing is published, try again")
    return tree


def _published(target: Target, tree: Tree, changed: bool, keep: int) -> str:
    """Return the name of the release that is live now: a new one, unless the live one is what it would be."""
    live = target.live()
    if live is not None and not changed:
        return live.name
    with progress()("the new release is written"):
        return target.publish(tree, getpass.getuser(), keep)


def _refuse_if_running(gone: frozenset[str], gateway: tuple[str, Path] | None) -> None:
    if not (gone and gateway):
        return
    url, token_file = gateway
    counts = running(url, SecretStr(token_file.read_text(encoding="utf-8").strip()))
    if used := [f"{spec} ({counts[spec]})" for spec in sorted(gone) if counts[spec]]:
        raise KernelpodError(
            f"nothing is published: kernels run of what would go: {', '.join(used)}. Restarts of them would fail; "
            "keep these kernelspecs until they have ended, or leave out --gateway"
        )


def _refuse_if_missing(source: Path, choice: str, context: str) -> None:
    answers = check(images_of(read_all(source)), choice, context)
    refused = [answer for answer in answers if answer.state == "missing" or choice == "require"]
    for answer in answers:
        if answer not in refused:
            click.echo(f"warning: {answer.image}: {answer.reason}", err=True)
    if refused:
        lines = [f"{answer.image}: {answer.state}: {answer.reason}" for answer in refused]
        remedy = "mend the images, or publish with --images skip"
        raise KernelpodError("\n".join([f"nothing is published; {remedy}:", *lines]))


def _coloured(text: str) -> str:
    """Return a unified diff in the colours of one."""
    lines = text.splitlines(keepends=True)
    return "".join(click.style(line, fg=COLOURS[line[0]]) if line[0] in COLOURS else line for line in lines)
