"""The option by which commands get an admin's API token of a hub; it is never a word of a command line."""

from __future__ import annotations

import os
from typing import TextIO

import click
from pydantic import SecretStr

from kernelpod.errors import SettingsError
from kernelpod.settings.hubs import MAX_TOKEN_BYTES, Hub

TOKEN_VARIABLE = "KERNELPOD_ADMIN_TOKEN"  # noqa: S105 - a name

token_option = click.option(
    "--token-file",
    type=click.File("r", encoding="utf-8"),
    help=f"File with an admin's API token, - for the standard input. Default: ${TOKEN_VARIABLE}, then "
    "`hubs.admin_token_file` of the settings.",
)


def admin_token(hub: Hub, file: TextIO | None) -> SecretStr:
    """Return the admin's token. Raises SettingsError if there is none."""
    if file is not None:
        text = file.read(MAX_TOKEN_BYTES).strip()
        if not text:
            raise SettingsError("--token-file is empty; write an admin's token into it")
        return SecretStr(text)
    if text := os.environ.get(TOKEN_VARIABLE, "").strip():
        return SecretStr(text)
    token = hub.admin_token()
    if token is None:
        raise SettingsError(
            f"There is no token: give an admin's by --token-file or ${TOKEN_VARIABLE}, or set "
            "hubs.admin_token_file."
        )
    return token
