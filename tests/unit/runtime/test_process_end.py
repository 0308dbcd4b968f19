"""A process that a gateway could not record has ended when `end` returns."""

from __future__ import annotations

import subprocess
import sys

from kernelpod.runtime.local.processes import Process, start_ticks_of


def test_it_waits_until_the_process_is_gone() -> None:
    """Linux takes a while to free so much memory."""
    much = "memory = b'x' * 400_000_000; print('here', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", much], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        Process(popen.pid, start_ticks_of(popen.pid) or 0, sandboxed=False).end()
        assert start_ticks_of(popen.pid) is None


def test_a_process_that_has_ended_is_no_error() -> None:
    popen = subprocess.Popen([sys.executable, "-c", ""])
    popen.wait()
    Process(popen.pid, 1, sandboxed=False).end()
