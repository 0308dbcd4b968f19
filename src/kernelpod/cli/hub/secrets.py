"""`kernelpod hub secrets`: makes files of secrets for a hub without Kubernetes, and changes any hub's secrets."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path

import click
from click.core import ParameterSource

from kernelpod.cli.deploy import confirm, file_option, opened, yes_option
from kernelpod.deploy import rotation
from kernelpod.deploy.hubsecrets import VARIABLES, make_files
from kernelpod.deploy.hubsecrets import rotation as rotation_of_files
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.steps import Outcome, Step, run
from kernelpod.grading.submissions import keys

LOGGED_OUT = " All users must log in to the hub again."
RESTART = (
    "Restart the hub now, with what `kernelpod hub secrets --folder` exports, and a proxy that runs by itself.\n"
    "Without `JupyterHub.cleanup_servers: false`, servers, and with them their kernels, end with the hub.\n"
    "The gateway needs no restart: it reads its token's file whenever it asks the hub."
)


@click.group("secrets", invoke_without_command=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Folder of the files; it is made if missing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def hub_secrets(context: click.Context, folder: Path | None, as_json: bool) -> None:
    """Make files for the hub's cookie secret, proxy token and crypt key. Existing files are never changed.

    Prints shell commands that export the secrets to JupyterHub; the output does not hold the secrets themselves.
    `kernelpod deploy` does not need these files: it keeps the secrets in a Kubernetes Secret. `rotate` changes
    secrets, in files or in a cluster.

    \b
    Examples:
      eval "$(kernelpod hub secrets --folder /etc/kernelpod/hub-secrets)"
      kernelpod hub secrets rotate --file deploy.yaml
    """
    if context.invoked_subcommand:
        if folder or as_json:
            raise click.UsageError(f"Give options after {context.invoked_subcommand}.")
        return
    if folder is None:
        raise click.UsageError("Missing option '--folder'.")
    made = make_files(folder)
    files = {variable: str((folder / name).absolute()) for name, variable in VARIABLES.items()}
    if as_json:
        kept = [name for name in VARIABLES if name not in made]
        click.echo(json.dumps({"made": made, "kept": kept, "variables": files}, indent=2, ensure_ascii=False))
        return
    for variable, file in files.items():
        click.echo(f'export {variable}="$(cat {shlex.quote(file)})"')
    click.echo(f"made {', '.join(made) or 'nothing'} in {folder}", err=True)


@hub_secrets.command()
@file_option
@click.option("--hub", "hub_name", default="", help="Only this hub of the deployment. Default: all.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A hub without Kubernetes: the folder of its files. Nothing is restarted.",
)
@click.option(
    "--token-file",
    "token_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Without Kubernetes: file with the token of a service, as `hubs.token_file` names it; repeat for more.",
)
@click.option(
    "--receipt-key-file",
    type=click.Path(path_type=Path),
    help="File with the key that receipts of submissions are signed with. Former keys go on verifying.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(rotation.SECRETS),
    help="Only this secret; repeat for more. Default: all.",
)
@click.option(
    "--forget-old-keys", is_flag=True, help="Only remove former crypt keys; what only they decrypt is lost."
)
@yes_option
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def rotate(
    context: click.Context,
    file: Path,
    hub_name: str,
    folder: Path | None,
    token_files: tuple[Path, ...],
    receipt_key_file: Path | None,
    only: tuple[str, ...],
    forget_old_keys: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Give a hub new secrets. Kernels keep running. Exit 1 if something could not be done.

    In a cluster: stores new values, restarts hub and gateway, and waits until they are ready. Run again after an
    interruption, it completes the former rotation. Users must log in again; their API tokens stay valid.

    With --folder, --token-file or --receipt-key-file, only files of this machine are changed.

    Former crypt keys and former keys of receipts are kept for reading. No secret is printed.

    \b
    Examples:
      kernelpod hub secrets rotate --dry-run
      kernelpod hub secrets rotate --file deploy.yaml --only service_token --yes
      kernelpod hub secrets rotate --folder hub-secrets --token-file service-token
      kernelpod hub secrets rotate --receipt-key-file receipts.key
    """
    if forget_old_keys and only:
        raise click.UsageError("--forget-old-keys changes nothing else; leave out --only.")
    names = () if forget_old_keys else only or rotation.SECRETS
    if folder or token_files or receipt_key_file:
        if hub_name or context.get_parameter_source("file") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--file and --hub are for a cluster; leave them out to change files.")
        _check_named(folder, token_files, only)
        steps = _files(folder, token_files, receipt_key_file, names, forget_old=forget_old_keys)
    else:
        if as_json and not (yes or dry_run):
            raise click.UsageError("--json asks nothing; give --yes, too.")
        deployment, cluster, server = opened(file)
        hubs = rotation.chosen(deployment, hub_name)
        steps = rotation.plan(cluster, hubs, names, forget_old=forget_old_keys)
        if steps and not (yes or dry_run):
            click.echo("\n".join(f"  {step.what}" for step in steps))
            confirm(f"Do this in {server}?{LOGGED_OUT if 'cookie_secret' in names else ''}", yes)
    if dry_run:
        outcomes = [Outcome(step.what, "planned") for step in steps]
    else:
        outcomes = run(steps, Progress(partial(click.echo, err=as_json)))
    ok = all(one.outcome != "failed" for one in outcomes)
    _say(outcomes, dry_run=dry_run, as_json=as_json)
    if ok and (folder or token_files) and not dry_run:
        click.echo(RESTART, err=True)
    if folder and not (token_files or only or forget_old_keys):
        click.echo("The service token stays: name its file by --token-file to change it, too.", err=True)
    raise SystemExit(0 if ok else 1)


