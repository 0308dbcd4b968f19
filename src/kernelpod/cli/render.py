"""`kernelpod render`: prints the Secret and Pod of a user's kernel without starting it."""

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
from kernelpod.kernelspecs.published import PublishedKernelspecs
from kernelpod.pods.kernel import POD_PORTS, kernel_manifest
from kernelpod.start.connection import ConnectionKeys, CurveKeys, new_connection
from kernelpod.start.identity import Identity, Owner
from kernelpod.start.policy import Usage, decide
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import from_environment


@click.command()
@settings_option
@click.option("--user", required=True, help="User name, unescaped, as the hub spells it.")
@click.option("--group", "groups", multiple=True, help="Hub group of the user; repeat for more.")
@click.option("--spec", required=True, help="Kernelspec, or <kernelspec>.<profile>.")
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
) -> None:
    """Print the Secret and Pod of a user's kernel. Nothing is started.

    \b
    Examples:
      kernelpod render --user john.doe --spec python-pod
      kernelpod render --user alice --group graders --spec python-pod.large --env KERNEL_CPUS=2
    """
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
