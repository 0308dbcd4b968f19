"""`kernelpod hub import`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import click

from kernelpod.cli.specs.options import json_option, say_json
from kernelpod.courses.check import check_courses
from kernelpod.findings.finding import Finding
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.hub.layout import Layout, config_of, guessed
from kernelpod.importers.hub.values import imported_values
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings

SETTINGS = "settings.yaml"


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--to", "to", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the new files."
)
@click.option(
    "--from",
    "layout",
    type=click.Choice(["courses-config", "z2jh-values"]),
    help="Layout of the source; else guessed from its keys.",
)
@click.option("--image", default="", help="courses-config: image of servers where the source's is not fixed.")
@click.option(
    "--kernelspec", "kernelspecs", multiple=True, help="courses-config: a kernelspec of exams; repeat for more."
)
@click.option("--keep-secrets", is_flag=True, help="z2jh-values: write secrets into the new values, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
def import_hub(
    source: Path,
    to: Path,
    layout: Layout | None,
    image: str,
    kernelspecs: tuple[str, ...],
    keep_secrets: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take over the configuration of another hub at SOURCE, and say what is not as it was, a line each.

    SOURCE is a config.yaml with server.<hub> and its folders of CSV lists, or values of Zero to JupyterHub.
    No file is overwritten. The exit status is 1 if the new files still have errors, which are named.

    \b
    Examples:
      kernelpod hub import /srv/nfs/jupyterhub --to hub --kernelspec exam-pod
      kernelpod hub import old-values.yaml --to hub --dry-run
    """
    file = config_of(source)
    if (layout or guessed(file)) == "courses-config":
        made = imported_courses(file, image, kernelspecs)
    else:
        made = imported_values(file, keep_secrets)
    _refuse_existing(made, to)
    with tempfile.TemporaryDirectory() as folder:
        _write(made, Path(folder))
        findings = _findings(made, Path(folder))
        said = [finding.as_text().replace(folder, str(to)) for finding in findings]
    if not dry_run:
        _write(made, to)
    _say(made, said, to, written=not dry_run, as_json=as_json)
    raise SystemExit(1 if any(finding.level == "error" for finding in findings) else 0)


def _refuse_existing(made: Imported, to: Path) -> None:
    there = [str(to / name) for name in made.files if (to / name).exists() or (to / name).is_symlink()]
    if there:
        raise ImportingError(f"{', '.join(there[:5])}: there already; name another folder with --to")


def _write(made: Imported, to: Path) -> None:
    """Write all files, or none."""
    new: list[Path] = []
    try:
        for name, raw in made.files.items():
            path = to / name
            new += reversed([parent for parent in path.parents if not parent.exists()])
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "xb", opener=_private if made.secret else None) as opened:
                new.append(path)
                opened.write(raw)
    except OSError as error:
        for path in reversed(new):
            with contextlib.suppress(OSError):  # a folder that somebody else has filled meanwhile, or none
                path.rmdir() if path.is_dir() else path.unlink()
        raise ImportingError(f"{error.filename}: {error.strerror}; nothing was written") from error


def _private(name: str, flags: int) -> int:
    """Open a file that only its owner may read, from the beginning."""
    return os.open(name, flags, 0o600)


def _findings(made: Imported, folder: Path) -> list[Finding]:
    """Return what `kernelpod courses check` says of the new courses files."""
    settings = load(folder / SETTINGS) if made.courses else Settings()
    return [finding for name in made.courses for finding in check_courses(folder / name, settings)]


def _say(made: Imported, findings: list[str], to: Path, *, written: bool, as_json: bool) -> None:
    files = [str(to / name) for name in made.files]
    if as_json:
        notes = [note.as_dict() for note in made.notes]
        say_json({"files": files, "written": written, "notes": notes, "findings": findings})
        return
    for note in made.notes:
        click.echo(note.as_text())
    for finding in findings:
        click.echo(finding)
    for file in files:
        click.echo(f"{file} {'written' if written else 'would be written'}")
