"""The options by which `kernelpod homes` is told whose homes are meant, and where they are stored."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from kernelpod.base import podshell
from kernelpod.base.shells import Shell
from kernelpod.cli.admintoken import admin_token, token_option
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.places import Command, Place, place_options
from kernelpod.cli.specs.options import progress
from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList
from kernelpod.courses.userlists import read_plain
from kernelpod.deploy.homefolders.folders import SECONDS
from kernelpod.deploy.homefolders.wanted import HubUsers, Wanted
from kernelpod.errors import SettingsError
from kernelpod.hub.restapi import NotDoneError, api_of_hub, user_names
from kernelpod.settings.hubs import Hub

# What a pod needs to make folders for others, where the export has no root_squash.
CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
MAX_LIST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Asked:
    """The homes that a command is about, and the folder with all of them."""

    users: HubUsers
    wanted: Wanted
    everybody: bool
    """Whether these are all users of the hub."""
    place: Place
    context: str

    @contextmanager
    def opened(self) -> Iterator[tuple[Shell, str]]:
        """Yield a shell and the folder. Raises KernelpodError."""
        # Looking takes at most SECONDS in a pod that has started.
        seconds = int(SECONDS) + podshell.READY_SECONDS
        with self.place.shell(self.context, progress(), 0, "homes", CAPABILITIES, seconds) as (shell, folder):
            yield shell, folder.rstrip("/") or "/"


def asked_options(command: Command) -> Command:
    """Return the command with the options of `Asked`; it gets them as `asked`."""

    @functools.wraps(command)
    def with_asked(
        names: tuple[str, ...],
        settings_file: Path | None,
        hub_name: str,
        list_file: Path | None,
        of_hub: bool,
        token_file: TextIO | None,
        place: Place,
        context: str,
        **given: Any,
    ) -> None:
        settings = load_settings(settings_file)
        hub = settings.hub(hub_name)
        users = HubUsers(settings, hub)
        everybody = not names and list_file is None
        if of_hub and not everybody:
            raise SettingsError("--of-hub means all users of the hub; leave out names and --list")
        if everybody:
            chosen = _known(hub, token_file) if of_hub else users.names()
        else:
            chosen = [*map(_normal, names), *(_listed(list_file) if list_file else ())]
        there = place if place.count else Place(Path(settings.homes.root), "", "", "", "", "")
        command(asked=Asked(users, users.homes(chosen), everybody, there, context), **given)

    collected: Command = with_asked
    target = "Folder with all homes, as this machine sees it. Default: homes.root of the settings."
    for option in (
        place_options(Place, False, target, "folder with all homes"),
        click.option(
            "--list",
            "list_file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="File with a user name on each line, or a CSV file as for courses. Default, without NAMES: all "
            "users that the hub's courses or its file of user ids name.",
        ),
        click.option(
            "--of-hub", is_flag=True, help="All users that the hub knows. It is asked with the token of an admin."
        ),
        token_option,
        click.option("--hub", "hub_name", default="", help="Name of the hub, required if there are several."),
        settings_option,
        click.argument("names", nargs=-1),
    ):
        collected = option(collected)
    return collected


def _listed(path: Path) -> list[str]:
    """Return the users in a file. Raises SettingsError if there are none, or for a line that is no user name."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_LIST_BYTES + 1)
        if len(raw) > MAX_LIST_BYTES:
            raise SettingsError(
                f"--list {path} is larger than {MAX_LIST_BYTES // 2**20} MiB. If it is a list of users, split it, "
                "and run the command for each part"
            )
        if found := list(read_plain(raw, Lists(max_bytes=MAX_LIST_BYTES)).names):
            return found
    except OSError as error:
        raise SettingsError(f"--list {path} cannot be read: {error}") from error
    except BadList as error:
        raise SettingsError(f"--list {path}:{error.line}: {error}") from error
    raise SettingsError(f"--list {path}: there is no name in it; write one on each line")


def _normal(name: str) -> str:
    """Return a name as JupyterHub has it: in lower case. Raises SettingsError."""
    if not (made := name.strip().lower()):
        raise SettingsError("a name is empty; is a variable of the command not set?")
    return made


def _known(hub: Hub, token_file: TextIO | None) -> list[str]:
    """Return the users that the hub knows. Raises SettingsError if it does not say."""
    try:
        if found := user_names(api_of_hub(hub, admin_token(hub, token_file))):
            return found
    except NotDoneError as error:
        raise SettingsError(f"--of-hub: {error}") from error
    raise SettingsError("--of-hub: the hub knows no users yet; give names, or --list FILE")
