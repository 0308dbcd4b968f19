"""`kernelpod hub`: values, checks and secrets for a JupyterHub."""

from __future__ import annotations

import click

from kernelpod.cli.hub.config import check_config
from kernelpod.cli.hub.onetime import one_time
from kernelpod.cli.hub.secrets import hub_secrets
from kernelpod.cli.hub.values import check_values, values


@click.group()
def hub() -> None:
    """Configure and check a JupyterHub that uses the gateway.

    \b
    Examples:
      kernelpod hub values --settings settings.yaml
      kernelpod hub check-values --settings settings.yaml yours.yaml
      kernelpod hub check-config config.yaml
      kernelpod hub secrets --folder hub-secrets
    """


for command in (values, check_values, check_config, hub_secrets, one_time):
    hub.add_command(command)
