"""`kernelpod settings`: prints the effective settings, their JSON schema or their reference."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kernelpod.base import yamltext
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.settings_reference import settings_markdown, settings_schema


@click.command()
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the settings file.")
@click.option("--markdown", is_flag=True, help="Print the reference of all settings as Markdown.")
def settings(settings_file: Path | None, as_json: bool, schema: bool, markdown: bool) -> None:
    """Print the effective settings, with defaults filled in and secrets masked.

    \b
    Examples:
      kernelpod settings --settings settings.yaml
      kernelpod settings --schema > settings.schema.json
    """
    if schema:
        click.echo(settings_schema(), nl=False)
    elif markdown:
        click.echo(settings_markdown(), nl=False)
    else:
        data = load_settings(settings_file).model_dump(mode="json")
        click.echo(json.dumps(data, indent=2) if as_json else yamltext.dump(data).rstrip())
