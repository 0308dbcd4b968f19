"""`kernelpod hub secrets`: makes the secret files of a hub that runs without Kubernetes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from kernelpod.deploy.hubsecrets import VARIABLES, make_files


@click.command("secrets")
@click.option(
    "--folder", required=True, type=click.Path(path_type=Path), help="Folder of the files; it is made if missing."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def make_secrets(folder: Path, as_json: bool) -> None:
    """Make files for the hub's cookie secret, proxy token and crypt key. Existing files are never changed.

    Prints shell commands that export the secrets to JupyterHub; the output does not hold the secrets themselves.
    `kernelpod deploy` does not need these files: it keeps the secrets in a Kubernetes Secret.

    \b
    Example:
      eval "$(kernelpod hub secrets --folder /etc/kernelpod/hub-secrets)"
    """
    made = make_files(folder)
    files = {variable: str((folder / name).absolute()) for name, variable in VARIABLES.items()}
    if as_json:
        kept = [name for name in VARIABLES if name not in made]
        click.echo(json.dumps({"made": made, "kept": kept, "variables": files}, indent=2, ensure_ascii=False))
        return
    for variable, file in files.items():
        click.echo(f'export {variable}="$(cat {shlex.quote(file)})"')
    click.echo(f"made {', '.join(made) or 'nothing'} in {folder}", err=True)
