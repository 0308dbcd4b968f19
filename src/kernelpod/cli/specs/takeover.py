"""`kernelpod specs import`."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import click

from kernelpod.cli.importing import EXIT_ASKED, NOTHING_WRITTEN
from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.specs.author import coloured
from kernelpod.cli.specs.options import json_option, say_json, words_of
from kernelpod.errors import KernelpodError
from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import BadJson, JsonFile, read_json
from kernelpod.importers.kernelspecs.taking import Given, ImportedKernelspec, import_kernelspec, legal_name
from kernelpod.importers.report import Note
from kernelpod.kernelspecs.linting.lint import lint
from kernelpod.kernelspecs.model import LOGOS

KERNEL_JSON = "kernel.json"


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@settings_option
@click.option(
    "--into", type=click.Path(path_type=Path, file_okay=False), default=Path("kernelspecs"), show_default=True
)
@click.option("--name", default="", help="Name of the new kernelspec; else made of its folder's.")
@click.option("--image", default="", help="Image that holds the kernel; needed where kernel.json names none.")
@click.option(
    "--command", default="", help="The kernel's own command line; {connection_file} stands for the connection."
)
@click.option(
    "--group", "groups", multiple=True, help="A hub group that may use it; repeat for more. Else kernel.json says."
)
@click.option(
    "--accept",
    "accepted",
    multiple=True,
    type=click.Choice(["everybody"]),
    help="Let everybody use what was for some users.",
)
@click.option("--dry-run", is_flag=True, help="Print the new kernel.json, and write nothing.")
@json_option
def import_spec(
    path: Path,
    settings_file: Path | None,
    into: Path,
    name: str,
    image: str,
    command: str,
    groups: tuple[str, ...],
    accepted: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take over the kernelspec at PATH, of a stock gateway or of a local kernel, and say what is not as it was.

    The exit status is 1 if lint still finds errors, and 3 if the old kernelspec was for some users and the new
    one would be for everybody: then nothing is written, until --group names hub groups, or --accept takes it.

    \b
    Examples:
      kernelpod specs import /usr/local/share/jupyter/kernels/python_kubernetes
      kernelpod specs import ~/.local/share/jupyter/kernels/ir --image registry.example/r:4.4 --dry-run
      kernelpod specs import /usr/local/share/jupyter/kernels/staff --group staff
    """
    old = path.parent if path.is_file() else path
    new, why = (name, "") if name else legal_name(old.resolve().name)
    given = Given(new, image, tuple(words_of(command)), groups)
    made = import_kernelspec(old / KERNEL_JSON, _read(old), given)
    if why:
        made.notes.append(Note(made.tree.spot(()), "name", "changed", why))
    write = not dry_run and not made.unanswered(accepted)
    if write and (into / new).exists():
        raise KernelpodError(f"{into / new} is there already; name another with --name")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, new)
        _write(made, old, folder)
        settings = load_settings(settings_file)
        findings = lint(Path(parent), settings.kernelspecs, settings.culling)
        if write:
            shutil.copytree(folder, into / new)
    if as_json:
        about = {"name": new, "written": write, "kernel_json": made.kernel_json}
        said = {"notes": [one.as_dict() for one in made.notes], "findings": [one.as_text() for one in findings]}
        say_json({**about, **said, **made.as_dict(accepted)})
    else:
        _say(made, findings, accepted, str(into / new) if write else "")
    if made.unanswered(accepted):
        raise SystemExit(EXIT_ASKED)
    raise SystemExit(1 if any(finding.level == "error" for finding in findings) else 0)


def _read(folder: Path) -> JsonFile:
    try:
        read = read_json((folder / KERNEL_JSON).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise KernelpodError(f"{folder / KERNEL_JSON}: {error.strerror}") from error
    except (BadJson, UnicodeDecodeError) as error:
        raise KernelpodError(f"{folder / KERNEL_JSON} is not JSON: {error}") from error
    if not isinstance(read.data, dict):
        raise KernelpodError(f"{folder / KERNEL_JSON} is no kernelspec: it holds no object")
    return read


def _write(made: ImportedKernelspec, old: Path, folder: Path) -> None:
    """Write the new kernelspec; logos come along, and each other file gets its fate."""
    try:
        folder.mkdir(mode=0o755)
    except (OSError, ValueError) as error:
        raise KernelpodError(f"{folder.name!r} cannot be a folder's name; give another with --name") from error
    text = json.dumps(made.kernel_json, indent=2, ensure_ascii=False) + "\n"
    (folder / KERNEL_JSON).write_bytes(text.encode("utf-8", "backslashreplace"))
    for beside in sorted(old.iterdir()):
        if beside.name in LOGOS and beside.is_file():
            (folder / beside.name).write_bytes(beside.read_bytes())
            made.note_file(beside.name, "kept")
        elif beside.name != KERNEL_JSON and made.names(beside.name):
            made.note_file(beside.name, "left", "argv names it: the image must hold it, as said there")
        elif beside.name != KERNEL_JSON:
            made.note_file(beside.name, "dropped", "the new argv names no such file, and a pod has none beside it")
    for file in folder.iterdir():
        file.chmod(0o644)


def _say(made: ImportedKernelspec, findings: list[Finding], accepted: tuple[str, ...], written: str) -> None:
    if not written:
        click.echo(json.dumps(made.kernel_json, indent=2, ensure_ascii=False))
    found = [coloured(finding.as_text()) for finding in findings]
    for line in [*made.said(), *found, *made.closing(accepted)]:
        click.echo(line, err=not written)
    if made.unanswered(accepted):
        click.echo(NOTHING_WRITTEN, err=True)
    if written:
        click.echo(f"{written} written")
