"""`kernelpod users`: ends at once what a user has."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click

from kernelpod.cli.admintoken import admin_token, token_option
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.demo.places import settings_of_running_demo
from kernelpod.hub.revocation import WHAT, Revocation, Step
from kernelpod.hub.servers import gateway_url as url_for_servers
from kernelpod.settings.loading import default_file

MARKS = {"done": "done", "failed": "FAIL", "planned": "plan"}


@click.group()
def users() -> None:
    """End at once what a user has.

    \b
    Example:
      kernelpod users revoke alice
    """


@users.command()
@click.argument("name")
@settings_option
@click.option("--hub", "hub_name", default="", help="Name of the hub. Required if the settings have several.")
@token_option
@click.option(
    "--gateway-url", help="URL of the gateway as this machine reaches it. Default: `servers.gateway_url`."
)
@click.option("--dry-run", is_flag=True, help="Count what would end; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def revoke(
    name: str,
    settings_file: Path | None,
    hub_name: str,
    token_file: TextIO | None,
    gateway_url: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """End a user's tokens, servers, kernels and websockets now. Exit 1 if something could not be ended.

    Nothing of theirs starts until the hub knows a new token. A browser that is logged in to the hub can get one:
    to keep a user out, take them off the lists of who may log in, or delete them at the hub, before.

    Without settings, the demo that runs on this machine is meant.

    \b
    Examples:
      kernelpod users revoke alice
      kernelpod users revoke alice --dry-run
      kernelpod users revoke alice --settings settings.yaml --token-file admin-token --json
    """
    settings = load_settings(settings_file or default_file() or settings_of_running_demo())
    hub = settings.hub(hub_name)
    url = (gateway_url or url_for_servers(settings, hub)).rstrip("/")
    revocation = Revocation(settings, hub, url, admin_token(hub, token_file), name)
    steps = revocation.plan() if dry_run else revocation.run()
    ok = all(step.outcome != "failed" for step in steps)
    if as_json:
        made = {
            "user": name,
            "hub": hub.name,
            "dry_run": dry_run,
            "ok": ok,
            "steps": [asdict(one) for one in steps],
        }
        click.echo(json.dumps(made, indent=2))
    else:
        for step in steps:
            click.echo(_line(step))
        if not ok:
            click.echo("Run the command again when the cause is mended.", err=True)
    raise SystemExit(0 if ok else 1)


def _line(step: Step) -> str:
    said = f": {step.message}" if step.message else ""
    if step.outcome == "failed":
        return f"{MARKS[step.outcome]}  {WHAT[step.step]}{said}"
    return f"{MARKS[step.outcome]}  {step.count} {WHAT[step.step]}{said}"
