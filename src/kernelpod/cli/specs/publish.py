"""`kernelpod specs diff`, `sync`, `history`, `rollback`: publish kernelspecs as releases."""

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
    """Show what `sync` would change as a unified diff. Exit 1 if there are changes.

    With --json, list only the files that would be added, changed or removed.

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
    """The checks before publishing, and the number of releases to keep."""

    images: str
    gateway: tuple[str, Path] | None
    keep: int


def publishing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the options of Publishing added; it gets them as `publishing`."""

    @functools.wraps(command)
    def collected(images: str, gateway: tuple[str, Path] | None, keep: int, **given: Any) -> None:
        command(publishing=Publishing(images, gateway, keep), **given)

    for option in (
        click.option(
            "--keep", type=click.IntRange(1), default=5, show_default=True, help="Number of releases to keep."
        ),
        click.option(
            "--gateway",
            type=(str, click.Path(path_type=Path, exists=True, dir_okay=False)),
            metavar="URL TOKEN_FILE",
            help="Refuse to remove a kernelspec while this gateway runs kernels of it. The token needs the "
            "gateway's admin scope.",
        ),
        click.option(
            "--images",
            type=click.Choice(CHOICES),
            default="registry",
            show_default=True,
            help="Check images first in their registries (registry, require), on the cluster's nodes, or not at "
            "all (skip). A missing image is an error. An image that cannot be checked is an error only with "
            "`require`.",
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
    """Publish kernelspecs as a new release. Gateways pick it up on their own.

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
            click.echo(_coloured(change) or "no changes\n", nl=False)
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
    """List all releases, newest first, and mark those that are live or damaged.

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
@click.option("--to", default="", help="Name of a release. Default: the one before the live release.")
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
    """Return the files of a folder without lint errors. Raises KernelpodError."""
    tree = read_tree(source)
    findings = find_findings(source, settings.kernelspecs, settings.culling)
    if errors := [finding.as_text() for finding in findings if finding.level == "error"]:
        raise KernelpodError("\n".join(["nothing was published:", *errors]))
    if read_tree(source) != tree:
        raise KernelpodError(f"{source} changed while it was read; nothing was published. Try again")
    return tree


def _published(target: Target, tree: Tree, changed: bool, keep: int) -> str:
    """Return the name of the release that is live now. A new one is only made if there are changes."""
    live = target.live()
    if live is not None and not changed:
        return live.name
    with progress()("writing the new release"):
        return target.publish(tree, getpass.getuser(), keep)


def _refuse_if_running(gone: frozenset[str], gateway: tuple[str, Path] | None) -> None:
    if not (gone and gateway):
        return
    url, token_file = gateway
    counts = running(url, SecretStr(token_file.read_text(encoding="utf-8").strip()))
    if used := [f"{spec} ({counts[spec]})" for spec in sorted(gone) if counts[spec]]:
        raise KernelpodError(
            f"nothing was published: kernels of removed kernelspecs are running: {', '.join(used)}. They "
            "could not be restarted. Keep these kernelspecs until the kernels have ended, or leave out --gateway"
        )


def _refuse_if_missing(source: Path, choice: str, context: str) -> None:
    answers = check(images_of(read_all(source)), choice, context)
    refused = [answer for answer in answers if answer.state == "missing" or choice == "require"]
    for answer in answers:
        if answer not in refused:
            click.echo(f"warning: {answer.image}: {answer.reason}", err=True)
    if refused:
        lines = [f"{answer.image}: {answer.state}: {answer.reason}" for answer in refused]
        remedy = "fix the images, or publish with --images skip"
        raise KernelpodError("\n".join([f"nothing was published; {remedy}:", *lines]))


def _coloured(text: str) -> str:
    """Return a unified diff with coloured lines."""
    lines = text.splitlines(keepends=True)
    return "".join(click.style(line, fg=COLOURS[line[0]]) if line[0] in COLOURS else line for line in lines)
