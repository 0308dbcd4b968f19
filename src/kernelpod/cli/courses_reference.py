"""Generates the reference page and the JSON schema of courses files from their model."""

from __future__ import annotations

import json

from pydantic import BaseModel

from kernelpod.cli.settings_reference import NOTE, tables
from kernelpod.courses import model, theme
from kernelpod.courses.model import HubFile
from kernelpod.homes.volumes import Volume

SECTIONS: dict[str, type[BaseModel]] = {
    "": model.HubFile,
    "theme": theme.Theme,
    "theme.colours": theme.Colours,
    "theme.announcement, .login_announcement": theme.Announcement,
    "storage": model.Storage,
    "lists": model.Lists,
    "courses.<id>": model.Course,
    "courses.<id>.resources, .sizes.<title>": model.ServerResources,
    "courses.<id>.folder, .mounts.<name>": model.Folder,
    "courses.<id>.folder.access": model.ByRole,
    "courses.<id>.volumes.<name>": model.ExtraVolume,
    "courses.<id>.volumes.<name>.volume": Volume,
    "courses.<id>.exchange": model.Exchange,
    "courses.<id>.roles.<role>": model.Role,
}


def courses_schema() -> str:
    """Return the JSON schema of a courses file. No key is required, since an included file may set it."""
    schema = HubFile.model_json_schema()
    for part in schema["$defs"].values():
        part.pop("required", None)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


def courses_markdown() -> str:
    """Return the reference of all keys as Markdown, with one table for each section."""
    lines = [NOTE, "", "# Keys of a courses file", ""]
    lines += ["[courses.md](courses.md) explains how to write one. `defaults` has the same keys as a course.", ""]
    return "\n".join([*lines, *tables(SECTIONS.items())])
