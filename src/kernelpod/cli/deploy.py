"""`kernelpod deploy`, `upgrade`, `rollback`, `status`, `smoke`, `destroy`: manage a deployment from one file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kernelpod.deploy import microk8s, operations, prepull, removal
from kernelpod.deploy.cluster import Cluster, find_cluster
from kernelpod.deploy.progress import Progress
from kernelpod.deploy.release import release_of
from kernelpod.deploy.rendered import DUMMY, HUB_TOKENS
from kernelpod.deploy.settings import Deployment, load_deployment
from kernelpod.deploy.state import public_url, state_of
from kernelpod.deploy.z2jh import TRIAL
from kernelpod.errors import KernelpodError

file_option = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("deploy.yaml"),
    show_default=True,
    help="Description of the deployment; deploy.example.yaml explains every key.",
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def opened(file: Path, *, warn: bool = False, without_helm: bool = False) -> tuple[Deployment, Cluster, str]:
    """Return the deployment of a file, its cluster and the address of the API server. Raises KernelpodError."""
    deployment = load_deployment(file, without_helm=without_helm)
    for finding in operations.shared_origins(deployment, file) if warn else ():
        click.echo(finding.as_text(), err=True)
    cluster = find_cluster(deployment)
    return deployment, cluster, operations.check_cluster(cluster)


def confirm(question: str, yes: bool) -> None:
    """Ask, unless the answer is given already. Raises KernelpodError if it is no."""
    if not (yes or click.confirm(question)):
        raise KernelpodError("Nothing was changed.")


@click.command()
@file_option
@yes_option
@click.option("--dry-run", is_flag=True, help="Print what would be applied, and change nothing.")
@click.option("--without-helm", is_flag=True, help="Install the gateway with kubectl alone (`without_helm`).")
def deploy(file: Path, yes: bool, dry_run: bool, without_helm: bool) -> None:
    """Install gateway, kernel namespace and hub, then run the smoke test. Safe to repeat.

    \b
    Examples:
      kernelpod deploy --dry-run
      kernelpod deploy --file deploy.yaml --yes
      kernelpod deploy --without-helm
    """
    _deploy(*opened(file, warn=True, without_helm=without_helm), yes=yes, dry_run=dry_run)


@click.command()
@file_option
@yes_option
@click.option("--dry-run", is_flag=True, help="Print what would be applied, and change nothing.")
def upgrade(file: Path, yes: bool, dry_run: bool) -> None:
    """Apply the current file to an existing deployment. Running servers and kernels continue.

    \b
    Example:
      kernelpod upgrade --yes
    """
    deployment, cluster, server = opened(file, warn=True)
    if not release_of(cluster, deployment).revision():
        raise KernelpodError(
            f"There is no deployment to upgrade in {deployment.namespaces.gateway}; run `kernelpod deploy`."
        )
    _deploy(deployment, cluster, server, yes=yes, dry_run=dry_run)


def _deploy(deployment: Deployment, cluster: Cluster, server: str, *, yes: bool, dry_run: bool) -> None:
    if dry_run:
        for what, text in operations.render(cluster, deployment).items():
            click.echo(f"# --- {what}\n{text}")
        return
    progress = Progress(click.echo)
    click.echo("\n".join(f"  {line}" for line in operations.intention(deployment, server)))
    missing = microk8s.missing(cluster, deployment)
    for words in missing:
        click.echo(f"  then        microk8s enable {words}")
    confirm("Deploy this?", yes)
    microk8s.enable(cluster, missing, progress)
    operations.deploy(cluster, deployment, progress)
    if deployment.hub.install == "none":
        return
    _smoke(cluster, deployment, progress)
    click.echo(public_url(cluster, deployment))
    if deployment.hub.authenticator == DUMMY:
        where = TRIAL if deployment.hub.install == "z2jh" else HUB_TOKENS
        click.echo(
            f"password of all users: kubectl -n {deployment.namespaces.hub} get secret {where} "
            "-o jsonpath={.data.trial_password} | base64 -d"
        )


@click.command()
@file_option
@yes_option
def rollback(file: Path, yes: bool) -> None:
    """Roll hub and gateway back to their state before the last deploy or upgrade.

    \b
    Example:
      kernelpod rollback --yes
    """
    deployment, cluster, server = opened(file)
    confirm(f"Roll back hub and gateway in {server} by one revision?", yes)
    operations.rollback(cluster, deployment, Progress(click.echo))


@click.command()
@file_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(file: Path, as_json: bool) -> None:
    """Show the state of the deployment. Exit 1 unless everything works.

    \b
    Example:
      kernelpod status --json
    """
    deployment, cluster, _ = opened(file)
    state = state_of(cluster, deployment)
    click.echo(json.dumps(state.as_dict(), indent=2) if as_json else state.as_text())
    raise SystemExit(1 if state.problems else 0)


@click.command()
@file_option
def smoke(file: Path) -> None:
    """Test the deployment: log in, start a server and a kernel, share a file, check that access is denied.

    \b
    Example:
      kernelpod smoke
    """
    deployment, cluster, _ = opened(file)
    _smoke(cluster, deployment, Progress(click.echo))


def _smoke(cluster: Cluster, deployment: Deployment, progress: Progress) -> None:
    from kernelpod.deploy.smoke import smoke as run  # noqa: PLC0415 - only this step loads HTTP clients

    run(cluster, deployment, progress)
    click.echo("smoke: passed")


@click.command()
@file_option
@yes_option
@click.option("--homes", is_flag=True, help="Also delete the files of all homes.")
def destroy(file: Path, yes: bool, homes: bool) -> None:
    """Remove hub, gateway and kernels. The files of homes are kept unless --homes is given.

    \b
    Example:
      kernelpod destroy --yes
    """
    deployment, cluster, server = opened(file)
    files = f"all files in {deployment.nfs.server}:{deployment.nfs.homes} are DELETED"
    if deployment.homes == "dynamic":
        files = "all claims of homes are DELETED, and their files if their storage class says so"
    files = files if homes else ""
    consequences = "; ".join(text for text in (removal.running(cluster, deployment), files) if text)
    confirm(f"Remove the deployment from {server}?{f' ({consequences})' if consequences else ''}", yes)
    removal.destroy(cluster, deployment, Progress(click.echo), homes=homes)


@click.command(hidden=True)
@click.argument("daemonset")
@click.option("--namespace", required=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=600, show_default=True)
def await_images(daemonset: str, namespace: str, seconds: float) -> None:
    """Wait until all pods of DAEMONSET have pulled their images. Must run inside a pod.

    \b
    Example:
      kernelpod await-images kernelpod-hook-image-puller --namespace gateway
    """
    prepull.await_images(daemonset, namespace, seconds, prepull.service_account_get, click.echo)


COMMANDS = (deploy, upgrade, rollback, status, smoke, destroy, await_images)
