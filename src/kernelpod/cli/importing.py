"""`kernelpod import`."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import click

from kernelpod.cli.hub.config import class_findings, need_findings
from kernelpod.cli.specs.options import json_option, say_json, say_table
from kernelpod.courses.check import check_courses
from kernelpod.errors import SettingsError
from kernelpod.findings.finding import START, Finding
from kernelpod.findings.yamlfile import read_values
from kernelpod.importers.courses.exams import imported_exams
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.gateway.values import GATEWAY_CHART, imported_gateway
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.layout import Layout, config_of, guessed
from kernelpod.importers.hub.secrets import SECRETS, SETTINGS, VALUES
from kernelpod.importers.hub.values import Options, imported_values
from kernelpod.importers.plain.hubs import TRAITS, imported_python, imported_tljh
from kernelpod.importers.preview.exams import exams_preview
from kernelpod.importers.preview.lists import courses_preview
from kernelpod.importers.preview.plain import python_preview, tljh_preview
from kernelpod.importers.preview.rows import Row
from kernelpod.importers.preview.values import values_preview
from kernelpod.importers.report import QUESTIONS, Imported, ImportingError
from kernelpod.importers.version import number_of
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import breaking, generated_for, overrides

REPORT = "import-report.json"
EXIT_ASKED = 3
NOTHING_WRITTEN = "nothing was written: the questions above need an answer"


@click.command("import")
@click.argument("sources", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--to", "to", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the new files."
)
@click.option(
    "--from",
    "layout",
    type=click.Choice(get_args(Layout)),
    help="Layout of the source; else guessed from its keys.",
)
@click.option(
    "--image", default="", help="Of courses and exams: image of servers where the source's is not fixed."
)
@click.option(
    "--kernelspec",
    "kernelspecs",
    multiple=True,
    help="Of exams: a kernelspec that they may start; repeat for more.",
)
@click.option(
    "--at", default="", help="Of values: the hub's or gateway's dotted path in the files; else it is searched."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of values: a value that Helm was given."
)
@click.option(
    "--chart", "version", default="", help="z2jh-values: version of the chart that ran with these values."
)
@click.option("--nfs", default="", help="z2jh-values: SERVER:/FOLDER where a storage class makes users' claims.")
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    type=click.Choice(list(QUESTIONS)),
    help="Answer the questions of a code with yes; repeat for more.",
)
@click.option("--preview", "user", default="", metavar="USER", help="Show what this user has, before and after.")
@click.option("--dry-run", is_flag=True, help="Say what would be written, and write nothing.")
@json_option
def import_hub(
    to: Path, user: str, dry_run: bool, as_json: bool, accepted: tuple[str, ...], **source: Any
) -> None:
    """Take over the configuration of another hub at SOURCES, and say what became of each value.

    SOURCES are a config.yaml with server.<hub> or a config-exam.yaml, and its folders of CSV lists, or files of
    values of Zero to JupyterHub or Enterprise Gateway in Helm's order, also inside of a larger chart's values or
    of a manifest that deploys the chart. No file is overwritten. The new files are checked as `hub check-values`,
    `hub check-config` and `courses check` do. The exit status is 1 if they still have errors, which are named, and
    3 if rights would widen or homes would move: then nothing is written, and --accept CODE takes it.

    \b
    Examples:
      kernelpod import /srv/nfs/jupyterhub --to hub --kernelspec exam-pod
      kernelpod import old-values.yaml production.yaml --chart 3.3.7 --to hub --dry-run --preview jo.doe
    """
    made, show = _imported(**source)
    asked = bool(made.unanswered(accepted))
    _add_report(made, accepted)
    _refuse_existing(made, to)
    with tempfile.TemporaryDirectory() as folder:
        _write(made, Path(folder))
        findings = _findings(made, Path(folder))
        rows = show(Path(folder), user) if user else []
        said = [finding.as_text().replace(folder, str(to)) for finding in findings]
    write = not dry_run and not asked
    if write:
        _write(made, to)
    if not as_json:
        say_table([row._asdict() for row in rows])
    _say(made, said, rows, to, accepted, written=write, as_json=as_json)
    if asked:
        raise SystemExit(EXIT_ASKED)
    raise SystemExit(1 if any(finding.level == "error" for finding in findings) else 0)


# What a user has before and after, by the folder with the new files and the user's name.
_Preview = Callable[[Path, str], list[Row]]


def _imported(
    sources: tuple[Path, ...],
    layout: Layout | None,
    image: str,
    kernelspecs: tuple[str, ...],
    at: str,
    settings: tuple[str, ...],
    version: str,
    nfs: str,
) -> tuple[Imported, _Preview]:
    """Return the import, and what shows a user before and after."""
    files = [config_of(source, layout) for source in sources]
    layout = layout or ("z2jh-values" if at else guessed(files[0]))
    if version and number_of(version) is None:
        raise ImportingError(f"--chart {version}: write the version of the old hub's chart, such as 3.3.7")
    options = Options(version, nfs, breaking)
    if layout == "z2jh-values":
        given = helm_values(files, settings, at)
        made = imported_values(given, options)
        return made, lambda _, user: values_preview(given, made, version, user)
    if layout == "eg-values":
        return imported_gateway(helm_values(files, settings, at, GATEWAY_CHART)), _no_preview
    if len(files) > 1:
        raise ImportingError(f"{layout} is one file; import others by themselves")
    if layout == "courses-config":
        made = imported_courses(files[0], image, kernelspecs)
        return made, lambda folder, user: courses_preview(made, folder, user)
    if layout == "exams-config":
        made = imported_exams(files[0], image, kernelspecs)
        return made, lambda folder, user: exams_preview(made, folder, user)
    if layout == "jupyterhub-config":
        made = imported_python(files[0], options)
        return made, lambda _, user: python_preview(made, version, user)
    made = imported_tljh(files[0], options)
    return made, lambda _, user: tljh_preview(made, user)


def _no_preview(_: Path, user: str) -> list[Row]:
    raise ImportingError(
        f"--preview {user}: this is a gateway, which knows no users; preview the import of its hub"
    )


def _add_report(made: Imported, accepted: tuple[str, ...]) -> None:
    """Add the whole report to the new files, with the questions and their answers."""
    report = json.dumps(made.as_dict(accepted), indent=1, ensure_ascii=False)
    made.files[REPORT] = f"{report}\n".encode("utf-8", "backslashreplace")


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
            with open(path, "xb", opener=_private if name in made.private else None) as opened:
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
    """Return what the command that checks a new file says of it."""
    settings = load(folder / SETTINGS) if (folder / SETTINGS).exists() else Settings()
    if made.courses:
        return [finding for name in made.courses for finding in check_courses(folder / name, settings)]
    if TRAITS in made.files:
        return [*_of_classes(made, folder), *need_findings(folder / TRAITS, settings)]
    if VALUES not in made.files:
        return []
    ours = generated_for(settings.model_dump(mode="json"))
    # Lists and texts with a secret in them are in the second file as a whole.
    files = [folder / name for name in (VALUES, SECRETS) if name in made.files]
    return [finding for file in files for finding in overrides(ours, read_values(file))]


def _of_classes(made: Imported, folder: Path) -> list[Finding]:
    """Return what JupyterHub's classes refuse; without JupyterHub, a note that says which command asks them."""
    file = folder / TRAITS
    try:
        return class_findings(file)
    except SettingsError:
        beside = f" --settings {folder / SETTINGS}" if SETTINGS in made.files else ""
        said = (
            "names and types of traits are not checked, since JupyterHub is not installed here; where it is, "
            f"as in the hub's image, run `kernelpod hub check-config {file}{beside}`"
        )
        return [Finding(file, START, said, "note")]


def _say(
    made: Imported,
    findings: list[str],
    rows: list[Row],
    to: Path,
    accepted: tuple[str, ...],
    *,
    written: bool,
    as_json: bool,
) -> None:
    files = [str(to / name) for name in made.files]
    if as_json:
        notes = [note.as_dict() for note in made.notes]
        about = {"files": files, "written": written, "notes": notes, "findings": findings}
        about |= {"preview": [row._asdict() for row in rows]} if rows else {}
        say_json({**about, **made.as_dict(accepted)})
        return
    for line in [*made.said(), *findings, *made.closing(accepted)]:
        click.echo(line)
    if made.unanswered(accepted):
        click.echo(NOTHING_WRITTEN)
        return
    for file in files:
        click.echo(f"{file} {'written' if written else 'would be written'}")
