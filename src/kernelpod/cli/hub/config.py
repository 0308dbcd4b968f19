"""`kernelpod hub check-config`: checks a hub's configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from kernelpod.cli.options import load_settings, settings_option
from kernelpod.errors import SettingsError
from kernelpod.findings import forms
from kernelpod.findings.finding import Finding
from kernelpod.hub.configfile.needs import broken_needs
from kernelpod.hub.configfile.origins import shared_origins
from kernelpod.settings.sections import Settings

NEEDS_JUPYTERHUB = (
    "the check needs JupyterHub's own classes, but jupyterhub is not installed here; "
    "run `pip install 'kernelpod[hub]'` and install your authenticator, or run this command in the hub's image"
)


@click.command("check-config")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_config(file: Path, settings_file: Path | None, as_json: bool) -> None:
    """Check a hub's configuration by class and trait (the file of KERNELPOD_HUB_CONFIG). Exit 1 for errors.

    What servers and kernels need is compared with the settings. FILE may also be the file of `kernelpod deploy` or
    values for Zero to JupyterHub. Of these, the section `hub.config` is checked; check-values checks all values.

    \b
    Examples:
      kernelpod hub check-config hub/logins/ldap.yaml
      kernelpod hub check-config deploy.yaml
    """
    settings = load_settings(settings_file)
    findings = [*class_findings(file), *need_findings(file, settings)]
    if as_json:
        click.echo(forms.as_json(findings), nl=False)
    else:
        for finding in findings:
            click.echo(finding.as_text())
    errors = sum(finding.level == "error" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    click.echo(f"{file}: {errors} errors, {warnings} warnings", err=as_json)
    raise SystemExit(1 if errors else 0)


def class_findings(file: Path) -> list[Finding]:
    """Return what JupyterHub's own classes refuse. Raises SettingsError where JupyterHub is not installed."""
    try:
        from kernelpod.hub.configfile.traits import check_traits  # noqa: PLC0415 - only this needs JupyterHub
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] in ("jupyterhub", "traitlets"):
            raise SettingsError(NEEDS_JUPYTERHUB) from error
        raise
    return check_traits(file)


def need_findings(file: Path, settings: Settings) -> list[Finding]:
    """Return what a hub's configuration breaks of what servers and kernels need."""
    return [*broken_needs(file, settings), *shared_origins(file, settings)]
