"""`kernelpod specs`: kernelspecs as releases."""

from __future__ import annotations

import getpass
import json
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from kernelpod import shipped
from kernelpod.cli import faultforms
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.faults import Fault
from kernelpod.kernelspecs.lint import lint as find_faults
from kernelpod.kernelspecs.lint import spec_folders
from kernelpod.kernelspecs.model import KernelSpec, read_folder
from kernelpod.kernelspecs.releases import Target
from kernelpod.kernelspecs.tree import difference, read_tree
from kernelpod.kernelspecs.usage import running

SHOWN = ("address", "display_name", "language", "image")

source_argument = click.argument(
    "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False
)
source_option = click.option(
    "--source",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of kernelspecs; else those that come with kernelpod.",
)
target_option = click.option(
    "--target",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder above `kernelspecs` that gateways mount, such as an NFS folder mounted here.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def specs() -> None:
    """Check kernelspecs, publish them as releases, and go back.

    \b
    Examples:
      kernelpod specs lint kernelspecs
      kernelpod specs diff --target /srv/nfs/kernelpod
      kernelpod specs sync --target /srv/nfs/kernelpod
      kernelpod specs rollback --target /srv/nfs/kernelpod
    """


@specs.command("list")
@source_argument
@click.option("--group", "groups", multiple=True, help="Only what a user in this hub group sees; repeat for more.")
@json_option
def list_specs(folder: Path | None, groups: tuple[str, ...], as_json: bool) -> None:
    """List kernelspecs and profiles of FOLDER, a line each.

    \b
    Example:
      kernelpod specs list kernelspecs --group graders
    """
    seen = [spec for spec in _all_of(folder or shipped.kernelspecs()) if spec.is_for(groups) or not groups]
    rows = [{name: getattr(spec, name) for name in SHOWN} for spec in seen]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _table(rows)


@specs.command()
@source_argument
@json_option
def images(folder: Path | None, as_json: bool) -> None:
    """Print the images of all kernelspecs and profiles, each once: what nodes should have pulled.

    \b
    Example:
      kernelpod specs images kernelspecs
    """
    found = sorted({spec.image for spec in _all_of(folder or shipped.kernelspecs())})
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(found))


@specs.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path("kernelspecs"), show_default=True
)
@click.option("--image", prompt="Image with a tag", help="Image of the kernel's pod, with a tag.")
@click.option("--language", prompt="Language", help="The language's name, such as python or R.")
@click.option("--display-name", help="What users see in Lab; else made of the name.")
@click.option(
    "--command",
    prompt="Command that starts the kernel",
    help="Command line in the image; {connection_file} stands for the connection.",
)
def new(name: str, into: Path, image: str, language: str, display_name: str | None, command: str) -> None:
    """Write the folder of a new kernelspec; whatever is not given is asked for.

    \b
    Example:
      kernelpod specs new r-pod --image registry.example/r:4.4 --language R \\
        --command "R --slave -e IRkernel::main() --args {connection_file}"
    """
    folder = into / name
    if folder.exists():
        raise KernelpodError(f"{folder} is there already")
    data = {
        "display_name": display_name or name.replace("-", " ").capitalize(),
        "language": language,
        "argv": shlex.split(command),
        "interrupt_mode": "message",
        "metadata": {"kernelpod": {"image": image}},
    }
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    try:
        read_folder(folder)
    except ValueError as error:
        shutil.rmtree(folder)
        raise KernelpodError(f"{name}: {error}") from error
    click.echo(f"{folder / 'kernel.json'} written; next: kernelpod specs lint {into}")


