"""`kernelpod hub`."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from kernelpod.cli.courses import check, show
from kernelpod.cli.hubconfig import check_config
from kernelpod.cli.hubsecrets import make_secrets
from kernelpod.cli.onetime import one_time
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.hub.values import z2jh_values
from kernelpod.kernelspecs.folders import images_of, read_all


@click.group()
def hub() -> None:
    """What a JupyterHub must be told.

    \b
    Examples:
      kernelpod hub values --settings settings.yaml
      kernelpod hub check courses.yaml
      kernelpod hub show courses.yaml --user alice
      kernelpod hub check-config config.yaml
      kernelpod hub secrets --folder hub-secrets
    """


@hub.command()
@settings_option
@click.option("--gateway-namespace", default="gateway", show_default=True, help="Namespace of the gateway.")
@click.option("--image", help="Image of servers as NAME:TAG; else the chart's own.")
@click.option(
    "--kernelspecs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of kernelspecs whose images the chart's pre-puller pulls as well.",
)
def values(
    settings_file: Path | None, gateway_namespace: str, image: str | None, kernelspecs: Path | None
) -> None:
    """Print values for Zero to JupyterHub; the settings are those of the gateway.

    \b
    Example:
      kernelpod hub values --settings settings.yaml > hub.yaml
      helm upgrade --install hub jupyterhub/jupyterhub --namespace hub --values hub.yaml
    """
    images = images_of(read_all(kernelspecs)) if kernelspecs else []
    made = z2jh_values(load_settings(settings_file), gateway_namespace, image, images)
    click.echo(yaml.safe_dump(made, sort_keys=False, allow_unicode=True).rstrip())


for command in (check, check_config, make_secrets, one_time, show):
    hub.add_command(command)
