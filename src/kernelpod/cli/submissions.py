"""`kernelpod submissions`: verifies submitted assignments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from kernelpod.grading.submissions.keys import read_keys
from kernelpod.grading.submissions.manifest import is_code
from kernelpod.grading.submissions.verify import Verdict, verify_all
from kernelpod.grading.submissions.walk import shown


@click.group()
def submissions() -> None:
    """Verify submitted assignments.

    \b
    Examples:
      kernelpod submissions verify submitted/alice/ps1 --code 0F3A-91C2-77D0-4B1E-A6F5
      kernelpod submissions verify submitted --key-file receipts.key
    """


@submissions.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--code", help="Code that the student was shown. Only for a single submission.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the key that receipts are signed with, and former ones. If given, every submission must have "
    "a receipt.",
)
@click.option("--course", help="Course that receipts must be for. Without it, all must be for the same one.")
@click.option(
    "--assignment",
    help="Assignment that receipts must be for. Without it, each must be in a folder named after its assignment.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def verify(
    folder: Path,
    code: str | None,
    key_file: Path | None,
    course: str | None,
    assignment: str | None,
    as_json: bool,
) -> None:
    """Report files that were changed, removed or added since submission. Exit 1 if there are any.

    \b
    Examples:
      kernelpod submissions verify submitted/alice/ps1 --code 0F3A-91C2-77D0-4B1E-A6F5
      kernelpod submissions verify submitted --key-file receipts.key --course ml --json
      kernelpod submissions verify submitted --key-file receipts.key --course ml --assignment ps1
    """
    if code is not None and not is_code(code):
        raise click.BadParameter("a code is five groups of four digits 0-9 and A-F", param_hint="--code")
    verdicts = verify_all(folder, code, read_keys(key_file) if key_file else None, course, assignment)
    if as_json:
        click.echo(json.dumps([_about(verdict) for verdict in verdicts], indent=2))
    else:
        for verdict in verdicts:
            click.echo("\n  ".join([f"{shown(str(verdict.folder))}: {_line(verdict)}", *_details(verdict)]))
    raise SystemExit(0 if all(verdict.ok for verdict in verdicts) else 1)


def _line(verdict: Verdict) -> str:
    counted = [
        f"{len(paths)} {word}"
        for word, paths in (("changed", verdict.changed), ("missing", verdict.missing), ("added", verdict.added))
        if paths
    ]
    said = ["ok"] if verdict.ok else counted or ["not as submitted"]
    if verdict.code is not None:
        said += [f"{verdict.files} files", f"code {verdict.code}"]
    if receipt := verdict.receipt:
        said.append(
            f"{shown(receipt.student)} {shown(receipt.course)} {shown(receipt.assignment)} "
            f"of {receipt.arrived:%Y-%m-%d %H:%M:%S %Z}"
        )
        said += ["late"] * receipt.late + ["came without a manifest"] * (receipt.code is None)
        said += [f"{len(receipt.left_out)} left out"] * bool(receipt.left_out)
    return ", ".join(said)


def _details(verdict: Verdict) -> list[str]:
    paths = [
        f"{word}  {shown(path)}"
        for word, paths in (("changed", verdict.changed), ("missing", verdict.missing), ("added", verdict.added))
        for path in paths
    ]
    return [*paths, *verdict.findings]


def _about(verdict: Verdict) -> dict[str, Any]:
    return {
        "folder": str(verdict.folder),
        "ok": verdict.ok,
        "files": verdict.files,
        "code": verdict.code,
        "changed": verdict.changed,
        "missing": verdict.missing,
        "added": verdict.added,
        "faults": verdict.findings,
        "receipt": verdict.receipt.model_dump(mode="json") if verdict.receipt else None,
        "late": verdict.receipt.late if verdict.receipt else None,
    }
