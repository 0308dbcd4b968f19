"""Runs the Alice scenario against the demo and prints a line for each check."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from kernelpod.demo.scenario import AFTERWARDS, ISOLATION, SCENARIO
from kernelpod.demo.scene import Scene
from kernelpod.demo.stack import Say, running_stack
from kernelpod.errors import KernelpodError


@dataclass(frozen=True)
class Result:
    """One check: what it says, whether it held, how long it took in seconds."""

    check: str
    outcome: str
    seconds: float
    detail: str = ""


def run_check(checkout: Path, say: Say, *, as_json: bool = False) -> int:
    """Return the exit status: 0 if every check held (and, in CI, was enforced)."""
    results: list[Result] = []
    scene: Scene | None = None
    try:
        with running_stack(checkout, None, say) as stack:
            scene = Scene(stack)
            for check in SCENARIO:
                results.append(_run(check, scene, as_json))
    except KernelpodError as error:
        results.append(Result("the demo starts", "failed", 0, error.message))
        _show(results[-1], as_json)
    if scene is not None:
        scene.close()
        results += [_run(check, scene, as_json) for check in AFTERWARDS]
    return _close(results, as_json)


def _run(check: Callable[[Scene], None], scene: Scene, as_json: bool) -> Result:
    name = (check.__doc__ or check.__name__).strip().rstrip(".")
    began = time.monotonic()
    try:
        if check in ISOLATION and not scene.stack.sandboxed:
            result = Result(name, "not enforced", 0, "no sandbox on this machine")
        else:
            check(scene)
            result = Result(name, "ok", time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - a check that breaks in any way has failed, and the rest goes on
        result = Result(name, "failed", time.monotonic() - began, f"{type(error).__name__}: {error}"[:1000])
    _show(result, as_json)
    return result


def _show(result: Result, as_json: bool) -> None:
    mark = {"ok": "ok  ", "failed": "FAIL"}.get(result.outcome, "none")
    detail = f"  ({result.outcome}: {result.detail})" if result.detail else ""
    click.echo(f"{mark} {result.seconds:6.2f} s  {result.check}{detail}", err=as_json)


def _close(results: list[Result], as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    failed = sum(result.outcome == "failed" for result in results)
    unenforced = sum(result.outcome == "not enforced" for result in results)
    passed = len(results) - failed - unenforced
    if unenforced:
        click.echo(f"{unenforced} checks of isolation were not enforced: install bubblewrap", err=as_json)
    if os.environ.get("CI") == "true":
        failed, unenforced = failed + unenforced, 0
    click.echo(
        f"{passed} passed, {failed} failed" + (f", {unenforced} skipped" if unenforced else ""), err=as_json
    )
    if not failed and not unenforced:
        click.echo("all checks passed", err=as_json)
    return 1 if failed else 0
