"""`kernelpod hub values`, `check-values`: make and check values for Zero to JupyterHub."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import click

from kernelpod.base import hubnetworks, yamltext
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.courses.check import check_courses
from kernelpod.courses.load import load_courses
from kernelpod.errors import SettingsError
from kernelpod.findings import forms
from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_values
from kernelpod.kernelspecs.folders import images_of, read_all
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import overrides
from kernelpod.z2jh.values import z2jh_values
from kernelpod.z2jh.versions import NEWEST

hub_option = click.option(
    "--hub",
    "hub_name",
    default="",
    metavar="NAME|FILE",
    help="Name of the hub, required if the settings have several; or its courses file, which is checked first.",
)
chart_version_option = click.option(
    "--chart-version",
    default=NEWEST,
    show_default=True,
    help="Version of Zero to JupyterHub's chart, 3.3 or later.",
)


def _networks(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> list[str]:
    try:
        return [str(ip_network(text)) for text in given]
    except ValueError as error:
        raise click.BadParameter(f"{error}; write a network such as 192.0.2.0/24") from error


@click.command()
@settings_option
@click.option("--gateway-namespace", default="gateway", show_default=True, help="Namespace of the gateway.")
@click.option("--image", help="Image of servers as NAME:TAG. Default: the chart's.")
@click.option(
    "--kernelspecs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of kernelspecs. The chart's pre-puller also pulls their images.",
)
@hub_option
@chart_version_option
@click.option("--no-internet", is_flag=True, help="Servers cannot reach the internet, as for exams.")
@click.option(
    "--deny",
    "denied",
    multiple=True,
    metavar="CIDR",
    callback=_networks,
    help="Addresses that servers cannot reach, such as those of an NFS server. Private ones are denied anyway.",
)
def values(
    settings_file: Path | None,
    gateway_namespace: str,
    image: str | None,
    kernelspecs: Path | None,
    hub_name: str,
    chart_version: str,
    no_internet: bool,
    denied: list[str],
) -> None:
    """Print values for Zero to JupyterHub, made from the gateway's settings.

    \b
    Examples:
      kernelpod hub values --settings settings.yaml --chart-version 4.4 > hub.yaml
      kernelpod hub values --settings settings.yaml --hub exam.yaml --no-internet > exam-hub.yaml
      helm upgrade --install hub jupyterhub/jupyterhub --namespace hub --values hub.yaml
    """
    images = images_of(read_all(kernelspecs)) if kernelspecs else []
    settings = load_settings(settings_file)
    name = _name_of(hub_name, settings)
    internet = [] if no_internet else hubnetworks.internet(denied)
    made = z2jh_values(settings, gateway_namespace, image, images, name, chart_version, internet)
    click.echo(yamltext.dump(made).rstrip())


@click.command("check-values")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@settings_option
@click.option("--gateway-namespace", default="gateway", show_default=True, help="Namespace of the gateway.")
@hub_option
@chart_version_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_values(
    file: Path,
    settings_file: Path | None,
    gateway_namespace: str,
    hub_name: str,
    chart_version: str,
    as_json: bool,
) -> None:
    """Report which generated values your own values FILE overrides. Exit 1 if that breaks something.

    Traits are resolved as the chart's hub does: from values, `hub.config` and profiles. Python code is not.

    \b
    Example:
      kernelpod hub check-values --settings settings.yaml yours.yaml
    """
    settings = load_settings(settings_file)
    name = _name_of(hub_name, settings)
    ours = z2jh_values(settings, gateway_namespace, hub_name=name, chart_version=chart_version)
    found = overrides(ours, read_values(file), chart_version)
    broken = any(one.level == "error" for one in found)
    click.echo(forms.as_json(found) if as_json else forms.text(found), nl=False)
    if not (broken or as_json):
        click.echo(f"{file}: what servers and kernels need holds with chart {chart_version}.")
    raise SystemExit(1 if broken else 0)


def _name_of(hub: str, settings: Settings) -> str:
    """Return the name of a hub that is given by its name or by its courses file.

    Raises FindingsError if the file has errors and SettingsError if the settings do not name it.
    """
    if not hub.endswith((".yaml", ".yml")):
        return hub
    if findings := [finding for finding in check_courses(Path(hub), settings) if finding.level == "error"]:
        raise FindingsError(findings)
    name = load_courses(Path(hub)).hub.hub
    if settings.hub(name).courses is None:
        raise SettingsError(
            f"hubs.courses: the settings name no courses file for the hub {name!r}; set it to the path of "
            f"{Path(hub).name} in the hub's pod"
        )
    return name
