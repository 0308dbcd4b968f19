"""`kernelpod specs build`: builds kernelspecs for an unmodified Enterprise Gateway."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import click

from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.specs.options import json_option, say_json, source_option
from kernelpod.errors import KernelpodError
from kernelpod.kernelspecs.publishing.tree import Tree, read_tree
from kernelpod.kernelspecs.stock import build as stockbuild

MARK = "scripts/launch_kubernetes.py"


@click.command()
@source_option
@settings_option
@click.option("--stock", is_flag=True, required=True, help="For an unmodified Enterprise Gateway 3.3.0.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("stock"),
    show_default=True,
    help="Folder to write. A folder from an earlier build is replaced.",
)
@json_option
def build(folder: Path, settings_file: Path | None, stock: bool, into: Path, as_json: bool) -> None:  # noqa: ARG001
    """Write kernelspecs for an unmodified gateway. Each gets a launcher; each profile becomes a kernelspec.

    Namespace, homes and grace period are taken from the settings.

    \b
    Example:
      kernelpod specs build --stock --source kernelspecs --into stock
      kernelpod specs sync --source stock --pvc kernelspecs --namespace gateway
    """
    made = stockbuild.build(folder, load_settings(settings_file))
    _write(made.tree, into)
    names = sorted(made.tree.specs)
    if as_json:
        say_json({"kernelspecs": names, "dropped": [dropped._asdict() for dropped in made.dropped]})
        return
    for dropped in made.dropped:
        click.echo(f"{dropped.spec}: {dropped.key} is dropped: {dropped.why}")
    click.echo(f"{into} holds {', '.join(names)}; add them to the chart's kernel.allowedKernels")


def _write(tree: Tree, into: Path) -> None:
    """Write a folder in one step. Raises KernelpodError if `into` holds a folder that was not built."""
    if into.exists():
        there = read_tree(into)
        if foreign := sorted(name for name in there.specs if f"{name}/{MARK}" not in there.files):
            raise KernelpodError(
                f"{into} holds {foreign[0]}, which an earlier build did not write; name another folder with --into"
            )
    new = into.with_name(f".{into.name}-{secrets.token_hex(4)}")
    try:
        for path, content in tree.files.items():
            file = new / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o644)
        if into.exists():
            shutil.rmtree(into)
        new.rename(into)
    finally:
        shutil.rmtree(new, ignore_errors=True)
