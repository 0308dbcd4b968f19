"""`kernelpod`: the commands, their common options, and how errors end."""

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
    """Ends with one sentence, never a traceback, for every error that has one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit 2 for what the caller can mend, 1 for what failed."""
        try:
            return super().invoke(ctx)
        except KernelpodError as error:
            click.echo(f"kernelpod: {error.message}", err=True)
            sys.exit(EXIT_USAGE if isinstance(error, SettingsError) else EXIT_FAILED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kernelpod")
def main() -> None:
    """Kernels in pods, homes that follow.

    \b
    Examples:
      kernelpod demo                                     hub, Lab, gateway and kernels on this machine
      kernelpod gateway --settings settings.yaml         the gateway
      kernelpod settings --settings settings.yaml        the settings as they take effect
      kernelpod deploy --file deploy.yaml                gateway, kernels and hub on a cluster
      kernelpod render --user alice --spec python-pod    the Secret and Pod of a kernel, nothing started
    """


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:
      eval "$(kernelpod completion bash)"
    """
    made = get_completion_class(shell)
    if made is None:
        raise KernelpodError(f"no completion for {shell}")
    program = Path(sys.argv[0]).name
    click.echo(made(main, {}, program, f"_{program.upper()}_COMPLETE").source())


for command in (await_images, courses, demo, gateway, hub, render, settings, specs, submissions, *deploy.COMMANDS):
    main.add_command(command)


if __name__ == "__main__":
    main()
