"""Commands of the machine, run with a time limit and a clear error."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .layout import RigError


def run(argv: Sequence[str | Path], *, seconds: float = 60, environment: Mapping[str, str] | None = None) -> str:
    """What the command wrote to stdout; RigError with its stderr when it fails or takes longer."""
    line = " ".join(map(str, argv))
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except FileNotFoundError:
        raise RigError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise RigError(f"no end after {seconds:.0f} s: {line}") from None
    if done.returncode != 0:
        raise RigError(f"{line}\nended with {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, seconds: float = 10) -> bool:
    """Whether the command ends with 0 in time."""
    try:
        run(argv, seconds=seconds)
    except RigError:
        return False
    return True


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time; it is asked twenty times a second."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
