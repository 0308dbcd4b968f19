"""Finds and reads the settings file, and reports what is wrong in it."""

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
    """Return the settings file to use when the command names none.

    This is the file in KERNELPOD_SETTINGS, else `kernelpod/settings.yaml` in the XDG configuration folder if that
    file exists, else None.
    """
    if named := os.environ.get(FILE_VARIABLE):
        return Path(named)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found = config / "kernelpod" / "settings.yaml"
    return found if found.exists() else None


def load(path: Path | None) -> Settings:
    """Return the settings in a YAML file, or the defaults if `path` is None.

    Raises SettingsError, whose message names the file, the path of every wrong key, and the nearest known key.
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
        raise SettingsError(f"settings file {path} must be a mapping with sections such as homes: and hubs:")
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        lines = [f"  {line}" for line in sentences(error, Settings)]
        raise SettingsError("\n".join([f"settings file {path} cannot be used:", *lines])) from error
