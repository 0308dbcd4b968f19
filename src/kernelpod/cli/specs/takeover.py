"""`kernelpod specs import`."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import click

from kernelpod.cli.options import load_settings, settings_option
from kernelpod.cli.specs.author import coloured
from kernelpod.cli.specs.options import json_option, say_json, words_of
from kernelpod.errors import KernelpodError
from kernelpod.findings.finding import Finding
from kernelpod.findings.jsonfile import BadJson, JsonFile, read_json
from kernelpod.importers.kernelspecs import ImportedKernelspec, import_kernelspec, legal_name
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
@click.option("--dry-run", is_flag=True, help="Print the new kernel.json, and write nothing.")
@json_option
def import_spec(
    path: Path,
    settings_file: Path | None,
    into: Path,
    name: str,
    image: str,
    command: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take over the kernelspec at PATH, of a stock gateway or of a local kernel, and say what is not as it was.

    The exit status is 1 if lint still finds errors.

    \b
    Examples:
      kernelpod specs import /usr/local/share/jupyter/kernels/python_kubernetes
      kernelpod specs import ~/.local/share/jupyter/kernels/ir --image registry.example/r:4.4 --dry-run
    """
    old = path.parent if path.is_file() else path
    made = import_kernelspec(old / KERNEL_JSON, _read(old), image, words_of(command))
    if not name:
        name, why = legal_name(old.resolve().name)
        if why:
            made.note("name", "changed", why)
    if not dry_run and (into / name).exists():
        raise KernelpodError(f"{into / name} is there already; name another with --name")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent, name)
        _write(made, old, folder)
        settings = load_settings(settings_file)
        findings = lint(Path(parent), settings.kernelspecs, settings.culling)
        if not dry_run:
            shutil.copytree(folder, into / name)
    if as_json:
        about = {"name": name, "kernel_json": made.kernel_json, "notes": [note.as_dict() for note in made.notes]}
        say_json({**about, "findings": [finding.as_text() for finding in findings]})
    else:
        _say(made, findings, "" if dry_run else str(into / name))
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
    """Write the new kernelspec; logos come along, all else that lies beside is named as dropped."""
    try:
        folder.mkdir(mode=0o755)
    except (OSError, ValueError) as error:
        raise KernelpodError(f"{folder.name!r} cannot be a folder's name; give another with --name") from error
    text = json.dumps(made.kernel_json, indent=2, ensure_ascii=False) + "\n"
    (folder / KERNEL_JSON).write_text(text, encoding="utf-8")
    for beside in sorted(old.iterdir()):
        if beside.name in LOGOS and beside.is_file():
            (folder / beside.name).write_bytes(beside.read_bytes())
        elif beside.name != KERNEL_JSON:
            made.note(beside.name, "dropped", "the gateway makes the pod by itself; put files into the image")
    for file in folder.iterdir():
        file.chmod(0o644)


def _say(made: ImportedKernelspec, findings: list[Finding], written: str) -> None:
    if not written:
        click.echo(json.dumps(made.kernel_json, indent=2, ensure_ascii=False))
    for note in made.notes:
        click.echo(note.as_text(), err=not written)
    for finding in findings:
        click.echo(coloured(finding.as_text()), err=not written)
    if written:
        click.echo(f"{written} written")
