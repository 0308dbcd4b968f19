"""The `kernelpod` command: runs the gateway, registers all other commands and turns errors into exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from kernelpod import __version__
from kernelpod.cli import deploy
from kernelpod.cli.courses import courses
from kernelpod.cli.demo import demo
from kernelpod.cli.homes import homes
from kernelpod.cli.hub import hub
from kernelpod.cli.importing import import_hub
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.render import render
from kernelpod.cli.settings import settings
from kernelpod.cli.specs import specs
from kernelpod.cli.submissions import submissions
from kernelpod.cli.users import users
from kernelpod.errors import KernelpodError, SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2


class Commands(click.Group):
    """A click group that prints a KernelpodError as one sentence, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Exit with 2 for invalid settings and with 1 for any other KernelpodError."""
        try:
            return super().invoke(ctx)
        except KernelpodError as error:
            click.echo(f"kernelpod: {error.message}", err=True)
            sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kernelpod")
def main() -> None:
    """Run Jupyter kernels as pods, each with its user's home.

    \b
    Examples:
      kernelpod demo                                     run hub, Lab, gateway and kernels on this machine
      kernelpod gateway --settings settings.yaml         run the gateway
      kernelpod settings --settings settings.yaml        print the effective settings
      kernelpod deploy --file deploy.yaml                deploy gateway, kernels and hub on a cluster
      kernelpod render --user alice --spec python-pod    print the Secret and Pod of a kernel
    """


@main.command()
@settings_option
def gateway(settings_file: Path | None) -> None:
    """Run the gateway until SIGTERM. Kernels keep running, and the next gateway finds them again.

    \b
    Example:
      kernelpod gateway --settings /etc/kernelpod/settings.yaml
    """
    settings = load_settings(settings_file)
    try:
        from kernelpod.gateway.app import run  # noqa: PLC0415 - only this command needs Enterprise Gateway
    except ImportError as error:
        raise KernelpodError(f"{error}. Install the gateway: pip install 'kernelpod[gateway]'") from error
    run(settings)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    Example:
      eval "$(kernelpod completion bash)"
    """
    made = get_completion_class(shell)
    if made is None:
        raise KernelpodError(f"there is no completion script for {shell}")
    program = Path(sys.argv[0]).name
    click.echo(made(main, {}, program, f"_{program.upper()}_COMPLETE").source())


for command in (
    courses,
    demo,
    homes,
    hub,
    import_hub,
    render,
    settings,
    specs,
    submissions,
    users,
    *deploy.COMMANDS,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
