"""Finds and reads the settings file, and reports what is wrong in it."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import read_tree
from kernelpod.settings.sections import Settings

WHAT = "the settings file"
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

    Raises FindingsError, which names the place of every mistake, and the nearest known key. It repeats no value.
    """
    if path is None:
        return Settings()
    try:
        tree = read_tree(path, such_as="homes: and hubs:")
    except FindingsError as error:
        raise FindingsError(error.findings, WHAT) from None
    try:
        return Settings.model_validate(tree.data)
    except ValidationError as error:
        raise FindingsError(tree.findings(error, Settings), WHAT) from None