def _check_named(folder: Path | None, token_files: tuple[Path, ...], only: tuple[str, ...]) -> None:
    """Check that the files of the secrets that were chosen are named. Raises UsageError."""
    if rotation.SERVICE_TOKEN in only and not token_files:
        raise click.UsageError("Name the file of the service token by --token-file.")
    if not folder and {*only} - {rotation.SERVICE_TOKEN}:
        raise click.UsageError("Name the folder of these secrets by --folder.")


def _files(
    folder: Path | None,
    token_files: tuple[Path, ...],
    receipt_key_file: Path | None,
    names: tuple[str, ...],
    *,
    forget_old: bool,
) -> list[Step]:
    """Return the steps that change files of this machine."""
    if forget_old:
        if folder is None or token_files or receipt_key_file:
            raise click.UsageError("--forget-old-keys needs --folder, and no other file.")
        return rotation_of_files([folder / "crypt_key"], forget_old=True)
    chosen = [folder / name for name in VARIABLES if name in names] if folder else []
    steps = rotation_of_files([*chosen, *token_files])
    if receipt_key_file:
        keys.read_keys(receipt_key_file)
        said = f"{receipt_key_file}: new; the former key is kept for verifying"
        steps.append(Step(said, partial(keys.rotate, receipt_key_file)))
    return steps


def _say(outcomes: list[Outcome], *, dry_run: bool, as_json: bool) -> None:
    """Print what was done, beside the progress."""
    failed = next((one for one in outcomes if one.outcome == "failed"), None)
    if as_json:
        made = {"dry_run": dry_run, "ok": failed is None, "steps": [one.as_dict() for one in outcomes]}
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))
        return
    for one in outcomes:
        if one.outcome == "planned":
            click.echo(f"plan  {one.step}")
    if not outcomes:
        click.echo("nothing to do")
    if failed:
        done = [one.step for one in outcomes if one.outcome == "done"]
        said = "\n".join(f"  {one}" for one in done) or "  nothing"
        click.echo(f"kernelpod: {failed.step}: {failed.message}\nChanged before that:\n{said}", err=True)
        click.echo("Mend the cause and run the command again: it does what is left.", err=True)