@specs.command()
@source_argument
@settings_option
@click.option("--format", "form", type=click.Choice(list(faultforms.FORMS)), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings fail as well.")
def lint(folder: Path | None, settings_file: Path | None, form: str, strict: bool) -> None:
    """Say what is wrong with the kernelspecs of FOLDER, with place and remedy; exit 1 for errors.

    \b
    Examples:
      kernelpod specs lint kernelspecs
      kernelpod specs lint kernelspecs --strict --format github
    """
    source = folder or shipped.kernelspecs()
    faults = find_faults(source, load_settings(settings_file).kernelspecs)
    click.echo(faultforms.FORMS[form](faults, source), nl=False)
    if form == "text":
        names = [path.name for path in spec_folders(source)]
        click.echo(f"{len(names)} kernelspecs ({', '.join(names)}): {_count(faults)}")
    raise SystemExit(1 if any(strict or fault.kind.level == "error" for fault in faults) else 0)


@specs.command()
@source_option
@target_option
def diff(folder: Path | None, target: Path) -> None:
    """Show what `sync` would change, as a unified diff; exit 1 if anything would.

    \b
    Example:
      kernelpod specs diff --source kernelspecs --target /srv/nfs/kernelpod
    """
    text = difference(Target(target).tree(), read_tree(folder or shipped.kernelspecs()))
    click.echo(text, nl=False)
    raise SystemExit(1 if text else 0)


@specs.command()
@source_option
@target_option
@settings_option
@click.option(
    "--gateway",
    type=(str, click.Path(path_type=Path, exists=True, dir_okay=False)),
    metavar="URL TOKEN_FILE",
    help="Take away no kernelspec of which this gateway runs kernels; the token must hold its admin scope.",
)
@click.option("--keep", type=click.IntRange(1), default=5, show_default=True, help="Releases that stay.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def sync(
    folder: Path | None,
    target: Path,
    settings_file: Path | None,
    gateway: tuple[str, Path] | None,
    keep: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Publish kernelspecs as a new release; gateways follow by themselves.

    \b
    Examples:
      kernelpod specs sync --source kernelspecs --target /srv/nfs/kernelpod --dry-run
      kernelpod specs sync --source kernelspecs --target /srv/nfs/kernelpod
    """
    source = folder or shipped.kernelspecs()
    tree, place = read_tree(source), Target(target)
    faults = find_faults(source, load_settings(settings_file).kernelspecs)
    if errors := [fault.as_text() for fault in faults if fault.kind.level == "error"]:
        raise KernelpodError("\n".join(["nothing is published:", *errors]))
    if read_tree(source) != tree:
        raise KernelpodError(f"{source} was changed while it was read; nothing is published, try again")
    old = place.tree()
    change = difference(old, tree)
    if dry_run:
        click.echo(change or "nothing would change\n", nl=False)
        return
    if gateway and (gone := old.specs - tree.specs):
        _refuse_if_running(gone, *gateway)
    live = place.live()
    name = place.publish(tree, getpass.getuser(), keep) if change or live is None else live.name
    said = {"release": name, "published": bool(change), "kernelspecs": sorted(tree.specs)}
    click.echo(json.dumps(said) if as_json else f"{name} is live{'' if change else ' already'}")


@specs.command()
@target_option
@json_option
def history(target: Path, as_json: bool) -> None:
    """List the releases, the newest first, and say which is live and which is damaged.

    \b
    Example:
      kernelpod specs history --target /srv/nfs/kernelpod
    """
    releases = Target(target).history()
    if as_json:
        click.echo(json.dumps([asdict(release) for release in releases], indent=2, default=str))
        return
    _table(
        [
            {
                "": "live" if release.live else "",
                "release": release.name,
                "created": f"{release.created:%Y-%m-%d %H:%M:%S}",
                "by": release.by,
                "state": release.damage or "whole",
            }
            for release in releases
        ]
    )


@specs.command()
@target_option
@click.option("--to", default="", help="Name of a release; else the one before the live one.")
def rollback(target: Path, to: str) -> None:
    """Make an earlier release live again.

    \b
    Example:
      kernelpod specs rollback --target /srv/nfs/kernelpod
    """
    click.echo(f"{Target(target).rollback(getpass.getuser(), to)} is live")


def _all_of(folder: Path) -> list[KernelSpec]:
    """Return all kernelspecs and profiles of a folder. Raises KernelpodError for one that cannot be used."""
    found: list[KernelSpec] = []
    for path in spec_folders(folder):
        try:
            found += read_folder(path)
        except ValueError as error:
            raise KernelpodError(f"{path.name}: {error}") from error
    return found


def _refuse_if_running(gone: frozenset[str], gateway: str, token_file: Path) -> None:
    counts = running(gateway, SecretStr(token_file.read_text(encoding="utf-8").strip()))
    if used := [f"{spec} ({counts[spec]})" for spec in sorted(gone) if counts[spec]]:
        raise KernelpodError(
            f"nothing is published: kernels run of what would go: {', '.join(used)}. Restarts of them would fail; "
            "keep these kernelspecs until they have ended, or leave out --gateway"
        )


def _count(faults: list[Fault]) -> str:
    counts = {level: sum(fault.kind.level == level for fault in faults) for level in ("error", "warning")}
    return ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items())


def _table(rows: list[dict[str, Any]]) -> None:
    """Print rows in columns as wide as they need to be."""
    if not rows:
        return
    texts = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for text in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(text, widths, strict=True)).rstrip())
