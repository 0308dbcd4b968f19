"""Options that several groups of commands share."""

from __future__ import annotations

from pathlib import Path

import click

from kernelpod.settings.loading import FILE_VARIABLE, default_file, load
from kernelpod.settings.sections import Settings

settings_option = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Settings file. Default: ${FILE_VARIABLE}, then kernelpod/settings.yaml in the XDG config folder.",
)


def load_settings(path: Path | None) -> Settings:
    """Return the settings from `path`, or from the default file if it is None. Raises SettingsError."""
    return load(path or default_file())
