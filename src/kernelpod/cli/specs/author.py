"""`kernelpod specs list`, `new`, `lint`: list, write and check kernelspecs."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from kernelpod.base import shipped
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.specs.options import (
    ReleasePlace,
    json_option,
    place_options,
    say_json,
    say_table,
    source_argument,
    words_of,
)
from kernelpod.errors import KernelpodError
from kernelpod.findings import forms
from kernelpod.findings.finding import Finding
from kernelpod.kernelspecs.folders import read_all
from kernelpod.kernelspecs.linting.lint import lint as find_findings
from kernelpod.kernelspecs.linting.lint import spec_folders
from kernelpod.kernelspecs.linting.rules import interrupted_by
from kernelpod.kernelspecs.model import read_folder

KERNEL_JSON = "kernel.json"
SHOWN = ("address", "display_name", "language", "image")
COLOURS = {"error": "red", "warning": "yellow"}


@click.command("list")
@source_argument
@place_options(required=False)
@click.option("--user", default="", help="Show only what this user sees, as a member of the groups of --group.")
@click.option(
    "--group", "groups", multiple=True, help="Show only what members of this hub group see; repeat for more."
)
@click.option("--hub", help="Show only what users of this hub see.")
@json_option
def list_specs(
    folder: Path,
    place: ReleasePlace,
    context: str,
    user: str,
    groups: tuple[str, ...],
    hub: str | None,
    as_json: bool,
) -> None:
    """List the kernelspecs and profiles of FOLDER, or of the live release at --target, --ssh or --pvc.

    \b
    Examples:
      kernelpod specs list kernelspecs --user alice --group graders
      kernelpod specs list --target /srv/nfs/kernelpod
    """
    with ExitStack() as stack:
        if place.count:
            live = stack.enter_context(place.opened(context)).live()
            specs = read_all(live) if live else []
        else:
            specs = read_all(folder)
    seen = [spec for spec in specs if spec.is_for(hub, groups) or not (user or groups or hub)]
    rows = [{name: str(getattr(spec, name)) for name in SHOWN} for spec in seen]
    if as_json:
        say_json(rows)
    else:
        say_table(rows)


@click.command()
@click.argument("name")
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path("kernelspecs"), show_default=True
)
@click.option("--like", default="", help="Kernelspec to copy: a name shipped with kernelpod, or a folder.")
@click.option("--image", default="", help="Image of the kernel's pod, with a tag.")
@click.option("--language", default="", help="Name of the language, such as python or R.")
@click.option("--display-name", default="", help="Name shown in Lab. Default: made from NAME.")
@click.option(
    "--command", default="", help="Command line that starts the kernel; it must contain {connection_file}."
)
@json_option
def new(
    name: str,
    into: Path,
    like: str,
    image: str,
    language: str,
    display_name: str,
    command: str,
    as_json: bool,
) -> None:
    """Write the folder of a new kernelspec. Values that are neither options nor in --like are prompted for.

    \b
    Examples:
      kernelpod specs new course-pod --like python-pod --image registry.example/course:1
      kernelpod specs new r-pod --image registry.example/r:4.4 --language R \\
        --command "R --slave -e IRkernel::main() --args {connection_file}"
    """
    folder, template = into / name, _template(like)
    if folder.exists():
        raise KernelpodError(f"{folder} already exists")
    try:
        spec = read_folder(template)[0] if template else None
    except ValueError as error:
        raise KernelpodError(f"{like}: {error}") from error
    data = json.loads((template / KERNEL_JSON).read_text(encoding="utf-8")) if template else {}
    image = image or (spec.image if spec else click.prompt("Image with a tag"))
    language = language or (spec.language if spec else click.prompt("Language"))
    if command or not spec:
        argv = words_of(command or click.prompt("Command that starts the kernel"))
        data |= {"argv": argv, "interrupt_mode": interrupted_by(argv) or "message"}
    metadata = data.get("metadata", {})
    data |= {
        "display_name": display_name or name.replace("-", " ").capitalize(),
        "language": language,
        "metadata": {**metadata, "kernelpod": {**metadata.get("kernelpod", {}), "image": image}},
    }
    _write(folder, data, template)
    if as_json:
        say_json({"written": str(folder / KERNEL_JSON), "kernel_json": data})
    else:
        click.echo(f"{folder / KERNEL_JSON} written; next: kernelpod specs lint {into}")


def _template(like: str) -> Path | None:
    """Return the folder of the kernelspec with this path or name. Raises KernelpodError."""
    if not like:
        return None
    for folder in (Path(like), shipped.kernelspecs() / like):
        if (folder / KERNEL_JSON).is_file():
            return folder
    names = ", ".join(path.name for path in spec_folders(shipped.kernelspecs()))
    raise KernelpodError(f"there is no kernelspec {like}; give its folder, or one of {names}")


def _write(folder: Path, data: dict[str, Any], template: Path | None) -> None:
    """Write a kernelspec and copy the logos of its template. Raises KernelpodError if it is invalid."""
    folder.mkdir(parents=True)
    try:
        for path in template.glob("logo-*") if template else ():
            (folder / path.name).write_bytes(path.read_bytes())
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        (folder / KERNEL_JSON).write_text(text, encoding="utf-8")
        read_folder(folder)
    except (OSError, ValueError) as error:
        shutil.rmtree(folder)
        raise KernelpodError(f"{folder.name}: {error}") from error


@click.command()
@source_argument
@settings_option
@click.option("--format", "form", type=click.Choice(list(forms.FORMS)), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Exit 1 for warnings, too.")
def lint(folder: Path, settings_file: Path | None, form: str, strict: bool) -> None:
    """Check the kernelspecs of FOLDER. Print each finding with location and remedy; exit 1 for errors.

    \b
    Examples:
      kernelpod specs lint kernelspecs
      kernelpod specs lint kernelspecs --strict --format github
    """
    settings = load_settings(settings_file)
    findings = find_findings(folder, settings.kernelspecs, settings.culling)
    said = forms.FORMS[form]([replace(finding, file=folder / finding.file) for finding in findings])
    click.echo(coloured(said) if form == "text" else said, nl=False)
    if form == "text":
        names = [path.name for path in spec_folders(folder)]
        click.echo(f"{len(names)} kernelspecs ({', '.join(names)}): {_count(findings)}")
    raise SystemExit(1 if any(strict or finding.level == "error" for finding in findings) else 0)


def coloured(text: str) -> str:
    """Return the text of findings with each level coloured."""
    for level, colour in COLOURS.items():
        text = text.replace(f": {level} ", f": {click.style(level, fg=colour)} ")
    return text


def _count(findings: list[Finding]) -> str:
    counts = {level: sum(finding.level == level for finding in findings) for level in COLOURS}
    return ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items())
