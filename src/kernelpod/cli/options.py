"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from kernelpod.settings.loading import FILE_VARIABLE, default_file, load
from kernelpod.settings.sections import Settings

settings_option = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Settings file; else the one {FILE_VARIABLE} names, else kernelpod/settings.yaml in the XDG folder.",
)


def load_settings(path: Path | None) -> Settings:
    """Return the settings of the named or the default file. Raises SettingsError."""
    return load(path or default_file())
