"""`kernelpod render`: shows the Secret and Pod of a user's kernel, or the manifests of a deployment."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import click
from pydantic import SecretStr

from kernelpod.base import shipped
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.courses.resolver import CourseResolver
from kernelpod.courses.roster import Roster
from kernelpod.deploy.cluster import find_cluster
from kernelpod.deploy.install import as_networks, denied_addresses
from kernelpod.deploy.settings import load_deployment
from kernelpod.deploy.withouthelm.folder import folder_files, is_manifest, write_folder
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.pods.kernel import POD_PORTS, kernel_manifest
from kernelpod.start.connection import ConnectionKeys, CurveKeys, new_connection
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.policy import Usage, decide
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import from_environment


@click.command()
@settings_option
@click.option("--user", default="", help="User name, unescaped, as the hub spells it.")
@click.option("--group", "groups", multiple=True, help="Hub group of the user; repeat for more.")
@click.option("--spec", default="", help="Kernelspec, or <kernelspec>.<profile>.")
@click.option(
    "--env",
    "env",
    multiple=True,
    metavar="KERNEL_X=VALUE",
    help="Variable that the client sends; repeat for more.",
)
@click.option(
    "--kernelspecs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of kernelspecs. Default: `kernelspecs.path` of the settings, then those shipped with kernelpod.",
)
@click.option("--hub", "hub_name", default="", help="Name of the hub. Required if the settings have several.")
@click.option("--course", default="", help="Course that the user chose. Default: their first.")
@click.option("--json", "form", flag_value="json", help="Print both manifests as a JSON list.")
@click.option("--plan", "form", flag_value="plan", help="Print the plan as JSON instead of the manifests.")
@click.option(
    "--deployment",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of a kernel, show the manifests of the deployment in this file, for use without Helm.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the deployment's manifests into this folder, for `kubectl apply -k`.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Do not ask the cluster for the addresses that kernels must not reach: its nodes and API servers.",
)
def render(
    settings_file: Path | None,
    user: str,
    groups: tuple[str, ...],
    spec: str,
    env: tuple[str, ...],
    kernelspecs: Path | None,
    hub_name: str,
    course: str,
    form: str | None,
    deployment: Path | None,
    out: Path | None,
    offline: bool,
) -> None:
    """Print the Secret and Pod of a user's kernel, or the manifests of a deployment. Nothing is started.

    \b
    Examples:
      kernelpod render --user john.doe --spec python-pod
      kernelpod render --user alice --group graders --spec python-pod.large --env KERNEL_CPUS=2
      kernelpod render --deployment deploy.yaml --out manifests
    """
    if deployment:
        _render_deployment(deployment, out, offline=offline)
        return
    if out or offline:
        raise click.UsageError("--out and --offline are for --deployment.")
    if not (user and spec):
        raise click.UsageError("Give --user and --spec for a kernel, or --deployment.")
    settings = load_settings(settings_file)
    variables = dict(pair.partition("=")[::2] for pair in env)
    request = from_environment(variables, spec)
    folder = kernelspecs or (
        settings.kernelspecs.path if settings.kernelspecs.path.is_dir() else shipped.kernelspecs()
    )
    published = PublishedKernelspecs(settings.kernelspecs.model_copy(update={"path": folder}), settings.culling)
    hub = settings.hub(hub_name)
    identity = Identity(Owner(hub=hub.name, kind="user", name=user), groups=tuple(sorted(groups)))
    course_access = None
    if hub.courses:
        roster = Roster(hub.courses, settings, hub.name)
        roster.refresh()
        course_access = CourseResolver(roster).resolve(user, {"profile": course})
    found = published.get(request.spec, request.profile)
    plan = decide(str(uuid.UUID(int=0)), request, identity, found, settings, Usage(), course_access)
    if form == "plan":
        click.echo(json.dumps(plan.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    key = SecretStr("(random at each start)")
    keys = ConnectionKeys(key, CurveKeys(key.get_secret_value(), key) if plan.encrypted else None)
    connection = new_connection("tcp", "0.0.0.0", POD_PORTS, plan.address, keys)
    made = kernel_manifest(KernelRecord(plan=plan), connection, "000000")
    text = json.dumps([made.secret, made.pod], indent=2, ensure_ascii=False) + "\n" if form else made.to_yaml()
    click.echo(text, nl=False)


def _render_deployment(file: Path, out: Path | None, *, offline: bool) -> None:
    deployment = load_deployment(file, without_helm=True)
    cluster = find_cluster(deployment)
    server = deployment.nfs.server
    denied = as_networks([server]) if offline else denied_addresses(cluster, server)
    files = folder_files(cluster, deployment, denied)
    if offline and "deny" not in (deployment.values.get("networkPolicy") or {}):
        by_name = "" if denied else f"the NFS server {server}, "
        click.echo(
            f"warning: kernels may reach {by_name}the cluster's nodes and API servers: list their addresses in "
            f"values.networkPolicy.deny of {file}, or leave out --offline",
            err=True,
        )
    if out is None:
        click.echo("---\n".join(text for name, text in files.items() if is_manifest(name)), nl=False)
        return
    write_folder(out, files)
    click.echo(
        f"{out}: {len(files)} files. Apply them with\n  kubectl apply -f {out}/namespaces.yaml\n"
        f"  sh {out}/secrets.sh\n  kubectl apply -k {out}"
    )
