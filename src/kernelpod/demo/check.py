"""Runs the Alice scenario against the demo and prints a line for each check."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from kernelpod.demo.order import AFTERWARDS, SCENARIO, Check
from kernelpod.demo.scene import Scene
from kernelpod.demo.stack import Say, running_stack
from kernelpod.errors import KernelpodError

STARTS = "the demo starts"
MARKS = {"ok": "ok  ", "failed": "FAIL", "skipped": "skip"}
DETAIL_CHARACTERS = 4000


@dataclass(frozen=True)
class Result:
    """The result of one check: its name, outcome (ok, failed, skipped), duration in seconds, and the reason."""

    check: str
    outcome: str
    seconds: float = 0
    detail: str = ""


@dataclass
class Report:
    """The results of the checks so far. Each is printed when it is added."""

    as_json: bool
    results: list[Result] = field(default_factory=list)
    _culprits: dict[Callable[[Scene], None], str] = field(default_factory=dict)
    """The name of a failed check, by that check and all that were skipped because of it."""

    def add(self, result: Result) -> None:
        """Record a result and print it."""
        self.results.append(result)
        first, _, more = result.detail.partition("\n")
        because = f"  ({result.outcome}{' ' if result.outcome == 'skipped' else ': '}{first})" if first else ""
        click.echo(f"{MARKS[result.outcome]} {result.seconds:6.2f} s  {result.check}{because}", err=self.as_json)
        if more:
            click.echo(more, err=self.as_json)

    def run(self, check: Check, scene: Scene) -> None:
        """Run a check, unless one that it needs has failed, or it needs a sandbox and there is none."""
        culprit = next((self._culprits[one] for one in check.needs if one in self._culprits), "")
        if culprit:
            self._culprits[check.run] = culprit
            self.add(Result(check.name, "skipped", detail=f'because "{culprit}" failed'))
        elif check.of_sandbox and not scene.stack.sandboxed:
            self.add(Result(check.name, "skipped", detail="because there is no sandbox: users are not isolated"))
        else:
            self._make(check, scene)

    def _make(self, check: Check, scene: Scene) -> None:
        began = time.monotonic()
        try:
            check.run(scene)
        except Exception as error:  # noqa: BLE001 - any exception fails the check, and the others still run
            self._culprits[check.run] = check.name
            said = error.message if isinstance(error, KernelpodError) else f"{type(error).__name__}: {error}"
            self.add(Result(check.name, "failed", time.monotonic() - began, said[:DETAIL_CHARACTERS]))
        else:
            self.add(Result(check.name, "ok", time.monotonic() - began))

    def count(self, outcome: str) -> int:
        """Return the number of checks with this outcome."""
        return sum(result.outcome == outcome for result in self.results)


def run_check(checkout: Path, say: Say, *, as_json: bool = False, subdomains: bool = False) -> int:
    """Run all checks. Return the exit status: 0 if every check passed (and, in CI, none was skipped)."""
    report = Report(as_json)
    with _logs_of_failures(report) as logs:
        scene: Scene | None = None
        try:
            with running_stack(checkout, None, say, logs, subdomains=subdomains) as stack:
                scene = Scene(stack)
                for check in SCENARIO:
                    report.run(check, scene)
        except (KernelpodError, OSError) as error:
            report.add(Result(STARTS, "failed", detail=str(error)))
        if scene is None:
            because = f'because "{STARTS}" failed'
            report.results += [Result(check.name, "skipped", 0, because) for check in (*SCENARIO, *AFTERWARDS)]
        else:
            scene.close()
            for check in AFTERWARDS:
                report.run(check, scene)
    return _close(report)


@contextlib.contextmanager
def _logs_of_failures(report: Report) -> Iterator[Path]:
    """Yield a folder for logs, which is kept if a check fails."""
    try:
        logs = Path(tempfile.mkdtemp(prefix="kernelpod-logs-"))
    except OSError as error:
        raise KernelpodError(
            f"No folder for logs can be made ({error.strerror}): set TMPDIR to a writable folder."
        ) from error
    try:
        yield logs
    finally:
        if report.count("failed") and any(logs.iterdir()):
            click.echo(f"the logs are kept in {logs}", err=report.as_json)
        else:
            shutil.rmtree(logs, ignore_errors=True)


def _close(report: Report) -> int:
    if report.as_json:
        made = [asdict(result) for result in report.results]
        click.echo(json.dumps(made, indent=2, ensure_ascii=False))
    passed, failed, skipped = map(report.count, ("ok", "failed", "skipped"))
    if os.environ.get("CI") == "true" and skipped and not failed:
        click.echo("in CI, a skipped check counts as failed", err=report.as_json)
        failed, skipped = skipped, 0
    said = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    click.echo(said, err=report.as_json)
    if not failed and not skipped:
        click.echo("all checks passed", err=report.as_json)
    return 1 if failed else 0
