"""Reads what the folder of a kernel says of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from kernelpod.errors import KernelpodError
from kernelpod.runtime.interface import RunningKernel
from kernelpod.runtime.local.processes import Process
from kernelpod.start.connection import read_connection
from kernelpod.start.record import read


def read_kernel(folder: Path) -> tuple[RunningKernel, Process | None]:
    """Return the kernel of a folder and its process; None if the process has ended.

    Raises RecordError for a record that this gateway cannot read, OSError and ValueError if something is missing.
    """
    record = read((folder / "record.json").read_text(encoding="utf-8"))
    connection = read_connection((folder / "connection.json").read_text(encoding="utf-8"))
    process = Process.found(json.loads((folder / "process.json").read_text(encoding="utf-8")))
    return RunningKernel(record, connection, folder.name.rpartition("-")[2]), process


def seen_kernels(folders: Iterable[Path]) -> list[RunningKernel]:
    """Return the kernels of those folders that can be read and whose processes run."""
    found = []
    for folder in folders:
        with contextlib.suppress(KernelpodError, OSError, ValueError):
            kernel, process = read_kernel(folder)
            if process is not None:
                found.append(kernel)
    return found
