"""The `kernelpod` command: registers all subcommands and turns errors into exit codes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from kernelpod import __version__
from kernelpod.cli import deploy
from kernelpod.cli.await_images import await_images
from kernelpod.cli.courses import courses
from kernelpod.cli.demo import demo
from kernelpod.cli.gateway import gateway
from kernelpod.cli.hub import hub
from kernelpod.cli.render import render
from kernelpod.cli.settings import settings
from kernelpod.cli.specs import specs
from kernelpod.cli.submissions import submissions
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


for command in (await_images, courses, demo, gateway, hub, render, settings, specs, submissions, *deploy.COMMANDS):
    main.add_command(command)


if __name__ == "__main__":
    main()
