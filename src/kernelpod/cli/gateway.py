"""`kernelpod gateway`: runs the gateway."""

from __future__ import annotations

from pathlib import Path

import click

from kernelpod.cli.options import load_settings, settings_option
from kernelpod.errors import KernelpodError


@click.command()
@settings_option
def gateway(settings_file: Path | None) -> None:
    """Run the gateway until SIGTERM. Kernels keep running, and the next gateway finds them again.

    \b
    Example:
      kernelpod gateway --settings /etc/kernelpod/settings.yaml
    """
    settings = load_settings(settings_file)
    try:
        from kernelpod.gateway.app import run  # noqa: PLC0415 - only this command needs Enterprise Gateway
    except ImportError as error:
        raise KernelpodError(f"{error}. Install the gateway: pip install 'kernelpod[gateway]'") from error
    run(settings)
