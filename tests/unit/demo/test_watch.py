"""Clocks where a machine stands still: a process that is stopped is on such a machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import doubles
from doubles import eventually
from kernelpod.demo.watch import Watch

STILL_SECONDS = 4
MEASURES = """
import sys
from kernelpod.demo.watch import Watch
watch = Watch()
print("begun", flush=True)
sys.stdin.readline()
print(watch.seconds())
"""


def stopped_meanwhile(code: str) -> str:
    """Return what a program prints last that stands still for a while after it has begun."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "begun\n"
        program.send_signal(signal.SIGSTOP)
        until = time.monotonic() + STILL_SECONDS
        eventually(lambda: time.monotonic() > until, what="it stood still for long enough")
        program.send_signal(signal.SIGCONT)
        return program.communicate("\n", timeout=60)[0].strip()


def test_a_watch_does_not_count_what_stood_still() -> None:
    assert float(stopped_meanwhile(MEASURES)) < STILL_SECONDS - 0.5


def test_a_watch_counts_what_takes_time() -> None:
    watch, until = Watch(), time.monotonic() + 0.5
    eventually(lambda: time.monotonic() > until)
    assert watch.seconds() > 0.05
    with pytest.raises(AssertionError, match="took"):
        Watch().within(0)


def test_who_waits_does_not_count_what_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [0.0], iter([0.02, 30.0])

    def sleep(seconds: float) -> None:
        now[0] += next(slept, seconds)

    monkeypatch.setattr(doubles, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    answers = iter([False] * 10)
    assert eventually(lambda: next(answers, True), 3)
    assert now[0] > 30
    with pytest.raises(AssertionError, match="not within 3 s"):
        eventually(lambda: False, 3)
    assert now[0] < 40
