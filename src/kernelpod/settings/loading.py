"""The settings file: where it is, how it is read, and what is said when it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import yaml
from pydantic import ValidationError

from kernelpod.errors import SettingsError
from kernelpod.findings.sentences import sentences
from kernelpod.settings.sections import Settings

FILE_VARIABLE = "KERNELPOD_SETTINGS"


def default_file() -> Path | None:
    """Return the settings file that is used when none is named: the variable's, else the XDG one if it exists."""
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found = config / "kernelpod" / "settings.yaml"
    return found if found.exists() else None


def load(path: Path | None) -> Settings:
    """Return the settings of a YAML file; without a file, the defaults.

    Raises SettingsError naming the file, every wrong key by its path, and the nearest known key.
    """
    if path is None:
        return Settings()
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise SettingsError(f"settings file {path} is not YAML: {' '.join(str(error).split())}") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise SettingsError(f"settings file {path} must hold a mapping of sections such as homes: and hubs:")
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        lines = [f"  {line}" for line in sentences(error, Settings)]
        raise SettingsError("\n".join([f"settings file {path} cannot be used:", *lines])) from error
