"""Generates the reference pages and JSON schemas of docs/ from the code.

`python -m kernelpod.cli.reference docs` writes them. With `--check` it fails if one is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
from pydantic import BaseModel

from kernelpod import errors
from kernelpod.audit import AuditLine
from kernelpod.cli.main import main
from kernelpod.cli.settings import NOTE, settings_markdown, settings_schema, tables
from kernelpod.courses import model, theme
from kernelpod.courses.model import HubFile
from kernelpod.homes.volumes import Volume
from kernelpod.kernelspecs.linting.kinds import KINDS
from kernelpod.kernelspecs.model import KernelJson

COURSES_SECTIONS: dict[str, type[BaseModel]] = {
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


def cli_markdown() -> str:
    """Return the reference of all commands as Markdown: the output of each `--help`."""
    lines = [NOTE, "", "# Commands", ""]
    for name, command in _commands("kernelpod", main):
        context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
        lines += [f"## `{name}`", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(lines)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and all its subcommands with their full names."""
    yield name, command
    if isinstance(command, click.Group):
        for below, inner in sorted(command.commands.items()):
            yield from _commands(f"{name} {below}", inner)


def errors_markdown() -> str:
    """Return the reference of all error codes as Markdown."""
    lines = [NOTE, "", "# Error codes", ""]
    lines += [
        "Every error is JSON. `reason` and `message` hold the text for the user; `code` is one of these codes.",
        "",
    ]
    lines += ["| code | meaning |", "| --- | --- |"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in errors.CODES.items()]
    return "\n".join([*lines, ""])


def faults_markdown() -> str:
    """Return the reference of all findings of `specs lint` as Markdown."""
    lines = [NOTE, "", "# Faults of kernelspecs", "", "`kernelpod specs lint` reports these findings.", ""]
    lines += ["| code | level | meaning | remedy |", "| --- | --- | --- | --- |"]
    lines += [f"| `{code}` | {kind.level} | {kind.meaning} | {kind.remedy} |" for code, kind in KINDS.items()]
    return "\n".join([*lines, ""])


def kernelspec_schema() -> str:
    """Return the JSON schema of kernel.json. Editors find it through the key `$schema`."""
    schema = KernelJson.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


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
    return "\n".join([*lines, *tables(COURSES_SECTIONS.items())])


def audit_schema() -> str:
    """Return the JSON schema of a line of the audit log."""
    schema = AuditLine.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2) + "\n"


PAGES = {
    "settings.md": settings_markdown,
    "settings.schema.json": settings_schema,
    "cli.md": cli_markdown,
    "errors.md": errors_markdown,
    "lint.md": faults_markdown,
    "kernelspec.schema.json": kernelspec_schema,
    "audit.schema.json": audit_schema,
    "courses-keys.md": courses_markdown,
    "courses.schema.json": courses_schema,
}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a page is stale.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def reference(check: bool, folder: Path) -> None:
    """Write the generated pages into FOLDER."""
    stale = []
    for name, make in PAGES.items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    click.echo(
        f"{folder}: {', '.join(stale) or 'nothing'} {'stale; run make docs' if check and stale else 'changed'}"
    )
    raise SystemExit(1 if check and stale else 0)


if __name__ == "__main__":
    reference()
