"""`kernelpod specs`: writes, checks and publishes kernelspecs, and builds them for a stock gateway."""

from __future__ import annotations

import os

import click

from kernelpod.cli.render import render
from kernelpod.cli.specs.author import lint, list_specs, new
from kernelpod.cli.specs.image_checks import check_images, images
from kernelpod.cli.specs.publish import diff, history, rollback, sync
from kernelpod.cli.specs.stock import build
from kernelpod.cli.specs.takeover import import_spec


@click.group()
@click.pass_context
def specs(context: click.Context) -> None:
    """Check kernelspecs, publish them as releases, and roll back.

    \b
    Examples:
      kernelpod specs lint kernelspecs
      kernelpod specs diff --target /srv/nfs/kernelpod
      kernelpod specs sync --pvc kernelspecs --namespace gateway
      kernelpod specs rollback --ssh admin@nfs.example.org:/srv/nfs/kernelpod
    """
    # See https://no-color.org. If it is unset, click uses colours on terminals only.
    if os.environ.get("NO_COLOR"):
        context.color = False


for command in (
    list_specs,
    new,
    lint,
    render,
    import_spec,
    images,
    check_images,
    diff,
    sync,
    history,
    rollback,
    build,
):
    specs.add_command(command)
